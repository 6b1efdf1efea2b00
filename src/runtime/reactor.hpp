// A stack on a device in real time: the Reactor of programs. It owns the poller; stack and device
// are the caller's and outlive it. One thread; another one per shard.
#pragma once

#include <functional>

#include "device/device.hpp"
#include "runtime/loop.hpp"
#include "socket/reactor.hpp"
#include "stack/turn.hpp"

namespace estab::runtime {

class Reactor final : public socket::Reactor {
public:
    // `device` may be decorated (Tap, Path); `fd` is readable while it has frames: drivers' fd().
    // The device's capabilities are told to the stack.
    template <device::Device D>
    Reactor(stack::Stack& stack, D& device, int fd)
        : Reactor(
              stack, fd,
              {.turn = [&stack, &device](Instant now) { stack::turn(stack, device, now); },
               .flush =
                   [&stack, &device](Instant now) {
                       stack.advance(now);
                       stack.receive(now, {});  // what it says to itself
                       stack::flush(stack, device, now);
                   },
               .deadline = [&device] { return device.deadline(); }}) {
        stack.attach(device.caps());
    }
    ~Reactor() override;

    Instant now() const override { return Loop::now(); }
    stack::Stack& stack() override { return stack_; }
    bool run_once(Instant deadline) override;
    bool is_busy() const override { return in_loop_ || socket::Reactor::is_busy(); }
    void run() {                          // until stop()
        while (run_once(never)) {
        }
    }
    void stop() { stopped_ = true; }      // run_once() returns false from now on
    bool is_stopped() const { return stopped_; }
    // For descriptors and signals of the program's own. Their callbacks must not block.
    Loop& loop() { return loop_; }
    std::uint64_t turns() const { return turns_; }
    // How long to look again and again after something came, before sleeping: for latency, at the
    // price of a processor. 0: sleep at once.
    void set_spin(Duration spin) { spin_ = spin; }

private:
    struct Port {
        std::function<void(Instant)> turn;   // what the device has, then what is owed
        std::function<void(Instant)> flush;  // only what is owed
        std::function<Instant()> deadline;
    };
    Reactor(stack::Stack& stack, int fd, Port port);
    Instant next_turn() const;
    void settle();

    stack::Stack& stack_;
    Loop loop_;
    Port port_;
    int fd_;
    std::uint64_t turns_ = 0;
    Duration spin_{};
    Instant last_busy_{};       // when the device had something
    bool stopped_ = false;
    bool readable_ = true;      // the device has frames, as far as is known
    bool device_full_ = false;  // the last turn ended with frames that found no room
    bool unsettled_ = true;     // callbacks may follow from what the last one did
    bool in_loop_ = false;      // a descriptor's callback runs
};

}  // namespace estab::runtime
