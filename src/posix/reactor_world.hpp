// A Reactor as a World: runtime::Reactor in real time, a host of MemoryWorld in virtual time.
#pragma once

#include "posix/world.hpp"
#include "socket/reactor.hpp"

namespace estab::posix {

class ReactorWorld final : public World {
public:
    explicit ReactorWorld(socket::Reactor& reactor) : reactor_(reactor) {}
    Instant now() const override { return reactor_.now(); }
    stack::Stack& stack() override { return reactor_.stack(); }
    bool run_once(Instant deadline) override { return reactor_.run_once(deadline); }

private:
    socket::Reactor& reactor_;
};

}  // namespace estab::posix
