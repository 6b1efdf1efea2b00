// Worlds of hosts, links and routers in virtual time, with a referee: for tests of protocols over
// bad networks. Component `sim`; examples/simulated is a test that uses it.
#pragma once

#include "sim/dumbbell.hpp"
#include "sim/talk.hpp"
#include "sim/world.hpp"
