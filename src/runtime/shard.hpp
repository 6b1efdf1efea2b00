// A stack on a device of its own in a thread of its own: one of several that share nothing. The
// device is one queue of an interface that keeps a flow on one queue (drivers::TunDevice::
// open_queues), so each shard has the connections whose SYNs came to it.
#pragma once

#include <functional>
#include <future>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "drivers/system.hpp"
#include "runtime/reactor.hpp"

namespace estab::runtime {

class Shard {
public:
    // Called in the shard's thread before its first turn: makes listeners, spawns tasks. What it
    // returns is destroyed in that thread, after the reactor.
    using Service = std::function<std::shared_ptr<void>(Reactor&)>;
    struct Settings {
        stack::StackOptions stack;      // the memory budget is of this shard alone
        std::vector<wire::Prefix> own;  // its addresses, the same in each shard
    };

    // Returns when `service` has returned, and throws what it threw. `fd` is readable when the
    // device has frames. No signal but that of its own faults is delivered to the thread.
    template <device::Device D>
    Shard(D device, int fd, const Settings& settings, Service service) {
        start([this, moved = std::make_shared<D>(std::move(device)), fd, settings,
               service = std::move(service)] {
            std::shared_ptr<void> kept;
            stack::Stack stack(Loop::now(), settings.stack);
            Reactor reactor(stack, *moved, fd);
            add_addresses(stack, settings.own);
            kept = service(reactor);
            run(reactor);
        });
    }
    ~Shard();  // stops it and waits for its end
    Shard(const Shard&) = delete;
    Shard& operator=(const Shard&) = delete;

    void stop();  // from any thread
    // Waits for its end; throws what ended it, if anything did.
    void join();
    // Readable when it has ended, for whoever would not wait.
    int ended() const { return *ended_; }

private:
    void start(std::function<void()> body);
    void run(Reactor& reactor);
    static void add_addresses(stack::Stack& stack, const std::vector<wire::Prefix>& own);

    drivers::Fd stop_, ended_;
    std::promise<void> ready_;
    bool is_ready_ = false;       // of the shard's thread, until it has ended
    std::exception_ptr trouble_;  // likewise
    std::thread thread_;
};

}  // namespace estab::runtime
