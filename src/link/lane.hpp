// One direction of a path. Frames go in with push() and come out of pop() when they are due, some
// of them late, twice, changed or not at all. No clock and no device: a simulator and a decorator
// share it.
//
//   push -> drop -> police -> queue and rate -> delay and jitter -> reorder -> duplicate
//        -> corrupt -> pop
//
// Each stage has a random stream of its own, so what one stage decides does not depend on another's
// settings, and nothing depends on the time at which pop() is called.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "base/bytes.hpp"
#include "base/rng.hpp"
#include "base/time.hpp"
#include "device/device.hpp"
#include "link/packets.hpp"
#include "link/path_spec.hpp"
#include "link/queue.hpp"

namespace estab::link {

class Lane {
public:
    struct Settings {
        Direction direction{};
        std::uint64_t seed = 1;
        Duration round_trip{};           // what a queue in BDPs is measured by
        device::LinkType link = device::LinkType::ip;
        std::uint32_t frame_max = 1500;
        std::size_t bytes_max = std::size_t{64}
                                << 20;  // buffers on the way; a frame that finds none is dropped
    };
    struct Counters {
        std::uint64_t entered = 0;
        std::uint64_t entered_bytes = 0;
        std::uint64_t dropped_by_script = 0;
        std::uint64_t dropped_by_loss = 0;    // loss and burst loss
        std::uint64_t dropped_by_policer = 0;
        std::uint64_t dropped_by_queue = 0;   // full, or because its discipline wanted to
        std::uint64_t dropped_by_memory = 0;  // bytes_max
        std::uint64_t reordered = 0;          // picked to be overtaken
        std::uint64_t duplicated = 0;
        std::uint64_t corrupted = 0;
        std::uint64_t marked = 0;             // with CE
        std::uint64_t left = 0;               // came out of pop(), copies included
        std::uint64_t left_bytes = 0;
        std::uint64_t dropped() const {
            return dropped_by_script + dropped_by_loss + dropped_by_policer + dropped_by_queue +
                   dropped_by_memory;
        }
        friend bool operator==(const Counters&, const Counters&) = default;
    };
    struct Delivery {
        Bytes bytes;  // lent until release()
        Instant at;   // when it came out; never after the `now` of pop()
    };

    // Is told what one cannot see from outside.
    class Watcher {
    public:
        virtual ~Watcher() = default;
        virtual void on_drop(Instant now, Bytes frame) = 0;
        // A packet's transmission begins. Only where there is a rate.
        virtual void on_transmit(Instant now, Duration waited, wire::Ecn ecn) = 0;
    };

    explicit Lane(const Settings& settings);
    void watch(Watcher* watcher) { watcher_ = watcher; }

    // frame.size() <= frame_max. Where there is a head, the frame begins with that instead.
    void push(Instant now, Bytes frame, Bytes head = {});
    std::optional<Delivery> pop(Instant now);  // the next frame that is due
    void release();                            // all that pop() has lent
    Instant deadline() const;                  // when pop() is worth a call

    void change(const Direction& direction);  // for what enters a stage from now on
    const Counters& counters() const { return counters_; }
    std::uint32_t frame_max() const { return settings_.frame_max; }
    std::size_t queued_packets() const { return queue_.count(); }
    std::uint64_t queued_bytes() const { return queue_.bytes(); }
    std::uint64_t queue_bytes_max() const {
        return queue_bytes_max_;
    }  // resolved from bytes or BDPs

private:
    using Index = PacketIndex;
    static constexpr Index none = no_packet;
    static constexpr std::size_t held_max =
        64;  // a packet picked when so many are held is not held

    bool is_dropped();
    bool is_policed(std::size_t size);
    void classify(Index packet);
    void enqueue(Index packet);
    void mark_by_threshold(Packet& packet);
    void discard_dropped(Instant now);
    PacketQueue make_queue() const;
    Bytes ip_packet(Index packet);
    void set_ce(Index packet);
    void start_sending(Instant now, Index packet);
    void advance_queue(Instant now);
    void start_transit(Instant now, Index packet);
    void arrive(Index packet);
    void let_go(std::size_t held, Instant at);
    void deliver(Index packet, Instant at);
    void make_ready(Index packet, Instant at);
    void corrupt(Index packet);
    std::size_t first_held() const;

    Index take_packet();  // or none
    std::uint8_t* bytes(Index packet);
    Settings settings_;
    Direction direction_;
    std::uint64_t queue_bytes_max_ = 0;
    Watcher* watcher_ = nullptr;
    Counters counters_;
    Rng loss_random_, burst_random_, jitter_random_, reorder_random_, duplicate_random_,
        corrupt_random_;

    Instant now_ = Instant::min();  // never goes back
    bool is_bad_ = false;           // Gilbert and Elliott's state
    Index sending_ = none;          // on the wire until sent_at_
    Instant sent_at_{};
    TraceClock trace_clock_;        // where the rate is a trace
    PacketQueue queue_;             // behind it
    PacketList dropped_;            // by the queue, until discard_dropped()
    Instant conforms_from_ = Instant::min();  // of the policer's bucket: when it is full again
    PacketList transit_;            // in order of `at`
    Instant last_due_ = Instant::min();
    std::array<Index, held_max> held_{};
    std::size_t held_count_ = 0;
    PacketList ready_;
    PacketList lent_;
    PacketList free_;

    std::size_t stride_;
    std::size_t packets_max_;
    Packets packets_;
    std::vector<std::unique_ptr<std::uint8_t[]>> chunks_;
};

}  // namespace estab::link
