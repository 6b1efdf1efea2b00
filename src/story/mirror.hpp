// What an observer can say of both ends' control blocks, segment by segment: the sender's as it was
// when it sent, which the segment itself shows, and the receiver's as it will be when the segment
// arrives. What the network does behind the place of the capture shows only later, if ever.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "analysis/analyzer.hpp"
#include "tcp/state.hpp"

namespace estab::story {

// Numbers are relative: a SYN is 0, the first octet 1.
struct End {
    tcp::State state = tcp::State::closed;
    bool assumed = false;      // the state: how the connection began is not in the capture
    std::int64_t snd_una = 0, snd_nxt = 0, rcv_nxt = 0;
    std::uint32_t snd_wnd = 0;  // what the other offers
    std::uint32_t rcv_wnd = 0;  // what it offers itself
};

struct Step {
    std::size_t side = 0;  // who sent
    std::array<End, 2> before{}, after{};
    // What the segment did.
    bool opened = false;            // the receiver is ESTABLISHED with it
    bool fin_acknowledged = false;  // it acknowledges the receiver's FIN …
    bool syn_acknowledged = false;  // … or SYN
    bool filled_hole = false;       // more than its own octets is in order now

    const End& from() const { return after[side]; }
    const End& to() const { return after[1 - side]; }
};

class Mirror {
public:
    const Step& on(const analysis::Verdict& verdict);
    const std::array<End, 2>& ends() const { return ends_; }

private:
    static constexpr std::size_t early_max = 64;  // runs above a hole; more: the highest go
    struct Run {
        std::int64_t begin, end;
    };
    struct Private {  // of a side
        bool fin_sent = false;   // by it
        bool fin_taken = false;  // the other's
        std::int64_t fin_at = 0;
        std::int64_t received = 0;  // in order, should all have arrived
        std::vector<Run> early;     // received above a hole
    };

    void begin(const analysis::Verdict& v);
    void send(const analysis::Verdict& v);
    void send_fin(const analysis::Verdict& v);
    void arrive(const analysis::Verdict& v);
    void take_ack(const analysis::Verdict& v);
    void take_text(const analysis::Verdict& v);
    void learn_holes(const analysis::Verdict& v);
    void keep_early(Private& side, Run run);
    void take_fin(std::size_t side);

    std::array<End, 2> ends_{};
    std::array<Private, 2> private_{};
    Step step_;
    bool begun_ = false;
};

}  // namespace estab::story
