// A scripted peer: drives one connection in virtual time, line by line. The language is in
// README.md.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "conversation/machine.hpp"

namespace estab::conversation {

// How a conversation begins. Sizes in octets; 0: as the configuration has it.
struct Terms {
    tcp::Config config = tcp::profile::linux_();
    std::uint16_t mss = 1460;              // the peer's option, options not counted
    std::uint64_t cwnd = 0;                // a multiple of mss
    std::uint32_t window = 65'535;         // the peer's, at first
    std::uint8_t window_scale = 0;  // the peer's; not 0: scaling is agreed, ours is `our_scale`
    std::uint8_t our_scale = 0;
    std::uint32_t our_window = 0;          // offered in our SYN or SYN-ACK
    bool sack = false, timestamps = false, ecn = false;
    std::uint32_t iss = 0xffff'fc18;       // both streams cross 2^32 early on (S0-1)
    std::uint32_t irs = 0xffff'fe00;
    std::uint32_t ts_start = 1000;         // our TS val at the beginning
    std::uint32_t peer_ts_start = 5000;    // the peer's, 1 ms a tick
    Duration rtt = 0ms;                    // that the handshake saw; 0: none
    std::uint16_t mtu = 1500;
    bool absolute = false;                 // numbers in lines are as on the wire
    bool v6 = false;
};

enum class Begin : std::uint8_t { closed, passive, established };

struct Opening {
    Terms terms;
    Begin begin;
};
inline Opening established(Terms s = {}) { return {std::move(s), Begin::established}; }
inline Opening passive(Terms s = {}) { return {std::move(s), Begin::passive}; }    // SYN-RECEIVED
inline Opening syn_sent(Terms s = {}) {
    return {std::move(s), Begin::closed};
}  // "app open" comes first

class Conversation {
public:
    explicit Conversation(Opening opening);

    // Runs lines; stops at the first that fails. May be called again to go on.
    Conversation& run(std::string_view script);

    Machine& machine() { return machine_; }
    tcp::Connection& connection() { return machine_.connection; }
    tcp::Info info() const { return machine_.connection.info(now_); }
    Instant now() const { return now_; }
    bool failed() const { return failed_; }
    // All segments so far, oldest first, as printed with their times and directions.
    const std::vector<std::string>& trace() const { return trace_; }

private:
    void step(const std::string& line);
    void advance(Instant to);
    void after_step();
    void expect_segment(const std::string& text);
    void inject(const std::string& text);
    void app(const std::vector<std::string>& words);
    void app_read(const std::vector<std::string>& words);
    void icmp(const std::vector<std::string>& words);
    void expect_event(const std::vector<std::string>& words, bool wanted);
    void expect_number(const std::string& what, std::uint64_t wanted);
    void expect_word(const std::vector<std::string>& words);
    void complain(const std::string& what);
    Instant when(std::string_view word) const;
    void record(const char* arrow, const Frame& frame, Base base, Instant at);
    Base ours() const;
    Base theirs() const;

    Terms terms_;
    Machine machine_;
    Instant start_{Duration{1'000'000s}};
    Instant now_ = start_;
    std::uint32_t ts_offset_ = 0;
    std::uint32_t peer_next_ = 0;          // what the peer's next segment begins with
    std::vector<Frame> outbox_;            // sent and not yet expected
    std::uint32_t last_ts_val_ = 0;
    tcp::Notice notice_;
    std::vector<std::string> trace_;
    std::string line_;
    bool failed_ = false;
};

}  // namespace estab::conversation
