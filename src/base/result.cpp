#include "base/result.hpp"

namespace estab {

const char* to_string(Error error) {
    switch (error) {
    case Error::invalid_argument: return "invalid argument";
    case Error::address_in_use: return "address already in use";
    case Error::address_unavailable: return "address not available";
    case Error::not_connected: return "not connected";
    case Error::already_connected: return "already connected";
    case Error::in_progress: return "connection in progress";
    case Error::would_block: return "would block";
    case Error::refused: return "connection refused";
    case Error::reset: return "connection reset by peer";
    case Error::aborted: return "connection aborted";
    case Error::timed_out: return "connection timed out";
    case Error::host_unreachable: return "no route to host";
    case Error::network_unreachable: return "network is unreachable";
    case Error::protocol_unreachable: return "protocol not available";
    case Error::broken_pipe: return "broken pipe";
    case Error::no_memory: return "memory budget used up";
    case Error::not_found: return "no such connection";
    case Error::message_too_long: return "message too long";
    case Error::malformed: return "malformed";
    case Error::not_supported: return "not supported";
    case Error::would_deadlock: return "blocking call inside a callback";
    case Error::interrupted: return "interrupted";
    }
    return "unknown error";
}

}  // namespace estab
