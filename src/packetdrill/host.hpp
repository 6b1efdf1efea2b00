// The stack under test in virtual time, alone on its link: what it sends is kept, cut to what would
// be on a wire, until somebody asks.
#pragma once

#include <deque>
#include <functional>
#include <vector>

#include "posix/sockets.hpp"
#include "posix/world.hpp"

namespace estab::packetdrill {

struct Sent {
    Instant at{};
    std::vector<std::uint8_t> packet{};  // IP
};

class Host final : public posix::World {
public:
    struct Options {
        tcp::Config config{};
        wire::Address local{};
        std::uint32_t mtu = 1500;
        std::uint64_t seed = 1;
        bool offloads = true;
    };
    explicit Host(const Options& options);

    Instant now() const override { return now_; }
    stack::Stack& stack() override { return stack_; }
    bool run_once(Instant) override { return false; }  // the script's runner lets time go on
    void speak() override;

    // As a driver with receive offload hands it up where it is larger than `segment`; 0: it is one.
    void inject(Bytes packet, std::uint16_t segment = 0);
    // When something will happen by itself; `never`: nothing.
    Instant deadline() const { return stack_.deadline(); }
    // Time goes on to `when` (not beyond the next deadline), and what is due happens.
    void advance(Instant when);

    std::deque<Sent>& sent() { return sent_; }
    // Sees every packet, both ways.
    std::function<void(Instant, bool inbound, Bytes packet)> tap{};
    // A packet has come in, and nothing has been said in answer yet.
    std::function<void()> before_answer{};
    std::function<void()> after_turn{};  // and now all has been said

    static constexpr Instant start = Instant(1000s);

private:
    Instant now_ = start;
    stack::Stack stack_;
    std::vector<std::uint8_t> room_;
    std::uint32_t mtu_;
    std::deque<Sent> sent_;
};

}  // namespace estab::packetdrill
