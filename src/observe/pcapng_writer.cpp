#include "observe/pcapng_writer.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/check.hpp"

namespace estab::observe {
namespace {

constexpr std::uint32_t section_block = 0x0a0d0d0a;
constexpr std::uint32_t interface_block = 1;
constexpr std::uint32_t packet_block = 6;  // "enhanced"

constexpr std::uint16_t opt_comment = 1;
constexpr std::uint16_t shb_userappl = 4;
constexpr std::uint16_t if_name = 2;
constexpr std::uint16_t if_tsresol = 9;
constexpr std::uint16_t epb_flags = 2;

constexpr std::uint16_t linktype_ethernet = 1;
constexpr std::uint16_t linktype_raw = 101;
constexpr std::uint16_t linktype_ipv4 = 228;
constexpr std::uint16_t linktype_ipv6 = 229;

// Locally administered addresses: :01 is ours, :02 whoever is at the other end.
constexpr std::array<std::uint8_t, 6> mac_here = {0x02, 0, 0, 0, 0, 1};
constexpr std::array<std::uint8_t, 6> mac_there = {0x02, 0, 0, 0, 0, 2};

std::array<std::uint8_t, 14> made_up_header(link::Way way, bool v6) {
    const bool is_sent = way == link::Way::sent;
    std::array<std::uint8_t, 14> header{};
    std::ranges::copy(is_sent ? mac_there : mac_here, header.begin());
    std::ranges::copy(is_sent ? mac_here : mac_there, header.begin() + 6);
    store_be16(header.data() + 12, v6 ? 0x86dd : 0x0800);
    return header;
}

// The longest beginning of at most `bytes_max` that does not end inside a UTF-8 character.
std::string_view cut_utf8(std::string_view text, std::size_t bytes_max) {
    if (text.size() <= bytes_max) return text;
    std::size_t end = bytes_max;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
    return text.substr(0, end);
}

}  // namespace

PcapngWriter::PcapngWriter(ByteSink& sink, const Settings& settings)
    : sink_(sink), settings_(settings) {
    CHECK(settings.snaplen > 0);
    write_section();
}

std::size_t PcapngWriter::add_interface(std::string_view name, device::LinkType link) {
    interfaces_.push_back({.name = std::string(name), .link = link});
    return interfaces_.size() - 1;
}

void PcapngWriter::write(const Packet& packet) {
    CHECK(packet.interface < interfaces_.size());
    Interface& interface = interfaces_[packet.interface];
    const bool is_ip = interface.link == device::LinkType::ip;
    const int version = packet.bytes.empty() ? 0 : packet.bytes[0] >> 4;
    if (is_ip && version != 4 && version != 6) {
        ++unwritable_;
        return;
    }
    const bool v6 = is_ip && version == 6;
    const std::uint32_t id = declare(interface, v6);
    const bool has_header = is_ip && settings_.ip_framing == IpFraming::ethernet;
    const auto header = made_up_header(packet.way, v6);
    const std::size_t header_bytes = has_header ? header.size() : 0;
    const std::size_t whole = header_bytes + packet.bytes.size();
    const std::size_t captured = std::min<std::size_t>(whole, settings_.snaplen);

    const std::int64_t unix_ns = settings_.origin_unix_ns + to_ns(packet.at.time_since_epoch());
    const auto timestamp = static_cast<std::uint64_t>(std::max<std::int64_t>(unix_ns, 0));
    begin_block(packet_block);
    add_u32(id);
    add_u32(static_cast<std::uint32_t>(timestamp >> 32));
    add_u32(static_cast<std::uint32_t>(timestamp));
    add_u32(static_cast<std::uint32_t>(captured));
    add_u32(static_cast<std::uint32_t>(whole));
    add_bytes(Bytes{header}.first(std::min(header_bytes, captured)));
    add_bytes(packet.bytes.first(captured - std::min(header_bytes, captured)));
    pad();
    const std::uint8_t flags[4] = {packet.way == link::Way::received ? std::uint8_t{1}
                                                                     : std::uint8_t{2}};
    add_option(epb_flags, Bytes{flags});
    if (!packet.comment.empty()) add_option(opt_comment, packet.comment);
    end_options();
    end_block();
    ++packets_;
}

// libpcap refuses a section without an interface.
void PcapngWriter::finish() {
    if (declared_ != 0) return;
    if (interfaces_.empty()) add_interface("estab", device::LinkType::ip);
    declare(interfaces_.front(), false);
}

void PcapngWriter::write_section() {
    begin_block(section_block);
    add_u32(0x1a2b3c4d);  // in our byte order, which is how a reader learns it
    add_u16(1);           // version 1.0
    add_u16(0);
    add_u32(UINT32_MAX);  // section length: unknown
    add_u32(UINT32_MAX);
    add_option(shb_userappl, "estab");
    if (!settings_.comment.empty()) add_option(opt_comment, settings_.comment);
    end_options();
    end_block();
}

// Interfaces are declared when they are first used: tcpdump stops at one of another link type, so a
// file with packets of one family only must not have the other one.
std::uint32_t PcapngWriter::declare(Interface& interface, bool v6) {
    const bool has_two =
        interface.link == device::LinkType::ip && settings_.ip_framing == IpFraming::by_family;
    std::uint32_t& id = interface.ids[has_two && v6 ? 1 : 0];
    if (id != undeclared) return id;
    const std::uint8_t nanoseconds = 9;
    begin_block(interface_block);
    add_u16(link_type(interface, v6));
    add_u16(0);
    add_u32(settings_.snaplen);
    add_option(if_name, interface.name);
    add_option(if_tsresol, Bytes{&nanoseconds, 1});
    end_options();
    end_block();
    return id = declared_++;
}

std::uint16_t PcapngWriter::link_type(const Interface& interface, bool v6) const {
    if (interface.link == device::LinkType::ethernet) return linktype_ethernet;
    switch (settings_.ip_framing) {
    case IpFraming::by_family: return v6 ? linktype_ipv6 : linktype_ipv4;
    case IpFraming::raw: return linktype_raw;
    case IpFraming::ethernet: return linktype_ethernet;
    }
    return linktype_raw;
}

void PcapngWriter::begin_block(std::uint32_t type) {
    block_.clear();
    add_u32(type);
    add_u32(0);  // the length, see end_block()
}

void PcapngWriter::add_option(std::uint16_t code, Bytes value) {
    add_u16(code);
    add_u16(static_cast<std::uint16_t>(value.size()));
    add_bytes(value);
    pad();
}

void PcapngWriter::add_option(std::uint16_t code, std::string_view text) {
    text = cut_utf8(text, 0xffff);
    add_option(code, Bytes{reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
}

void PcapngWriter::end_options() { add_u32(0); }

void PcapngWriter::end_block() {
    const auto length = static_cast<std::uint32_t>(block_.size() + 4);
    add_u32(length);
    std::memcpy(block_.data() + 4, &length, 4);
    sink_.write(block_);
}

void PcapngWriter::add_u16(std::uint16_t value) {
    const std::uint8_t bytes[] = {static_cast<std::uint8_t>(value),
                                  static_cast<std::uint8_t>(value >> 8)};
    add_bytes(bytes);
}

void PcapngWriter::add_u32(std::uint32_t value) {
    add_u16(static_cast<std::uint16_t>(value));
    add_u16(static_cast<std::uint16_t>(value >> 16));
}

void PcapngWriter::add_bytes(Bytes bytes) {
    block_.insert(block_.end(), bytes.begin(), bytes.end());
}

void PcapngWriter::pad() { block_.resize((block_.size() + 3) / 4 * 4); }

std::string packet_comment(std::initializer_list<CommentField> fields, std::string_view sentence) {
    std::string text = "estab:";
    for (const auto& [key, value] : fields) {
        ((text += ' ') += key) += '=';
        if (!value.empty() && value.find_first_of(" \"\\\n\t") == std::string_view::npos) {
            text += value;
            continue;
        }
        text += '"';
        for (const char c : value) {
            if (c == '"' || c == '\\') text += '\\';
            text += c == '\n' || c == '\t' ? ' ' : c;
        }
        text += '"';
    }
    if (!sentence.empty()) (text += " · ") += sentence;
    return text;
}

}  // namespace estab::observe
