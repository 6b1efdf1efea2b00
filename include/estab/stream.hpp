// Stream: a TCP connection (RFC 9293 3.9.1), tried, waited for or awaited. Task, spawn(), run() and
// sleep_for(): coroutines over a Reactor. A Stream belongs to its Reactor's thread and may outlive
// it: it is closed then.
#pragma once

#include "estab/stack.hpp"
#include "socket/stream.hpp"

namespace estab {

using socket::ConnectOptions;
using socket::Ending;
using socket::Reactor;
using socket::Ready;
using socket::run;
using socket::sleep_for;
using socket::sleep_until;
using socket::spawn;
using socket::Stream;
using socket::Task;

}  // namespace estab
