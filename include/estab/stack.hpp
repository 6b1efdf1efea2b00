// One TCP/IP host as a value: frames and calls go in, each with its time, frames come out. It has
// no thread, clock or device; many live in one process, each on one thread at a time. stack::turn()
// joins it to anything that is a device::Device; a Reactor does that and drives sockets besides.
//
//     estab::Stack stack(now, {.seed = 7});
//     stack.attach(device.caps());
//     stack.routes().add_address(*estab::Prefix::parse("10.77.0.2/24"));
//     estab::stack::turn(stack, device, now);        // again at stack.deadline(), or when frames
//     arrive
#pragma once

#include "estab/config.hpp"
#include "estab/error.hpp"
#include "stack/stack.hpp"
#include "stack/turn.hpp"

namespace estab {

using stack::ListenOptions;
using stack::Stack;
using stack::StackOptions;
using wire::Address;
using wire::Endpoint;
using wire::Prefix;

}  // namespace estab
