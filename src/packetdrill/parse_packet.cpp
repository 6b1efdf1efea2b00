// Packets: `S. 0:0(0) ack 1 win 5792 <mss 1460,nop,nop,sackOK>` and all that may stand around it.
#include <algorithm>
#include <array>
#include <charconv>

#include "packetdrill/parser.hpp"
#include "wire/tcp.hpp"

namespace estab::packetdrill {
namespace {

using wire::Flags;

std::uint32_t small(Scanner& in, std::uint64_t most) {
    in.space();
    const Position at = in.position();
    const std::uint64_t n = in.number();
    if (n > most)
        throw ScriptError(
            at, std::to_string(n) + " is too large here (at most " + std::to_string(most) + ")");
    return static_cast<std::uint32_t>(n);
}

std::uint32_t u32(Scanner& in) {
    return small(in, 0xffff'ffff);
}

struct Named {
    std::string_view name;
    int value;
};

// One of (…) or […]: what the IP header says.
void parse_ip_item(Scanner& in, IpInfo& ip) {
    const auto takes = [&in](std::string_view word) { return in.take_word(word); };
    if (takes("noecn")) {
        ip.ecn = 0;
    } else if (takes("ect01")) {
        ip.any_ect = true;
    } else if (takes("ect0")) {
        ip.ecn = 2;
    } else if (takes("ect1")) {
        ip.ecn = 1;
    } else if (takes("ce")) {
        ip.ecn = 3;
    } else if (takes("tos") || takes("class")) {
        ip.tos = static_cast<std::uint8_t>(small(in, 255));
    } else if (takes("dscp")) {
        ip.dscp = static_cast<std::uint8_t>(small(in, 63));
    } else if (takes("ttl") || takes("hlim")) {
        ip.ttl = static_cast<std::uint8_t>(small(in, 255));
    } else if (takes("flowlabel")) {
        ip.flow_label = small(in, 0xfffff);
    } else if (takes("ecn")) {  // (ecn ect0)
        parse_ip_item(in, ip);
    } else {
        in.expected("noecn, ect0, ect1, ect01, ce, tos, dscp, ttl, hlim, class or flowlabel");
    }
}

void parse_ip_info(Scanner& in, IpInfo& ip) {
    while (in.sees("(") || in.sees("[")) {
        const std::size_t before = in.offset();
        const char close = in.next() == '(' ? ')' : ']';
        in.space();
        if (!Scanner::is_letter(in.peek())) return in.rewind(before);  // not ours
        do {
            parse_ip_item(in, ip);
        } while (in.take(","));
        in.want(std::string_view(&close, 1));
    }
}

// `ipv4 1.2.3.4 > 5.6.7.8:`, `gre:`, `mpls (…):` in front. They are read; a runner says that estab
// does not have them.
bool parse_encapsulation(Scanner& in, Packet& packet) {
    static constexpr std::array<std::string_view, 5> layers = {"ipv4", "ipv6", "gre", "mpls",
                                                               "ethernet"};
    for (const std::string_view layer : layers) {
        if (!in.take_word(layer)) continue;
        packet.unsupported = layer;
        if (layer == "mpls" || layer == "gre") {
            while (in.sees("(") || in.sees("["))
                in.sees("(") ? (void)in.note() : (void)in.until("]");
            if (in.take(","))
                (void)in.until(":");
            else
                in.want(":");
            return true;
        }
        IpInfo outer;
        parse_ip_info(in, outer);
        const auto address = [&in] {
            in.space();
            while (Scanner::is_hex(in.peek()) || in.peek() == '.' ||
                   (in.peek() == ':' && (Scanner::is_hex(in.peek(1)) || in.peek(1) == ':'))) {
                in.next();
            }
        };
        address();
        in.want(">");
        address();
        in.want(":");
        return true;
    }
    return false;
}

std::optional<Ports> parse_ports(Scanner& in) {
    if (!in.sees_digit()) return {};
    const std::size_t before = in.offset();
    const std::uint64_t source = in.number();
    if (!in.sees(">") || source > 65'535) {
        in.rewind(before);
        return {};
    }
    in.want(">");
    return Ports{static_cast<std::uint16_t>(source), static_cast<std::uint16_t>(small(in, 65'535))};
}

// SFRP.EWUA, at most one digit for the three ECN bits together (RFC 9768), or `-`.
std::uint16_t parse_flags(Scanner& in) {
    in.space();
    if (in.peek() == '-' && static_cast<unsigned char>(in.peek(1)) <= ' ') {
        in.next();
        return 0;
    }
    static constexpr std::string_view letters = "FSRP.UEWA";
    static constexpr std::uint16_t bits[] = {Flags::fin, Flags::syn, Flags::rst,
                                             Flags::psh, Flags::ack, Flags::urg,
                                             Flags::ece, Flags::cwr, Flags::ae};
    const Position at = in.position();
    std::uint16_t flags = 0;
    bool has_ace = false, has_any = false;
    while (static_cast<unsigned char>(in.peek()) > ' ') {
        const char c = in.peek();
        const std::size_t which = letters.find(c);
        if (which != std::string_view::npos) {
            flags |= bits[which];
        } else if (c >= '0' && c <= '7' && !has_ace) {
            has_ace = true;
            const int ace = c - '0';
            flags |= static_cast<std::uint16_t>(((ace & 4) != 0 ? Flags::ae : 0) |
                                                ((ace & 2) != 0 ? Flags::cwr : 0) |
                                                ((ace & 1) != 0 ? Flags::ece : 0));
        } else {
            break;
        }
        has_any = true;
        in.next();
    }
    if (!has_any || static_cast<unsigned char>(in.peek()) > ' ')
        throw ScriptError(at, "flags expected: letters of SFRP.EWUA, a digit 0 to 7 for ACE, or -");
    return flags;
}

// seq:end(length), which must agree.
void parse_sequence(Scanner& in, std::uint32_t& seq, std::uint32_t& length, bool* any = nullptr) {
    in.take_word("seq");
    if (any != nullptr && in.take("...")) {  // nplab: any number
        *any = true;
        in.want("(");
        length = small(in, 65'535);
        in.want(")");
        return;
    }
    in.space();
    const Position at = in.position();
    seq = u32(in);
    in.want(":");
    const std::uint32_t end = u32(in);
    in.want("(");
    length = small(in, 65'535);
    in.want(")");
    if (seq + length != end)
        throw ScriptError(
            at, "the range is not as long as its length says: " + std::to_string(seq) + " + " +
                    std::to_string(length) + " is not " + std::to_string(end));
}

// Hex digits, or a word that stands for them.
std::vector<std::uint8_t> parse_octets(Scanner& in, const std::vector<Define>& defines) {
    in.space();
    std::string digits;
    for (const Define& d : defines) {
        if (!d.value.empty() && in.take_word(d.name)) digits = d.value;
    }
    if (digits.empty()) {
        while (Scanner::is_hex(in.peek()) || in.peek() == 'x') digits += in.next();
    }
    std::string_view rest = digits;
    if (rest.starts_with("0x")) rest.remove_prefix(2);
    std::vector<std::uint8_t> octets;
    for (; !rest.empty(); rest.remove_prefix(2)) {
        std::uint8_t value = 0;
        if (rest.size() < 2 ||
            std::from_chars(rest.data(), rest.data() + 2, value, 16).ptr != rest.data() + 2)
            in.fail("octets are two hex digits each");
        octets.push_back(value);
    }
    return octets;
}

Option parse_option(Scanner& in, const std::vector<Define>& defines) {
    using Kind = Option::Kind;
    Option o;
    const auto is = [&](std::string_view word, Kind kind) {
        if (!in.take_word(word)) return false;
        o.kind = kind;
        return true;
    };
    if (is("mss", Kind::mss)) {
        o.value = small(in, 65'535);
    } else if (is("nop", Kind::nop) || is("eol", Kind::eol) || is("sackOK", Kind::sack_ok)) {
    } else if (is("wscale", Kind::wscale)) {
        o.value = small(in, 255);
    } else if (is("sack", Kind::sack)) {
        while (in.sees_digit()) {
            Range range{.begin = u32(in)};
            in.want(":");
            range.end = u32(in);
            o.ranges.push_back(range);
        }
        if (o.ranges.size() > 4) in.fail("at most four SACK blocks fit into a header");
    } else if (is("TS", Kind::ts)) {
        if (!in.take_word("val")) in.expected("'val'");
        o.any_value = in.take("...");
        if (!o.any_value) o.value = u32(in);
        if (!in.take_word("ecr")) in.expected("'ecr'");
        o.second = u32(in);
    } else if (is("md5", Kind::md5)) {
        o.any_value = in.take_word("valid") || in.take_word("invalid");
        if (!o.any_value) o.bytes = parse_octets(in, defines);
    } else if (is("FOEXP", Kind::fast_open_exp) || is("FO", Kind::fast_open)) {
        o.bytes = parse_octets(in, defines);
    } else if (in.sees("exp")) {
        in.want("exp");
        in.take("-");
        if (!in.take_word("FO")) in.expected("'FO'");
        o.kind = Kind::fast_open_exp;
        o.bytes = parse_octets(in, defines);
    } else if (in.take_word("ECN")) {  // e0b first is AccECN0 (kind 172), e1b first AccECN1 (174)
        o.kind = in.sees_word("e1b") ? Kind::acc_ecn1 : Kind::acc_ecn0;
        while (in.take_word("e0b") || in.take_word("ceb") || in.take_word("e1b"))
            o.counts.push_back(small(in, 0xff'ffff));
    } else if (is("AccECN0", Kind::acc_ecn0) || is("AccECN1", Kind::acc_ecn1)) {
        while (in.take_word("ee0b") || in.take_word("eceb") || in.take_word("ee1b") ||
               in.take_word("e0b") || in.take_word("ceb") || in.take_word("e1b")) {
            o.counts.push_back(small(in, 0xff'ffff));
        }
    } else {
        in.expected("a TCP option (mss, nop, eol, wscale, sackOK, sack, TS, md5, FO, FOEXP, ECN)");
    }
    return o;
}

void parse_options(Scanner& in, TcpLine& tcp, const std::vector<Define>& defines) {
    if (!in.take("<")) return;
    if (in.take("...")) {
        tcp.any_options = true;
        in.want(">");
        return;
    }
    if (in.take(">")) return;
    do {
        tcp.options.push_back(parse_option(in, defines));
    } while (in.take(","));
    in.want(">");
}

// "/udp(9811 > 1)": TCP in UDP.
Ports parse_carrier(Scanner& in) {
    if (!in.take_word("udp")) in.expected("'udp'");
    in.want("(");
    const auto ports = parse_ports(in);
    if (!ports) in.expected("two ports");
    in.want(")");
    return *ports;
}

void parse_tcp(Scanner& in, TcpLine& tcp, Packet& packet, const std::vector<Define>& defines) {
    if (in.take_word("psp")) {
        packet.unsupported = "psp";
        if (in.take_word("spi")) (void)in.number();
    }
    tcp.ports = parse_ports(in);
    tcp.flags = parse_flags(in);
    in.space();
    const Position at = in.position();
    parse_sequence(in, tcp.seq, tcp.length, packet.inbound ? nullptr : &tcp.any_seq);
    tcp.absolute_seq = in.take("!");
    if (in.take_word("ack")) tcp.ack = u32(in);
    if (in.take_word("win")) tcp.window = small(in, 65'535);
    if (in.take_word("urg")) tcp.urgent = small(in, 65'535);
    parse_options(in, tcp, defines);
    if (in.take("/")) tcp.udp = parse_carrier(in);
    if (packet.inbound && !tcp.window) throw ScriptError(at, "an inbound segment needs a window");
    if (packet.inbound && tcp.any_options)
        throw ScriptError(at, "<...> is for outbound segments only");
}

constexpr Named types_v4[] = {
    {"echo_reply", 0},     {"unreachable", 3},        {"source_quench", 4},
    {"redirect", 5},       {"echo_request", 8},       {"router_advertisement", 9},
    {"time_exceeded", 11}, {"parameter_problem", 12}, {"packet_too_big", 102},
};
constexpr Named codes[] = {
    {"net_unreachable", 0},
    {"host_unreachable", 1},
    {"protocol_unreachable", 2},
    {"port_unreachable", 3},
    {"frag_needed", 4},
    {"source_route_failed", 5},
    {"net_unknown", 6},
    {"host_unknown", 7},
    {"source_host_isolated", 8},
    {"net_prohibited", 9},
    {"host_prohibited", 10},
    {"net_unreachable_for_tos", 11},
    {"host_unreachable_for_tos", 12},
    {"packet_filtered", 13},
    {"precedence_violation", 14},
    {"precedence_cutoff", 15},
    {"no_route", 0},
    {"admin_prohibited", 1},
    {"not_neighbour", 2},
    {"address_unreachable", 3},
    {"ttl_exceeded_in_transit", 0},
    {"fragment_reassembly_time_exceeded", 1},
    {"frag_reass_exceeded", 1},
    {"hop_limit_exceeded", 0},
    {"erroneous_header_field", 0},
    {"unrecognized_next_header", 1},
    {"unrecognized_ipv6_option", 2},
    {"pointer_indicates_error", 0},
    {"missing_required_option", 1},
    {"bad_length", 2},
    {"redirect_for_network", 0},
    {"redirect_for_host", 1},
    {"redirect_for_tos_and_network", 2},
    {"redirect_for_tos_and_host", 3},
};

std::uint8_t parse_icmp_name(Scanner& in, std::span<const Named> names, std::string_view prefix,
                             const std::vector<Define>& defines) {
    in.space();
    std::string name = in.word();
    for (const Define& d : defines)
        if (d.name == name) name = d.value;
    for (const Named& n : names)
        if (n.name == name) return static_cast<std::uint8_t>(n.value);
    if (name.starts_with(prefix)) {
        unsigned value = 0;
        const char* end = name.data() + name.size();
        if (std::from_chars(name.data() + prefix.size(), end, value).ptr == end && value < 256)
            return static_cast<std::uint8_t>(value);
    }
    in.fail("'" + name + "' is no ICMP " + std::string(prefix.substr(0, 4)));
}

void parse_icmp(Scanner& in, IcmpLine& icmp, const std::vector<Define>& defines) {
    icmp.type = parse_icmp_name(in, types_v4, "type_", defines);
    in.space();
    if (Scanner::is_letter(in.peek()) && !in.sees_word("mtu") && !in.sees_word("id")) {
        const std::size_t before = in.offset();
        const std::string name = in.word();
        in.rewind(before);
        // port_unreachable is 4 in ICMPv6; the runner knows which it is.
        icmp.code = parse_icmp_name(in, codes, "code_", defines);
    }
    if (in.take_word("mtu")) icmp.mtu = u32(in);
    if (in.take_word("id")) icmp.id = small(in, 65'535);
    if (!in.take("[")) return;
    if (in.take_word("udp")) {
        icmp.quotes = IcmpLine::Quotes::udp;
    } else if (in.take_word("raw")) {
        icmp.quotes = IcmpLine::Quotes::raw;
    } else {
        icmp.quotes = IcmpLine::Quotes::tcp;
        in.space();
        if (!Scanner::is_digit(in.peek())) (void)parse_flags(in);
        parse_sequence(in, icmp.seq, icmp.length);
        if (in.take_word("ack")) icmp.ack = u32(in);
        if (in.take("/")) icmp.udp = parse_carrier(in);
        in.want("]");
        return;
    }
    in.want("(");
    icmp.length = small(in, 65'535);
    in.want(")");
    in.want("]");
}

struct Quoted {
    std::uint32_t seq = 0, length = 0;
};

// "[1:1(0)] icmp …": what nplab's dialect has in front.
std::optional<Quoted> parse_leading_quote(Scanner& in) {
    const std::size_t before = in.offset();
    if (!in.take("[")) return {};
    in.space();
    if (!Scanner::is_digit(in.peek())) {
        in.rewind(before);
        return {};
    }
    Quoted quoted;
    parse_sequence(in, quoted.seq, quoted.length);
    in.want("]");
    return quoted;
}

}  // namespace

Packet parse_packet(Scanner& in, bool inbound, const std::vector<Define>& defines) {
    Packet packet{.inbound = inbound};
    while (parse_encapsulation(in, packet)) parse_ip_info(in, packet.ip);
    const std::optional<Quoted> quoted = parse_leading_quote(in);  // nplab's order of ICMP
    if (!quoted) parse_ip_info(in, packet.ip);
    if (packet.inbound && packet.ip.any_ect) in.fail("ect01 is for outbound packets only");
    if (in.take_word("udp")) {
        UdpLine udp;
        udp.ports = parse_ports(in);
        in.want("(");
        udp.length = small(in, 65'507);
        in.want(")");
        packet.layer = udp;
    } else if (in.take_word("icmp")) {
        auto& icmp = packet.layer.emplace<IcmpLine>();
        parse_icmp(in, icmp, defines);
        if (quoted) {
            icmp.quotes = IcmpLine::Quotes::tcp;
            icmp.seq = quoted->seq;
            icmp.length = quoted->length;
        }
    } else if (quoted) {
        in.expected("icmp behind what it quotes");
    } else {
        parse_tcp(in, packet.layer.emplace<TcpLine>(), packet, defines);
    }
    return packet;
}

}  // namespace estab::packetdrill
