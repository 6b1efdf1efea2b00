// Two connections joined by a link of virtual time, without a stack: for what only a conversation
// of two real ends shows. The link delivers every frame after `delay`, in order, unless told
// otherwise.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "conversation/machine.hpp"

namespace estab::conversation {

struct PairTerms {
    tcp::Config client = tcp::profile::linux_();
    tcp::Config server = tcp::profile::linux_();
    Duration delay = 50ms;             // one way
    std::uint16_t mss = 1000;          // of both, options not counted
    std::uint32_t window = 65'535;     // that both offer at first
    std::uint8_t scale = 0;            // of both; not 0: window scaling is agreed
    bool sack = false, timestamps = false;
    bool simultaneous_open = false;    // both call open(); else both begin ESTABLISHED
};

class Pair {
public:
    enum Side : std::uint8_t { client = 0, server = 1 };

    explicit Pair(const PairTerms& terms);

    tcp::Connection& connection(Side side) { return machines_[side]->connection; }
    Machine& machine(Side side) { return *machines_[side]; }
    tcp::Info info(Side side) { return connection(side).info(now_); }
    Instant now() const { return now_; }
    Duration elapsed() const { return now_ - start_; }

    // What the link does to the segments that `from` sends, numbered from 0 as they are sent.
    void drop(Side from, std::set<std::uint32_t> segments);
    void drop_if(Side from, std::function<bool(std::uint32_t number, const Frame&)> which);
    void hold_up(Side from, std::uint32_t segment, Duration by);  // later ones overtake it
    void cut(Side from, bool yes) { cut_[from] = yes; }           // nothing gets through

    // Applications: a writer keeps its send buffer full until so many octets are written; a reader
    // takes everything at once, unless it is told not to.
    void write(Side side, std::uint64_t octets) { to_write_[side] += octets; speak(side); }
    void keep_reading(Side side, bool yes) { reads_[side] = yes; speak(side); }

    // Goes on until nothing is due before `until`, or until `done` says so (asked after every
    // event).
    bool run_for(Duration time, const std::function<bool()>& done = {});
    void speak(Side side);  // after calls on a connection: what it has to say goes out

    struct Heard {
        Instant at{};              // sent
        Side from{};
        std::uint32_t number = 0;
        bool dropped = false;
        tcp::Segment segment;      // without its payload
        std::uint32_t octets = 0;
    };
    const std::vector<Heard>& heard() const { return heard_; }
    std::uint32_t sent(Side side) const { return sent_[side]; }
    std::uint64_t received(Side side) const { return machines_[side]->has_read(); }

private:
    struct Flying {
        Side to{};
        Frame frame;
    };
    void put_on_the_link(Side from, Frame frame);

    PairTerms terms_;
    Instant start_{Duration{1'000'000s}};
    Instant now_ = start_;
    std::unique_ptr<Machine> machines_[2];
    std::multimap<Instant, Flying> flying_;
    std::function<bool(std::uint32_t, const Frame&)> drops_[2];
    std::map<std::uint32_t, Duration> held_up_[2];
    bool cut_[2] = {};
    bool reads_[2] = {true, true};
    std::uint64_t to_write_[2] = {};
    std::uint32_t sent_[2] = {};
    std::vector<Heard> heard_;
};

}  // namespace estab::conversation
