// A line beside a packet: what differs, field by field.
#include <fmt/format.h>

#include <algorithm>

#include "packetdrill/flow.hpp"
#include "wire/icmp.hpp"
#include "wire/udp.hpp"

namespace estab::packetdrill {
namespace {

using wire::Flags;
using Lines = std::vector<std::string>;

template <class A, class B>
void differ(Lines& out, std::string_view what, const A& expected, const B& came) {
    out.push_back(fmt::format("{}: {} expected, {} came", what, expected, came));
}

std::string flag_text(std::uint16_t bits) {
    static constexpr std::string_view letters = "FSRP.UEWA";
    std::string text;
    for (const std::size_t i : {1u, 0u, 2u, 3u, 4u, 5u, 6u, 7u, 8u})
        if ((bits >> i & 1) != 0) text += letters[i];
    return text.empty() ? "-" : text;
}

std::string option_text(Bytes options, const Numbers& sack_numbers) {
    std::string out;
    const auto add = [&out](const std::string& text) { out += (out.empty() ? "" : ",") + text; };
    while (!options.empty()) {
        const std::uint8_t kind = options[0];
        if (kind <= 1) {
            add(kind == 0 ? "eol" : "nop");
            options = options.subspan(1);
            continue;
        }
        if (options.size() < 2 || options[1] < 2 || options[1] > options.size()) {
            add("(impossible)");
            break;
        }
        const Bytes value = options.subspan(2, options[1] - 2u);
        const std::uint8_t* p = value.data();
        if (kind == 2 && value.size() == 2) {
            add(fmt::format("mss {}", load_be16(p)));
        } else if (kind == 3 && value.size() == 1) {
            add(fmt::format("wscale {}", p[0]));
        } else if (kind == 4) {
            add("sackOK");
        } else if (kind == 5) {
            std::string text = "sack";
            for (std::size_t i = 0; i + 8 <= value.size(); i += 8) {
                text += fmt::format(" {}:{}", sack_numbers.to_script(load_be32(p + i), false),
                                    sack_numbers.to_script(load_be32(p + i + 4), false));
            }
            add(text);
        } else if (kind == 8 && value.size() == 8) {
            add(fmt::format("TS val {} ecr {}", load_be32(p), load_be32(p + 4)));
        } else if (kind == 34) {
            add(value.empty() ? "FO" : "FO …");
        } else {
            add(fmt::format("kind {}", kind));
        }
        options = options.subspan(options[1]);
    }
    return out;
}

struct RawOption {
    std::uint8_t kind;
    Bytes value;
};
std::vector<RawOption> split_options(Bytes options) {
    std::vector<RawOption> out;
    while (!options.empty()) {
        if (options[0] <= 1) {
            out.push_back({options[0], {}});
            options = options.subspan(1);
            continue;
        }
        if (options.size() < 2 || options[1] < 2 || options[1] > options.size()) break;
        out.push_back({options[0], options.subspan(2, options[1] - 2u)});
        options = options.subspan(options[1]);
    }
    return out;
}

void compare_timestamps(Lines& out, const Option& o, Bytes value, const LivePacket& live,
                        Flow& flow, const Settings& settings) {
    if (value.size() != 8) return differ(out, "TS", "8 octets", value.size());
    const std::uint32_t val = load_be32(value.data()), ecr = load_be32(value.data() + 4);
    if (ecr != o.second) differ(out, "TS ecr", o.second, ecr);
    if (o.any_value) return;
    if (!flow.ts_script_first) {
        flow.ts_script_first = o.value;
        flow.ts_live_first = val;
        flow.ts_first_at = live.at;
    }
    flow.ts_live[o.value] = val;
    if (settings.ts_tick == 0s) return;
    // In the script's ticks, since the first that was seen.
    const std::int64_t script_us =
        static_cast<std::int32_t>(o.value - *flow.ts_script_first) * to_us(settings.ts_tick);
    const std::int64_t live_us = static_cast<std::int32_t>(val - *flow.ts_live_first) * 1000LL;
    const std::int64_t wrong = std::abs(script_us - live_us);
    if (wrong > to_us(settings.tolerance) + 1000)
        differ(out, "TS val", o.value,
               static_cast<std::int64_t>(*flow.ts_script_first) +
                   live_us / std::max<std::int64_t>(to_us(settings.ts_tick), 1));
}

// One by one, in the order in which they stand.
void compare_options(Lines& out, const TcpLine& line, Bytes options, const LivePacket& live,
                     Flow& flow, const Settings& settings) {
    using Kind = Option::Kind;
    const auto came = split_options(options);
    const auto kind_of = [](Kind k) -> std::uint8_t {
        switch (k) {
        case Kind::eol: return 0;
        case Kind::nop: return 1;
        case Kind::mss: return 2;
        case Kind::wscale: return 3;
        case Kind::sack_ok: return 4;
        case Kind::sack: return 5;
        case Kind::ts: return 8;
        case Kind::md5: return 19;
        case Kind::fast_open: return 34;
        case Kind::fast_open_exp: return 254;
        case Kind::acc_ecn0: return 172;
        case Kind::acc_ecn1: return 174;
        }
        return 0;
    };
    const bool same_kinds =
        came.size() == line.options.size() &&
        std::equal(came.begin(), came.end(), line.options.begin(),
                   [&](const RawOption& a, const Option& b) { return a.kind == kind_of(b.kind); });
    if (!same_kinds) {
        std::vector<Option> shown = line.options;
        Packet p;
        p.layer = TcpLine{.options = shown};
        const std::string text = describe(p);
        const std::size_t at = text.find('<');
        return differ(out, "options", at == std::string::npos ? "<>" : text.substr(at),
                      "<" + option_text(options, flow.theirs) + ">");
    }
    for (std::size_t i = 0; i < came.size(); ++i) {
        const Option& o = line.options[i];
        if (o.kind == Kind::ts) {
            compare_timestamps(out, o, came[i].value, live, flow, settings);
            continue;
        }
        if (o.any_value || o.kind == Kind::eol || o.kind == Kind::nop) continue;
        std::vector<Option> one = {o};
        const std::size_t length = came[i].value.size() + 2;
        for (std::size_t pad = length; pad % 4 != 0; ++pad) one.push_back({.kind = Kind::nop});
        std::string expected_text;
        bool same = false;
        try {
            const auto expected = option_bytes(one, flow, false, {}, settings);
            same = expected.size() >= length && expected[1] == length &&
                   std::equal(came[i].value.begin(), came[i].value.end(), expected.begin() + 2);
            expected_text = option_text(
                Bytes(expected).first(std::min<std::size_t>(expected[1], expected.size())),
                flow.theirs);
        } catch (const ScriptError&) {  // of another length
            Packet p;
            p.layer = TcpLine{.options = {o}};
            expected_text = describe(p);
        }
        if (same) continue;
        std::vector<std::uint8_t> raw = {came[i].kind, static_cast<std::uint8_t>(length)};
        raw.insert(raw.end(), came[i].value.begin(), came[i].value.end());
        differ(out, "option", expected_text, option_text(raw, flow.theirs));
    }
}

void compare_ip(Lines& out, const IpInfo& line, const wire::IpPacket& ip) {
    const auto ecn = static_cast<unsigned>(ip.ecn);
    if (line.ecn && *line.ecn != ecn) differ(out, "ECN of IP", *line.ecn, ecn);
    if (line.any_ect && ecn != 1 && ecn != 2) differ(out, "ECN of IP", "ect0 or ect1", ecn);
    const unsigned tos = static_cast<unsigned>(ip.dscp) << 2 | ecn;
    if (line.tos && *line.tos != tos)
        differ(out, "TOS", fmt::format("{:#x}", *line.tos), fmt::format("{:#x}", tos));
    if (line.dscp && *line.dscp != ip.dscp) differ(out, "DSCP", *line.dscp, ip.dscp);
    if (line.ttl && *line.ttl != ip.hop_limit) differ(out, "TTL", *line.ttl, ip.hop_limit);
    if (line.flow_label && *line.flow_label != ip.flow_label)
        differ(out, "flow label", *line.flow_label, ip.flow_label);
}

// Of all merged segments as one: SEQ and CWR of the first, the rest of the last.
void compare_tcp(Lines& out, const TcpLine& line, const LivePacket& live, Flow& flow,
                 const Settings& settings) {
    const wire::IpPacket ip = live.ip();
    const auto first = wire::TcpView::parse(ip.payload);
    if (!first) {
        out.push_back("what came is no TCP segment");
        return;
    }
    if (!first->checksum_is_valid(ip.source, ip.destination))
        out.push_back("the checksum is wrong");
    const auto last_ip = live.merged.empty() ? ip : *wire::IpPacket::parse(live.merged.back());
    const auto last = *wire::TcpView::parse(last_ip.payload);
    std::uint32_t length = static_cast<std::uint32_t>(first->payload().size());
    for (const auto& more : live.merged) {
        const auto more_ip = *wire::IpPacket::parse(more);
        length +=
            static_cast<std::uint32_t>(wire::TcpView::parse(more_ip.payload)->payload().size());
    }
    const auto bits = static_cast<std::uint16_t>((last.flags().bits & ~Flags::cwr) |
                                                 (first->flags().bits & Flags::cwr));
    const auto through = [](const std::optional<Ports>& udp) {
        return udp ? fmt::format("udp({} > {})", udp->source, udp->destination)
                   : std::string("no datagram");
    };
    if (through(line.udp) != through(live.udp))
        differ(out, "udp", through(line.udp), through(live.udp));
    const bool syn = (bits & Flags::syn) != 0;
    if (syn && (line.flags & Flags::syn) != 0 &&
        !(flow.ours.known && flow.ours.live == first->seq().raw)) {
        flow.ours = {.script = line.seq, .live = first->seq().raw, .known = true};
    }
    if (bits != line.flags) differ(out, "flags", flag_text(line.flags), flag_text(bits));
    if (line.any_seq) flow.ours = {.script = 0, .live = first->seq().raw, .known = true};
    const std::uint32_t seq =
        line.absolute_seq ? first->seq().raw : flow.ours.to_script(first->seq().raw, syn);
    if (seq != line.seq && !line.any_seq) differ(out, "seq", line.seq, seq);
    if (length != line.length) differ(out, "length", line.length, length);
    const std::uint32_t ack =
        (bits & Flags::ack) != 0 ? flow.theirs.to_script(last.ack().raw, syn) : last.ack().raw;
    if (line.ack.value_or(0) != ack) differ(out, "ack", line.ack.value_or(0), ack);
    if (line.window && *line.window != last.window())
        differ(out, "win", *line.window, last.window());
    if (line.urgent.value_or(0) != last.urgent())
        differ(out, "urg", line.urgent.value_or(0), last.urgent());
    if (!line.any_options) compare_options(out, line, last.option_bytes(), live, flow, settings);
    if (std::ranges::any_of(first->payload(), [](std::uint8_t o) { return o != 0; }))
        out.push_back("payload: octets of value 0 expected, as they were written");
}

void compare_icmp(Lines& out, const IcmpLine& line, const wire::IpPacket& ip) {
    if (ip.payload.size() < 8) {
        out.push_back("what came is too short for ICMP");
        return;
    }
    if (ip.payload[0] != line.type) differ(out, "ICMP type", line.type, ip.payload[0]);
    if (ip.payload[1] != line.code) differ(out, "ICMP code", line.code, ip.payload[1]);
}

}  // namespace

Lines compare(const Packet& line, const LivePacket& live, Flow& flow, const Settings& settings) {
    Lines out;
    const wire::IpPacket ip = live.ip();
    compare_ip(out, line.ip, ip);
    if (const auto* tcp = std::get_if<TcpLine>(&line.layer)) {
        if (ip.protocol != wire::protocol_tcp) {
            differ(out, "protocol", "TCP", ip.protocol);
        } else {
            compare_tcp(out, *tcp, live, flow, settings);
        }
    } else if (const auto* udp = std::get_if<UdpLine>(&line.layer)) {
        const std::size_t came = ip.payload.size() >= 8 ? ip.payload.size() - 8 : 0;
        if (ip.protocol != wire::protocol_udp)
            differ(out, "protocol", "UDP", ip.protocol);
        else if (came != udp->length)
            differ(out, "length", udp->length, came);
    } else if (ip.protocol != wire::protocol_icmp && ip.protocol != wire::protocol_icmpv6) {
        differ(out, "protocol", "ICMP", ip.protocol);
    } else {
        compare_icmp(out, std::get<IcmpLine>(line.layer), ip);
    }
    return out;
}

std::string describe(Bytes packet, const Flow& flow) {
    const auto ip = wire::IpPacket::parse(packet);
    if (!ip) return "(no IP packet)";
    if (ip->protocol != wire::protocol_tcp) return fmt::format("(IP protocol {})", ip->protocol);
    const auto tcp = wire::TcpView::parse(ip->payload);
    if (!tcp) return "(no TCP segment)";
    const bool inbound = ip->source == flow.tuple.remote.address;
    const Numbers& sender = inbound ? flow.theirs : flow.ours;
    const Numbers& receiver = inbound ? flow.ours : flow.theirs;
    const bool syn = tcp->flags().has(Flags::syn);
    const std::uint32_t seq = sender.to_script(tcp->seq().raw, syn);
    const auto length = static_cast<std::uint32_t>(tcp->payload().size());
    std::string text =
        fmt::format("{} {}:{}({})", flag_text(tcp->flags().bits), seq, seq + length, length);
    if (tcp->flags().has(Flags::ack))
        text += fmt::format(" ack {}", receiver.to_script(tcp->ack().raw, syn));
    text += fmt::format(" win {}", tcp->window());
    if (tcp->urgent() != 0) text += fmt::format(" urg {}", tcp->urgent());
    if (!tcp->option_bytes().empty())
        text += " <" + option_text(tcp->option_bytes(), receiver) + ">";
    return text;
}

std::string describe(const Packet& line) {
    using Kind = Option::Kind;
    const auto* tcp = std::get_if<TcpLine>(&line.layer);
    if (tcp == nullptr) return std::holds_alternative<UdpLine>(line.layer) ? "udp" : "icmp";
    std::string text = fmt::format("{} {}:{}({})", flag_text(tcp->flags), tcp->seq,
                                   tcp->seq + tcp->length, tcp->length);
    if (tcp->ack) text += fmt::format(" ack {}", *tcp->ack);
    if (tcp->window) text += fmt::format(" win {}", *tcp->window);
    if (tcp->urgent) text += fmt::format(" urg {}", *tcp->urgent);
    if (tcp->any_options) return text + " <...>";
    std::string options;
    for (const Option& o : tcp->options) {
        options += options.empty() ? "" : ",";
        switch (o.kind) {
        case Kind::eol: options += "eol"; break;
        case Kind::nop: options += "nop"; break;
        case Kind::mss: options += fmt::format("mss {}", o.value); break;
        case Kind::wscale: options += fmt::format("wscale {}", o.value); break;
        case Kind::sack_ok: options += "sackOK"; break;
        case Kind::sack:
            options += "sack";
            for (const Range& r : o.ranges) options += fmt::format(" {}:{}", r.begin, r.end);
            break;
        case Kind::ts: options += fmt::format("TS val {} ecr {}", o.value, o.second); break;
        case Kind::md5: options += "md5"; break;
        case Kind::fast_open: options += "FO"; break;
        case Kind::fast_open_exp: options += "FOEXP"; break;
        case Kind::acc_ecn0:
        case Kind::acc_ecn1: options += "ECN"; break;
        }
    }
    return options.empty() ? text : text + " <" + options + ">";
}

}  // namespace estab::packetdrill
