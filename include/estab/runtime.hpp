// Real time on Linux: devices (TUN, TAP, AF_PACKET, a private network that needs no permission) and
// runtime::Reactor, which joins one of them to a Stack and drives its sockets. Setting up throws
// drivers::SystemError.
//
//     auto network = estab::drivers::PrivateNetwork::start({});
//     auto device = network.take_device();
//     estab::Stack stack(estab::runtime::Loop::now(), {.seed = seed});
//     estab::runtime::Reactor reactor(stack, device, device.fd());   // both outlive the reactor
//     reactor.run();
#pragma once

#include "drivers/any_device.hpp"
#include "drivers/host_tun.hpp"
#include "drivers/private_network.hpp"
#include "estab/stream.hpp"
#include "runtime/reactor.hpp"
#include "runtime/send_file.hpp"
