// A connection between the script and the stack, and the packets of both sides: script numbers to
// live numbers and back, octets out of lines, and what differs between a line and a packet.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "packetdrill/settings.hpp"
#include "wire/ip.hpp"
#include "wire/tcp.hpp"

namespace estab::packetdrill {

// Numbers of a direction: in the script, in the packets. Those of a SYN are absolute in a script,
// all others count from the ISN.
struct Numbers {
    std::uint32_t script = 0, live = 0;
    bool known = false;

    std::uint32_t to_live(std::uint32_t n, bool syn) const {
        return n + (syn ? live - script : live);
    }
    std::uint32_t to_script(std::uint32_t n, bool syn) const {
        return n - (syn ? live - script : live);
    }
};

struct Flow {
    wire::FourTuple tuple{};  // live; `local` is the stack's
    std::optional<Ports> script_ports{};  // as an inbound packet would have them
    Numbers ours{}, theirs{};  // of what the stack sends, of what the script sends
    std::map<std::uint32_t, std::uint32_t> ts_live{};  // of the stack's TS val: script -> live
    std::optional<std::uint32_t> ts_script_first{}, ts_live_first{};
    Instant ts_first_at{};
};

// An IP packet that came out of the stack.
struct LivePacket {
    Instant at{};
    std::vector<std::uint8_t> bytes{};
    std::vector<std::vector<std::uint8_t>> merged{};  // further segments, joined into the first
    std::optional<Ports> udp{};  // of the datagram that it was the text of
    wire::IpPacket ip() const { return *wire::IpPacket::parse(bytes); }
};

// The octets of an inbound line. Throws ScriptError where it cannot be, e.g. an ecr that stands for
// no value seen.
std::vector<std::uint8_t> make_packet(const Packet& line, Position at, const Flow& flow,
                                      const Settings& settings);
// A reset as both suites' interpreters send at their end.
std::vector<std::uint8_t> option_bytes(const std::vector<Option>& options, const Flow& flow,
                                       bool inbound, Position at, const Settings& settings,
                                       bool syn = false);

// What differs, one line each: "ack: 2001 expected, 1001 came". Learns the flow's numbers from
// SYNs and timestamps. Empty: all as the line says.
std::vector<std::string> compare(const Packet& line, const LivePacket& live, Flow& flow,
                                 const Settings& settings);

// "S. 0:0(0) ack 1 win 65535 <mss 1460>": a packet as a line, in the script's numbers.
std::string describe(Bytes packet, const Flow& flow);
std::string describe(const Packet& line);

}  // namespace estab::packetdrill
