// DNS and multicast DNS. RFC 1035 4, RFC 6891 6, RFC 6762 18.
#include <algorithm>
#include <array>
#include <optional>

#include "observe/dump_dns_names.hpp"
#include "observe/dump_parts.hpp"

namespace estab::observe::dump {
namespace {

constexpr std::uint16_t type_a6 = 38, type_opt = 41, class_in = 1, top_bit = 0x8000;
constexpr std::size_t header_bytes = 12, record_bytes = 10;
// What is printed of one name. RFC 1035 3.1 allows 255 octets; pointers could spell out more than
// the message has.
constexpr std::size_t name_bytes_max = 4096;
// The two upper bits of a label's length: a pointer, or RFC 2673's bit string.
constexpr std::uint8_t pointer = 0xc0, extended = 0x40, bit_string = 1;

constexpr std::uint16_t qr = 0x8000, aa = 0x0400, tc = 0x0200, rd = 0x0100, ra = 0x0080,
                        ad = 0x0020, cd = 0x0010, strange_in_query = 0x06cf;

constexpr std::array<std::string_view, 16> operations = {
    "", " inv_q", " stat", " op3", " notify", " update", " op6", " op7", " op8", " updateA",
    " updateD", " updateDA", " updateM", " updateMA", " zoneInit", " zoneRef"};
constexpr std::array<std::string_view, 11> responses = {
    "", " FormErr", " ServFail", " NXDomain", " NotImp", " Refused", " YXDomain", " YXRRSet",
    " NXRRSet", " NotAuth", " NotZone"};

using Place = std::optional<std::size_t>;  // where it goes on; nothing: it was cut off

class Message {
public:
    Message(TextBuffer& out, Part message, int verbose, bool multicast)
        : out_(out), bytes_(message.bytes), length_(message.length), verbose_(verbose),
          multicast_(multicast) {}

    void print() {
        add_number(out_, "", u16(0));
        out_.add(operations[u16(2) >> 11 & 15]);
        if (!((u16(2) & qr) != 0 ? response() : query())) return add_cut(out_, "domain");
        add_number(out_, " (", length_);
        out_.add(')');
    }

private:
    std::uint16_t u16(std::size_t at) const { return load_be16(bytes_.data() + at); }
    bool has(std::size_t at, std::size_t count) const {
        return at <= bytes_.size() && bytes_.size() - at >= count;
    }
    unsigned count(unsigned section) const { return u16(4 + 2 * std::size_t{section}); }

    bool response() {
        add_response(response_code());
        const std::uint16_t flags = u16(2);
        if ((flags & aa) != 0) out_.add('*');
        if ((flags & ra) == 0) out_.add('-');
        if ((flags & tc) != 0) out_.add('|');
        if ((flags & ad) != 0) out_.add('$');
        if (count(0) != 1) add_counted(count(0), "q]");
        Place at = header_bytes;
        for (unsigned i = 0; i < count(0); ++i) {
            if (i != 0) out_.add(',');
            if (verbose_ > 1) out_.add(" q:");
            at = verbose_ > 1 ? question(*at) : skip_name(*at);
            if (!at) return false;
            if (verbose_ <= 1) *at += 4;
        }
        add_number(out_, " ", count(1));
        add_number(out_, "/", count(2));
        add_number(out_, "/", count(3));
        at = records(*at, count(1), "");
        return at && (verbose_ <= 1 || rest(*at));
    }

    bool query() {
        const std::uint16_t flags = u16(2);
        if ((flags & rd) != 0) out_.add('+');
        if ((flags & cd) != 0) out_.add('%');
        if ((flags & strange_in_query) != 0) {
            out_.add(" [b2&3=0x");
            out_.hex(flags);
            out_.add(']');
        }
        if ((flags >> 11 & 15) == 1) {  // an inverse query has one answer
            if (count(0) != 0) add_counted(count(0), "q]");
            if (count(1) != 1) add_counted(count(1), "a]");
        } else {
            if (count(1) != 0) add_counted(count(1), "a]");
            if (count(0) != 1) add_counted(count(0), "q]");
        }
        if (count(2) != 0) add_counted(count(2), "n]");
        if (count(3) != 0) add_counted(count(3), "au]");
        Place at = header_bytes;
        for (unsigned i = 0; i < count(0); ++i) {
            at = question(*at);
            if (!at) return false;
        }
        if (verbose_ <= 1) return true;
        at = records(*at, count(1), "");
        return at && rest(*at);
    }

