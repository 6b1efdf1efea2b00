// A TCP peer that is made by hand, for `estab conform`: it sends what it is told to, answers
// nothing by itself, and sees all that comes back. No stack is behind it, so nothing resets.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "drivers/any_device.hpp"
#include "wire/ip.hpp"
#include "wire/tcp.hpp"

namespace estab::cli {

struct Seen {                     // a segment of the target's, its numbers as on the wire
    std::uint32_t seq = 0, ack = 0;
    wire::Flags flags;
    std::uint16_t window = 0, urgent = 0;
    wire::TcpOptions options;
    std::vector<std::uint8_t> payload;
    std::uint32_t segment = 0;    // octets of text in one wire segment of it
    std::uint16_t port = 0;       // ours

    bool has(std::uint16_t which) const { return flags.has(which); }
    bool is_reset() const { return has(wire::Flags::rst); }
    std::string text() const;     // "SA seq 1 ack 2 win 3 len 4"
};

struct Sends {                    // a segment of ours
    std::uint16_t flags = wire::Flags::ack;
    std::uint32_t seq = 0, ack = 0;
    std::uint16_t window = 65'535, urgent = 0;
    std::vector<std::uint8_t> options = {};  // as on the wire, a multiple of four
    std::vector<std::uint8_t> payload = {};
    bool breaks_checksum = false;
    wire::Ecn ecn = wire::Ecn::not_ect;
};

// TCP options as octets, padded with NOPs.
std::vector<std::uint8_t> raw_options(std::initializer_list<std::vector<std::uint8_t>> options);
std::vector<std::uint8_t> mss_option(std::uint16_t mss);
std::vector<std::uint8_t> timestamp_option(std::uint32_t val, std::uint32_t ecr);

class Prober {
public:
    Prober(drivers::AnyDevice& device, const wire::Address& own, const wire::Endpoint& target)
        : device_(device), own_(own), target_(target) {}

    const wire::Endpoint& target() const { return target_; }
    const wire::Address& own() const { return own_; }
    std::uint16_t fresh_port() { return next_port_++; }
    void send(std::uint16_t port, const Sends& what, std::optional<std::uint16_t> to = {});
    // The next segment for that port, if one comes in that time.
    std::optional<Seen> receive(std::uint16_t port, Duration patience);
    void forget(std::uint16_t port);

private:
    void collect(Duration wait);
    void take(const device::Frame& frame);

    drivers::AnyDevice& device_;
    wire::Address own_;
    wire::Endpoint target_;
    std::uint16_t next_port_ = 40'000;
    std::deque<Seen> seen_;
};

// One connection with the target, from a port of its own. `snd_nxt` and `rcv_nxt` are where a
// well-behaved peer would be.
class Peer {
public:
    explicit Peer(Prober& prober) : prober_(prober), port_(prober.fresh_port()) {}
    ~Peer();
    Peer(const Peer&) = delete;
    Peer& operator=(const Peer&) = delete;

    struct Opening {
        std::vector<std::uint8_t> options = mss_option(1460);
        std::uint16_t window = 65'535;
        std::uint16_t flags = wire::Flags::syn;
    };
    // The SYN, and its answer.
    std::optional<Seen> syn(const Opening& opening);
    // The whole handshake. False: the target did not answer as it must.
    bool open(const Opening& opening);
    bool open() { return open(Opening{}); }

    void send(Sends what);                     // as it is; snd_nxt does not move
    void send_text(std::string_view text);     // in order; snd_nxt moves
    std::optional<Seen> receive(Duration patience = std::chrono::milliseconds(700)) {
        return prober_.receive(port_, patience);
    }
    // The next segment that is a bare ACK, a RST or what `wanted` asks for.
    void acknowledge(const Seen& what);
    // A well-formed segment here and now: is the connection alive, and has it our octets?
    bool is_alive();

    std::uint32_t snd_nxt = 0, rcv_nxt = 0, iss = 0;
    std::uint16_t window = 65'535;
    std::vector<std::uint8_t> every_options;   // on every segment, as timestamps are
    Seen syn_ack;

private:
    Prober& prober_;
    std::uint16_t port_;
    bool opened_ = false;
};

}  // namespace estab::cli
