// Udp: datagrams (RFC 768, RFC 1122 4.1). udp::Options: address, port and how many octets may wait.
#pragma once

#include "estab/stream.hpp"
#include "socket/udp.hpp"

namespace estab {

using socket::Udp;

}  // namespace estab
