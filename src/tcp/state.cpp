#include "tcp/state.hpp"

namespace estab::tcp {

const char* to_string(State state) {
    switch (state) {
    case State::closed: return "CLOSED";
    case State::listen: return "LISTEN";
    case State::syn_sent: return "SYN-SENT";
    case State::syn_received: return "SYN-RECEIVED";
    case State::established: return "ESTABLISHED";
    case State::fin_wait_1: return "FIN-WAIT-1";
    case State::fin_wait_2: return "FIN-WAIT-2";
    case State::close_wait: return "CLOSE-WAIT";
    case State::closing: return "CLOSING";
    case State::last_ack: return "LAST-ACK";
    case State::time_wait: return "TIME-WAIT";
    }
    return "?";
}

const char* ss_name(State state) {
    switch (state) {
    case State::closed: return "UNCONN";
    case State::syn_received: return "SYN-RECV";
    case State::established: return "ESTAB";
    case State::listen:
    case State::syn_sent:
    case State::fin_wait_1:
    case State::fin_wait_2:
    case State::close_wait:
    case State::closing:
    case State::last_ack:
    case State::time_wait: return to_string(state);
    }
    return "?";
}

}  // namespace estab::tcp
