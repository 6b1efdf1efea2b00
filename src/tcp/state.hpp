// The eleven states of RFC 9293 3.3.2, under the RFC's names.
#pragma once

#include <cstdint>

namespace estab::tcp {

enum class State : std::uint8_t {
    closed,
    listen,
    syn_sent,
    syn_received,
    established,
    fin_wait_1,
    fin_wait_2,
    close_wait,
    closing,
    last_ack,
    time_wait,
};

const char* to_string(State);  // "ESTABLISHED", "FIN-WAIT-1", ...
const char* ss_name(State);    // as ss prints them: "ESTAB", "FIN-WAIT-1", "SYN-RECV", ...

// States in which both sides' SYNs have been acknowledged: RFC 9293 3.5.2.
constexpr bool is_synchronized(State s) { return s >= State::established; }
// We may still send new data (no FIN queued yet).
constexpr bool can_send(State s) { return s == State::established || s == State::close_wait; }
// The peer may still send new data (no FIN received yet).
constexpr bool can_receive(State s) {
    return s == State::established || s == State::fin_wait_1 || s == State::fin_wait_2;
}

}  // namespace estab::tcp