    bool rest(std::size_t from) {
        const Place at = records(from, count(2), " ns:");
        return at && records(*at, count(3), " ar:");
    }

    void add_counted(unsigned number, std::string_view what) {
        add_number(out_, " [", number);
        out_.add(what);
    }

    void add_response(unsigned code) {
        if (code < responses.size()) return out_.add(responses[code]);
        if (code == 15) return out_.add(" NoChange");
        if (code == 16) return out_.add(" BadVers");
        if (code == 23) return out_.add(" BadCookie");
        out_.add(code == 17 || code == 21 ? "Resp" : " Resp");  // as it is there
        out_.decimal(code);
    }

    // The header's four bits, and eight above them where there is an OPT record. RFC 6891 6.1.3.
    unsigned response_code() const {
        const unsigned low = u16(2) & 15;
        std::size_t at = header_bytes;
        for (unsigned i = 0; i < count(0); ++i) {
            const Place next = skip_name(at);
            if (!next || !has(*next, 4)) return low;
            at = *next + 4;
        }
        const unsigned before = count(1) + count(2);
        for (unsigned i = 0; i < before + count(3); ++i) {
            const Place next = skip_name(at);
            if (!next || !has(*next, record_bytes)) return low;
            if (i >= before && u16(*next) == type_opt) return low | bytes_[*next + 4] * 16U;
            at = *next + record_bytes + u16(*next + 8);
        }
        return low;
    }

    Place skip_name(std::size_t at) const {
        if (!has(at, 1)) return {};
        for (std::uint8_t octets = bytes_[at++]; octets != 0; octets = bytes_[at++]) {
            if ((octets & pointer) == pointer) return at + 1;
            if ((octets & pointer) != extended) {
                at += octets;
            } else {
                if ((octets & ~pointer) != bit_string || !has(at, 1)) return {};
                at += 1 + bit_octets(at);
            }
            if (!has(at, 1)) return {};
        }
        return at;
    }

    std::size_t bit_octets(std::size_t at) const {
        const unsigned bits = bytes_[at] == 0 ? 256U : bytes_[at];
        return (bits + 7) / 8;
    }

    // How much of a label follows its first octet.
    Place label_octets(std::size_t at) {
        if (!has(at, 1)) return {};
        const std::uint8_t octets = bytes_[at];
        if ((octets & pointer) != extended) return octets;
        if ((octets & ~pointer) != bit_string) {
            add_number(out_, "<ELT ", octets & ~unsigned{pointer});
            out_.add('>');
            return {};
        }
        if (!has(at + 1, 1)) return {};
        return bit_octets(at + 1) + 1;
    }

    Place name(std::size_t at) {
        Place label = label_octets(at);
        if (!label) return {};
        if (bytes_[at] == 0) {
            out_.add('.');
            return at + 1;
        }
        std::size_t pointed_max = at;  // pointers go back, so there is an end of them
        const std::size_t printed_max = out_.size() + name_bytes_max;
        Place behind;
        while (bytes_[at] != 0) {
            if (out_.size() > printed_max) return {};
            if (at + 1 >= bytes_.size()) {  // as there: a label without text is no fault
                if (behind || (bytes_[at] & pointer) == pointer) return behind;
                return at + 1 + *label;
            }
            if ((bytes_[at] & pointer) == pointer) {
                if (!has(at, 2)) return {};
                const std::size_t target = u16(at) & 0x3fff;
                if (!behind) behind = at + 2;
                if (target >= pointed_max) {
                    out_.add("<BAD PTR>");
                    return {};
                }
                pointed_max = at = target;
            } else {
                if (!add_label(at, *label)) return {};
                out_.add('.');
                at += 1 + *label;
            }
            label = label_octets(at);
            if (!label) return {};
        }
        return behind ? *behind : at + 1;
    }

    bool add_label(std::size_t at, std::size_t octets) {
        if ((bytes_[at] & pointer) != extended) return add_text(at + 1, octets);
        if (!has(at + 1, octets)) return false;
        unsigned bits = bytes_[at + 1] == 0 ? 256U : bytes_[at + 1];
        const unsigned all = bits;
        out_.add("\\[x");
        std::size_t place = at + 2;
        for (; bits > 7; bits -= 8) out_.hex_octet(bytes_[place++]);
        if (bits > 4) {
            out_.hex_octet(static_cast<std::uint8_t>(bytes_[place] & 0xff << (8 - bits)));
        } else if (bits > 0) {
            out_.hex(bytes_[place] >> 4 & (0x0fU << (4 - bits)) & 0x0f);
        }
        add_number(out_, "/", all);
        out_.add(']');
        return true;
    }

