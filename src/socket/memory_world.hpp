// Two hosts and a wire in one process, in virtual time: for tests and for trying things out.
// Nothing here ever sleeps; when nobody has anything to do, time jumps to whoever is next.
#pragma once

#include <array>
#include <cstdint>

#include "link/memory_link.hpp"
#include "socket/reactor.hpp"

namespace estab::socket {

class MemoryWorld {
public:
    struct Options {
        device::Caps caps{};             // of both ends; MTU 1500 without offloads
        std::size_t frames_max = 256;    // on the wire, each way
        std::uint64_t seed = 1;
        tcp::Config config{};            // of both
    };
    MemoryWorld() : MemoryWorld(Options{}) {}
    explicit MemoryWorld(const Options& options);

    // Host 0 is 10.0.0.1 and fd00::1, host 1 is 10.0.0.2 and fd00::2.
    Reactor& host(std::size_t which) { return *hosts_.at(which); }
    stack::Stack& stack(std::size_t which) { return hosts_.at(which)->stack(); }
    static wire::Address address(std::size_t which, bool v6 = false);

    Instant now() const { return now_; }
    // One turn of both hosts. When neither had anything to do time goes on to the next thing, but
    // not beyond `deadline`. False: stopped, or nothing will ever happen.
    bool run_once(Instant deadline);
    void run_for(Duration time);
    void stop() { stopped_ = true; }

private:
    class Host final : public Reactor {
    public:
        Host(MemoryWorld& world, std::size_t which, const Options& options);
        ~Host() override { end(); }
        Instant now() const override { return world_.now_; }
        stack::Stack& stack() override { return stack_; }
        bool run_once(Instant deadline) override { return world_.run_once(deadline); }
        bool is_busy() const override { return world_.dispatching_; }
        std::size_t turn();
        bool is_due() const {
            return std::min(stack_.deadline(), dispatch_deadline()) <= world_.now_;
        }
        Instant deadline() const { return std::min(stack_.deadline(), dispatch_deadline()); }
        void call_back() { dispatch(); }

    private:
        MemoryWorld& world_;
        link::MemoryLink::End& end_;
        stack::Stack stack_;
    };

    Instant now_ = Instant(1s);
    link::MemoryLink wire_;
    std::array<std::unique_ptr<Host>, 2> hosts_;
    bool dispatching_ = false;
    bool stopped_ = false;
};

}  // namespace estab::socket
