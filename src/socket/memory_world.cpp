#include "socket/memory_world.hpp"

#include <algorithm>

#include "base/check.hpp"
#include "stack/turn.hpp"

namespace estab::socket {

wire::Address MemoryWorld::address(std::size_t which, bool v6) {
    const auto last = static_cast<std::uint8_t>(which + 1);
    if (!v6) return wire::Address::v4(10, 0, 0, last);
    std::array<std::uint8_t, 16> octets{0xfd};
    octets[15] = last;
    return wire::Address::from_v6(octets.data());
}

MemoryWorld::MemoryWorld(const Options& options)
    : wire_({.caps = options.caps, .frames_max = options.frames_max}) {
    for (std::size_t i = 0; i < 2; ++i) hosts_[i] = std::make_unique<Host>(*this, i, options);
}

MemoryWorld::Host::Host(MemoryWorld& world, std::size_t which, const Options& options)
    : world_(world),
      end_(world.wire_.end(which)),
      stack_(world.now_, {.config = options.config, .seed = options.seed * 2 + which}) {
    stack_.attach(options.caps);
    CHECK(stack_.routes().add_address({address(which), 24}));
    CHECK(stack_.routes().add_address({address(which, true), 64}));
}

std::size_t MemoryWorld::Host::turn() { return stack::turn(stack_, end_, world_.now_); }

bool MemoryWorld::run_once(Instant deadline) {
    struct Busy {
        explicit Busy(bool& flag) : flag_(flag) { flag_ = true; }
        ~Busy() { flag_ = false; }
        bool& flag_;
    };
    CHECK(!dispatching_);
    if (stopped_) return false;
    const auto is_due = [](const auto& host) { return host->is_due(); };
    const bool waiting = wire_.end(0).has_frames() || wire_.end(1).has_frames();
    if (!waiting && std::none_of(hosts_.begin(), hosts_.end(), is_due)) {
        const Instant next = std::min({deadline, hosts_[0]->deadline(), hosts_[1]->deadline()});
        if (next == never) return false;
        now_ = std::max(now_, next);
    }
    const Busy busy(dispatching_);
    for (const auto& host : hosts_) host->turn();
    for (const auto& host : hosts_) host->call_back();
    return !stopped_;
}

void MemoryWorld::run_for(Duration time) {
    const Instant until = after(now_, time);
    bool arrived = false;
    hosts_[0]->at(until, [&] { arrived = true; });
    while (!arrived && run_once(until)) {
    }
}

}  // namespace estab::socket
