// The states of RFC 9293 3.3.2 with a way to reach each, and what a row of a table says about them.
#pragma once

#include <cstdint>
#include <span>

#include "conversation/harness.hpp"

namespace estab::conformance {

// A state, the lines that lead to it, and the numbers that then hold: relative ones, as in the
// lines.
struct Situation {
    const char* name;                 // "SYN-RECEIVED/active" and "/passive" are two (MUST-11)
    conversation::Begin begin;
    const char* prelude;
    std::int64_t rcv_nxt, snd_nxt, snd_una;
};

// One event in some states. `$R`, `$S` and `$U` are RCV.NXT, SND.NXT and SND.UNA before the event,
// and
// `$R+10` is what it looks like. The answer is a line, or one of the words "ack" (an empty ACK that
// says where we are) and "nothing". A state of "=" is the same as before.
struct Row {
    const char* event;
    const char* states;               // names, separated by blanks; "synchronized" is seven of
                                      // them, "other" these and the two SYN-RECEIVED
    const char* lines;                // the event
    const char* answer;
    const char* state = "=";
};

std::span<const Situation> situations();
std::span<const Row> segment_rows();  // SEGMENT ARRIVES, 3.10.7
std::span<const Row> call_rows();     // the user's calls, 3.10.1 to 3.10.6
std::span<const Row> timer_rows();    // time-outs, 3.10.8

}  // namespace estab::conformance
