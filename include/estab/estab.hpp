// Everything of estab: TCP/IP in user space.
#pragma once

#include "estab/config.hpp"
#include "estab/error.hpp"
#include "estab/event.hpp"
#include "estab/listener.hpp"
#include "estab/memory_world.hpp"
#include "estab/posix.hpp"
#include "estab/runtime.hpp"
#include "estab/stack.hpp"
#include "estab/stream.hpp"
#include "estab/udp.hpp"