    // False: it is cut off, and what is there of it was printed.
    bool add_text(std::size_t at, std::size_t octets) {
        const bool whole = has(at, octets);
        const std::size_t begin = std::min(at, bytes_.size());
        add_visible(out_, whole ? bytes_.subspan(begin, octets) : bytes_.subspan(begin));
        return whole;
    }

    void add_class(std::uint16_t number) {
        out_.add(' ');
        switch (number) {
            case 3: return out_.add("CHAOS");
            case 4: return out_.add("HS");
            case 255: return out_.add("ANY");
            default: add_number(out_, "(Class ", number); return out_.add(')');
        }
    }

    void add_type(std::uint16_t type) {
        out_.add(' ');
        const std::string_view known = dns_type_name(type);
        if (!known.empty()) return out_.add(known);
        add_number(out_, "Type", type);
    }

    Place question(std::size_t at) {
        const Place behind = skip_name(at);
        if (!behind || !has(*behind, 4)) return {};
        add_type(u16(*behind));
        std::uint16_t kind = u16(*behind + 2);
        const bool unicast = (kind & top_bit) != 0;  // RFC 6762 5.4
        if (multicast_) kind &= static_cast<std::uint16_t>(~top_bit);
        if (kind != class_in) add_class(kind);
        if (multicast_) out_.add(unicast ? " (QU)" : " (QM)");
        out_.add("? ");
        const Place end = name(at);
        if (!end) return {};
        return *end + 4;
    }

    Place records(std::size_t at, unsigned number, std::string_view heading) {
        if (number == 0 || (at >= bytes_.size() && !heading.empty())) {
            return number == 0 ? Place{at} : Place{};
        }
        out_.add(heading);
        for (unsigned i = 0; i < number; ++i) {
            if (i != 0 && at >= bytes_.size()) return {};
            if (i != 0) out_.add(',');
            const Place next = record(at);
            if (!next) return {};
            at = *next;
        }
        return at;
    }

    Place record(std::size_t at) {
        Place head;
        if (verbose_ > 0) {
            out_.add(' ');
            head = name(at);
            if (!head) return {};
        } else {
            head = skip_name(at);
        }
        if (!head || !has(*head, record_bytes)) return bytes_.size();  // a silent end
        const std::uint16_t type = u16(*head);
        std::uint16_t kind = u16(*head + 2);
        const bool flush = multicast_ && (kind & top_bit) != 0;  // RFC 6762 10.2
        const std::uint16_t whole_kind = kind;
        if (multicast_) kind &= static_cast<std::uint16_t>(~top_bit);
        if (type != type_opt) {
            if (kind != class_in) add_class(kind);
            if (flush) out_.add(" (Cache flush)");
            if (verbose_ > 2) {
                out_.add(" [");
                add_time_span(out_, load_be32(bytes_.data() + *head + 4));
                out_.add(']');
            }
        }
        add_type(type);
        const std::size_t data = *head + record_bytes;
        const Record r{data, u16(*head + 8), type, whole_kind, u16(*head + 6)};
        if (!has(data, r.octets) || !record_data(r)) return {};
        return data + r.octets;
    }

    struct Record {
        std::size_t at;
        std::uint16_t octets, type, kind, lower_ttl;
    };

    bool record_data(const Record& r) {
        switch (r.type) {
            case 1:
                if (!has(r.at, 4)) return false;
                out_.add(' ');
                add_v4(out_, bytes_.data() + r.at);
                return true;
            case 28:
                if (!has(r.at, 16)) return false;
                out_.add(' ');
                add_v6(out_, bytes_.data() + r.at);
                return true;
            case 2:
            case 5:
            case 12:
            case 39: out_.add(' '); return name(r.at).has_value();
            case 6: return verbose_ == 0 || soa(r.at);
            case 15: return mail(r.at);
            case 16: return strings(r);
            case 33: return service(r.at);
            case 104: return has(r.at, r.octets) && add_text(r.at, r.octets);
            case 250: return verbose_ == 0 || signature(r.at);
            case 256: return uri(r);
            case type_a6: return a6(r.at);
            case type_opt: return options(r);
            default: return true;
        }
    }

