// What ICMP means to a host (RFC 792, RFC 1122 3.2.2, RFC 4443): answers to echo requests, errors
// about packets that came in vain, and what errors about our own packets say to TCP and UDP.
#pragma once

#include <cstdint>
#include <optional>
#include <variant>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "base/time.hpp"
#include "event/counters.hpp"
#include "ip/routes.hpp"
#include "wire/icmp.hpp"
#include "wire/ip.hpp"

namespace estab::ip {

enum class IcmpKind : std::uint8_t {
    soft,  // may pass by itself: unreachable 0, 1 and 5, time exceeded, parameter problem (MUST-56)
    hard,  // somebody means it: protocol, port, prohibited (SHLD-26); RFC 5927 5 says when to obey
    too_big,  // the path carries less (RFC 1191, RFC 8201)
};

// An error about a packet that we are said to have sent. It is only as true as `tuple` and `seq`
// are hard to guess: TCP compares `seq` with what is in flight (RFC 5927 4.1).
struct IcmpReport {
    IcmpKind kind = IcmpKind::soft;
    wire::IcmpReason reason = wire::IcmpReason::network_unreachable;
    std::uint8_t type = 0, code = 0;         // as on the wire
    std::uint32_t mtu = 0;                   // of too_big, in bytes; 0: not told (RFC 1191 5)
    std::uint8_t protocol = 0;               // TCP or UDP
    wire::FourTuple tuple;                   // `local` is the sender of the packet that is quoted
    std::optional<wire::SeqNum> seq;         // of TCP
    std::optional<wire::Ports> inner_ports{};  // of UDP, if what it carries should be TCP
    wire::SeqNum inner_seq{};
};

IcmpKind classify(wire::IcmpReason);         // RFC 1122 4.2.3.9, RFC 5461 2
Error to_error(wire::IcmpReason);            // what the owner of a connection is told

// Nothing when too little is quoted, or it was neither TCP nor UDP.
std::optional<IcmpReport> to_report(const wire::IcmpError&);

// May an error about this packet be sent at all? Never about an ICMP error, a later fragment, a
// packet that came to many at once, or one whose source is not a single host. RFC 1122 3.2.2,
// RFC 4443 2.4(e).
bool may_answer_with_error(const wire::IpPacket& about, const Routes& routes, bool link_broadcast);

// A bucket of tokens. RFC 4443 2.4(f).
class RateLimit {
public:
    struct Limits {
        std::uint32_t per_second = 1000;     // 0: never
        std::uint32_t burst = 50;            // policy when the bucket is empty: nothing is sent
    };
    explicit RateLimit(const Limits& limits) : limits_(limits) {}
    bool take(Instant now);

private:
    Limits limits_;
    Duration spent_{};                       // worth of tokens; each is 1 s / per_second
    Instant last_{};
};

class Icmp {
public:
    // `routes` says which addresses are ours; both must outlive this.
    Icmp(event::Counters& counters, const Routes& routes)
        : Icmp(counters, routes, RateLimit::Limits{}) {}
    Icmp(event::Counters& counters, const Routes& routes, const RateLimit::Limits& limits)
        : counters_(counters), routes_(routes), errors_(limits) {}

    // What a whole packet of protocol 1 or 58 to us says. monostate: nothing for us. That includes
    // source quench (RFC 6633, MUST-55), redirects, echo replies, what is malformed (counted), and
    // neighbour discovery, which wire::parse_ndp reads.
    using Input = std::variant<std::monostate, wire::IcmpEcho, IcmpReport>;
    Input read(const wire::IpPacket& packet);

    // Writes the reply to an echo request as an IP packet; its length, or 0: not to be sent,
    // because it went to many or came from nobody (RFC 1122 3.2.2.6), or because it does not fit
    // into `room`.
    std::size_t answer_echo(MutableBytes room, const wire::IpPacket& request,
                            const wire::IcmpEcho& echo);

    struct ErrorAnswer {
        wire::IcmpReason reason = wire::IcmpReason::port_unreachable;
        std::uint32_t detail = 0;            // too_big: the MTU; parameter_problem: which byte
        bool link_broadcast = false;         // the frame went to more than one station
    };
    // Writes an error about a packet as an IP packet of at most 576 or 1,280 bytes; its length, or
    // 0: not to be sent, or beyond the rate.
    std::size_t answer_error(Instant now, MutableBytes room, const wire::IpPacket& about,
                             const ErrorAnswer& answer);

private:
    event::Counters& counters_;
    const Routes& routes_;
    RateLimit errors_;
};

}  // namespace estab::ip
