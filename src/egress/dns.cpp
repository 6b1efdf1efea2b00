#include "egress/dns.hpp"

#include <algorithm>

#include "egress/rule.hpp"

namespace estab::egress {
namespace {

constexpr std::size_t header_bytes = 12;
constexpr std::size_t records_max = 128;   // of one answer
constexpr std::size_t addresses_max = 64;  // pinned by one answer
constexpr std::uint16_t class_in = 1;

class Reader {
public:
    Reader(Bytes message, std::size_t at) : message_(message), at_(at) {}

    std::size_t at() const { return at_; }
    bool failed() const { return failed_; }

    std::uint16_t u16() {
        const Bytes two = take(2);
        return failed_ ? std::uint16_t{0} : static_cast<std::uint16_t>(two[0] << 8 | two[1]);
    }
    Bytes take(std::size_t octets) {
        if (failed_ || octets > message_.size() - at_) {
            failed_ = true;
            return {};
        }
        at_ += octets;
        return message_.subspan(at_ - octets, octets);
    }
    // A pointer leads strictly back, so this ends (RFC 1035 4.1.4).
    std::string name() {
        std::string text;
        std::size_t here = at_;
        std::size_t limit = here;
        bool jumped = false;
        for (;;) {
            if (here >= message_.size()) return fail();
            const std::uint8_t length = message_[here];
            if ((length & 0xc0U) == 0xc0U) {
                if (here + 1 >= message_.size()) return fail();
                const std::size_t to = (length & 0x3fU) << 8 | message_[here + 1];
                if (!jumped) at_ = here + 2;
                jumped = true;
                if (to >= limit) return fail();
                limit = here = to;
                continue;
            }
            if (length > 63 || here + 1 + length > message_.size()) return fail();
            if (length == 0) break;
            if (!text.empty()) text += '.';
            // A dot inside a label must not look like two labels.
            for (const std::uint8_t c : message_.subspan(here + 1, length))
                text += c == '.' || c < 33 || c > 126 ? '?' : static_cast<char>(c);
            here += 1U + length;
            if (text.size() > name_max) return fail();
        }
        if (!jumped) at_ = here + 1;
        return text;
    }

private:
    std::string fail() {
        failed_ = true;
        return {};
    }

    Bytes message_;
    std::size_t at_;
    bool failed_ = false;
};

std::optional<DnsQuestion> parse_question(Bytes message, bool is_answer) {
    if (message.size() < header_bytes) return {};
    Reader reader(message, 0);
    DnsQuestion question;
    question.id = reader.u16();
    const std::uint16_t flags = reader.u16();
    const std::uint16_t questions = reader.u16();
    const std::uint16_t answers = reader.u16();
    const bool says_answer = (flags & 0x8000U) != 0;
    if (says_answer != is_answer || (flags & 0x7800U) != 0 || questions != 1) return {};
    if (!is_answer && answers != 0) return {};
    (void)reader.take(4);
    const std::string name = reader.name();
    question.name = normal_name(name);
    question.type = reader.u16();
    question.dns_class = reader.u16();
    if (reader.failed()) return {};
    question.end = reader.at();
    return question;
}

}  // namespace

std::optional<DnsQuestion> parse_dns_query(Bytes message) { return parse_question(message, false); }

std::vector<wire::Address> dns_addresses(const DnsQuestion& question, Bytes answer) {
    const auto repeated = parse_question(answer, true);
    if (!repeated || repeated->id != question.id || repeated->name != question.name ||
        repeated->type != question.type || question.name.empty())
        return {};
    const std::size_t records =
        std::min<std::size_t>(records_max, static_cast<std::size_t>(answer[6] << 8 | answer[7]));
    Reader reader(answer, repeated->end);
    std::string owner = question.name;
    std::vector<wire::Address> found;
    for (std::size_t i = 0; i < records && found.size() < addresses_max; ++i) {
        const std::string name = normal_name(reader.name());
        const std::uint16_t type = reader.u16();
        const std::uint16_t dns_class = reader.u16();
        (void)reader.take(4);  // TTL: a program may keep an address for longer than that
        const std::uint16_t length = reader.u16();
        const std::size_t begin = reader.at();
        const Bytes data = reader.take(length);
        if (reader.failed()) break;
        if (name.empty() || name != owner || dns_class != class_in) continue;
        switch (static_cast<QueryType>(type)) {
        case QueryType::cname: owner = normal_name(Reader(answer, begin).name()); break;
        case QueryType::a:
            if (length == 4) found.push_back(wire::Address::from_v4(data.data()));
            break;
        case QueryType::aaaa:
            if (length == 16) found.push_back(wire::Address::from_v6(data.data()));
            break;
        case QueryType::ptr:
        case QueryType::txt:
        case QueryType::https: break;
        }
    }
    return found;
}

std::vector<std::uint8_t> refuse_dns(const DnsQuestion& question, Bytes query, DnsRefusal how) {
    std::vector<std::uint8_t> message(query.begin(),
                                      query.begin() + static_cast<std::ptrdiff_t>(question.end));
    const bool recursion_desired = (message[2] & 1U) != 0;
    message[2] = static_cast<std::uint8_t>(0x80U | (recursion_desired ? 1U : 0U));
    message[3] = static_cast<std::uint8_t>(0x80U | static_cast<unsigned>(how));
    std::fill(message.begin() + 6, message.begin() + header_bytes, std::uint8_t{0});
    return message;
}

}  // namespace estab::egress