    bool soa(std::size_t at) {
        for (int i = 0; i < 2; ++i) {
            out_.add(' ');
            const Place next = name(at);
            if (!next) return false;
            at = *next;
        }
        if (!has(at, 20)) return false;
        for (int i = 0; i < 5; ++i, at += 4) {
            add_number(out_, " ", load_be32(bytes_.data() + at));
        }
        return true;
    }

    bool mail(std::size_t at) {
        out_.add(' ');
        if (!has(at, 2) || !name(at + 2)) return false;
        add_number(out_, " ", u16(at));
        return true;
    }

    bool strings(const Record& r) {
        for (std::size_t at = r.at; at < r.at + r.octets;) {
            if (!has(at, 1)) return false;
            const std::size_t octets = bytes_[at];
            out_.add(" \"");
            if (!add_text(at + 1, octets)) return false;
            out_.add('"');
            at += 1 + octets;
        }
        return true;
    }

    bool service(std::size_t at) {  // RFC 2782
        out_.add(' ');
        if (!has(at, 6) || !name(at + 6)) return false;
        add_number(out_, ":", u16(at + 4));
        add_number(out_, " ", u16(at));
        add_number(out_, " ", u16(at + 2));
        return true;
    }

    bool signature(std::size_t at) {  // RFC 8945 4.2
        out_.add(' ');
        const Place next = name(at);
        if (!next || !has(*next, 6)) return false;
        at = *next + 6;
        if (!has(at, 2)) return false;
        add_number(out_, " fudge=", u16(at));
        if (!has(at, 4)) return false;
        const std::uint16_t octets = u16(at + 2);
        add_number(out_, " maclen=", octets);
        at += 4 + octets;
        for (const char* what : {" origid=", " error=", " otherlen="}) {
            if (!has(at, 2)) return false;
            add_number(out_, what, u16(at));
            at += 2;
        }
        return true;
    }

    bool uri(const Record& r) {  // RFC 7553 4.5
        if (!has(r.at, 4)) return false;
        add_number(out_, " ", u16(r.at));
        add_number(out_, " ", u16(r.at + 2));
        out_.add(' ');
        return add_text(r.at + 4, std::uint32_t{r.octets} - 4);  // fewer than four: all there is
    }

    bool a6(std::size_t at) {  // RFC 2874 3.1
        if (!has(at, 1)) return false;
        const unsigned bits = bytes_[at], octets = bits / 8;
        if (bits > 128) {
            add_number(out_, " ", bits);
            out_.add("(bad plen)");
            return true;
        }
        if (bits < 128) {
            std::array<std::uint8_t, 16> address{};
            if (!has(at + 1, 16 - octets)) return false;
            std::copy_n(bytes_.begin() + static_cast<std::ptrdiff_t>(at + 1), 16 - octets,
                        address.begin() + octets);
            add_number(out_, " ", bits);
            out_.add(' ');
            add_v6(out_, address.data());
        }
        if (bits == 0) return true;
        out_.add(' ');
        return name(at + 1 + 16 - octets).has_value();
    }

    bool options(const Record& r) {
        add_number(out_, " UDPsize=", r.kind);
        if ((r.lower_ttl & 0x8000) != 0) out_.add(" DO");
        if (r.octets == 0) return true;
        out_.add(" [");
        for (std::size_t at = r.at; at < r.at + r.octets;) {
            if (at != r.at) out_.add(',');
            if (!has(at, 2)) return false;
            add_edns_name(out_, u16(at));
            if (!has(at, 4) || !option(at)) return false;
            at += 4 + u16(at + 2);
        }
        out_.add(']');
        return true;
    }

    bool option(std::size_t at) {
        const std::uint16_t code = u16(at), octets = u16(at + 2);
        if (!has(at + 4, octets)) return false;
        const Bytes value = bytes_.subspan(at + 4, octets);
        if (value.empty()) return true;
        if (code == 13) {  // RFC 7901
            out_.add(' ');
            return name(at + 4).has_value();
        }
        add_edns_value(out_, code, value);
        return true;
    }

    TextBuffer& out_;
    Bytes bytes_;
    std::uint32_t length_;
    int verbose_;
    bool multicast_;
};

}  // namespace

void print_dns(TextBuffer& out, Part message, const Context& context, bool multicast) {
    if (message.length < header_bytes) {
        add_number(out, "domain [length ", message.length);
        add_number(out, " < ", header_bytes);
        return out.add("] (invalid)");
    }
    if (!message.has(header_bytes)) return add_cut(out, "domain");
    Message(out, message, context.options.verbose, multicast).print();
}

}  // namespace estab::observe::dump
