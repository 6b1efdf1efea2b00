#include "runtime/reactor.hpp"

#include <algorithm>

namespace estab::runtime {

Reactor::Reactor(stack::Stack& stack, int fd, Port port)
    : stack_(stack), port_(std::move(port)), fd_(fd) {
    // That it is readable only has to end the wait: the turn follows in any case.
    loop_.watch(fd_, {.read = true, .write = false}, [](Instant, Ready) {});
}

Reactor::~Reactor() {
    end();
    loop_.forget(fd_);
}

// A full device says itself when to try again; the stack would say "at once" for ever.
Instant Reactor::next_turn() const {
    const Instant soon = Loop::now() + 10ms;
    const Instant stack_at = device_full_ ? soon : stack_.deadline();
    return std::min({stack_at, port_.deadline(), dispatch_deadline()});
}

bool Reactor::run_once(Instant deadline) {
    if (stopped_) return false;
    {
        struct Flag {
            explicit Flag(bool& flag) : flag_(flag) { flag_ = true; }
            ~Flag() { flag_ = false; }
            bool& flag_;
        };
        const Flag flag(in_loop_);
        loop_.run_once(std::min(deadline, next_turn()));
    }
    ++turns_;
    port_.turn(Loop::now());
    device_full_ = stack_.has_output();
    dispatch();
    return !stopped_;
}

}  // namespace estab::runtime
