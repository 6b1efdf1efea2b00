#include "runtime/reactor.hpp"

#include <algorithm>
#include <utility>

namespace estab::runtime {
namespace {

constexpr int rounds_max = 4;  // of callbacks and what they send, before descriptors are looked at

}  // namespace

Reactor::Reactor(stack::Stack& stack, int fd, Port port)
    : stack_(stack), port_(std::move(port)), fd_(fd) {
    loop_.watch(fd_, {.read = true, .write = false}, [this](Instant, Ready) { readable_ = true; });
}

Reactor::~Reactor() {
    end();
    loop_.forget(fd_);
}

// A full device says itself when to try again; the stack would say "at once" for ever.
Instant Reactor::next_turn() const {
    if (unsettled_) return Instant::min();
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
        const bool spins = spin_ > 0s && Loop::now() - last_busy_ < spin_;
        loop_.run_once(spins ? Instant{} : std::min(deadline, next_turn()));
    }
    ++turns_;
    const Instant now = Loop::now();
    // A device that has nothing is not asked: for a TUN that is a system call.
    if (readable_) last_busy_ = now;
    if (std::exchange(readable_, false) || port_.deadline() <= now)
        port_.turn(now);
    else
        port_.flush(now);
    device_full_ = stack_.has_output();
    settle();
    return !stopped_;
}

// What callbacks say goes out at once, and what follows from that is told, without another look at
// all descriptors.
void Reactor::settle() {
    unsettled_ = true;
    for (int round = 0; unsettled_ && round < rounds_max; ++round) {
        dispatch();
        const Instant now = Loop::now();
        unsettled_ = dispatch_deadline() <= now;
        if (device_full_ || !stack_.has_output()) continue;
        port_.flush(now);
        device_full_ = stack_.has_output();
        unsettled_ = true;
    }
}

}  // namespace estab::runtime
