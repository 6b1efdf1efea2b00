// Listener: passive OPEN (RFC 9293 3.9.1) on an address and port, a network, or anything at all;
// with `hold` the owner decides about each SYN before it is answered.
#pragma once

#include "estab/stream.hpp"
#include "socket/listener.hpp"

namespace estab {

using socket::HeldSyn;
using socket::Listener;

}  // namespace estab
