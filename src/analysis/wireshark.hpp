// The analysis of TCP that people know from Wireshark 4.0, in its own terms and with its own rules,
// also where they err: for comparing with what others saw. docs/LABELS.md has estab's.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "analysis/segment.hpp"

namespace estab::analysis::wireshark {

enum class Mark : std::uint8_t {  // each is a field tcp.analysis.*
    retransmission, fast_retransmission, spurious_retransmission, out_of_order, lost_segment,
    ack_lost_segment, duplicate_ack, window_full, window_update, zero_window, zero_window_probe,
    zero_window_probe_ack, keep_alive, keep_alive_ack, reused_ports, tfo_syn, tfo_ack, tfo_ignored,
};

class Marks {
public:
    void add(Mark mark) { bits_ |= bit(mark); }
    void remove(Mark mark) { bits_ &= ~bit(mark); }
    bool has(Mark mark) const { return (bits_ & bit(mark)) != 0; }
    // Those of Fast Open are no tcp.analysis.flags.
    bool any() const { return (bits_ & (bit(Mark::tfo_syn) - 1)) != 0; }

private:
    static std::uint32_t bit(Mark mark) { return std::uint32_t{1} << static_cast<unsigned>(mark); }
    std::uint32_t bits_ = 0;
};

// What is said of one segment. A frame number of 0 and an empty optional: nothing.
struct Remarks {
    std::uint32_t stream = 0;
    std::uint32_t seq_base = 0, ack_base = 0;  // what the numbers are relative to
    std::int32_t window_scale = 0;  // a factor; 0: in a SYN; -1: not known; -2: none is used
    std::uint8_t completeness = 0;  // SYN 1, SYN-ACK 2, ACK 4, data 8, FIN 16, RST 32
    bool analysed = false;          // anything of tcp.analysis is said
    Marks marks;
    std::uint32_t duplicate_ack = 0;
    std::uint64_t duplicate_ack_frame = 0;
    std::uint64_t acks_frame = 0;
    std::int64_t ack_rtt_ns = 0;
    std::uint64_t rto_frame = 0;
    std::int64_t rto_ns = 0;
    std::optional<std::int64_t> initial_rtt_ns;
    std::uint32_t bytes_in_flight = 0, push_bytes_sent = 0;
    std::int64_t since_first_ns = 0, since_last_ns = 0;
};

// What it takes of the sequence space: one for a SYN, a FIN or both.
inline bool below(std::uint32_t a, std::uint32_t b) {
    return static_cast<std::int32_t>(a - b) < 0;
}
inline std::uint32_t numbers(const Segment& s) {
    return s.text_bytes + (s.has(flag::syn | flag::fin) ? 1U : 0U);
}

// What was sent and has not been acknowledged, in the order of the capture.
struct Unacked {
    std::uint64_t frame;
    std::int64_t time_ns;
    std::uint32_t seq, next;
};

class UnackedList {
public:
    static constexpr std::size_t entries_max = 10'000;  // as there; more are not remembered

    void add(const Unacked& entry);
    bool empty() const { return first_ == entries_.size(); }
    // Forgets what `ack` covers; the frame that it acknowledges, the oldest of them.
    std::optional<Unacked> acknowledge(std::uint32_t ack);
    std::uint32_t span() const;  // from the lowest to the highest number
    const Unacked* oldest() const { return empty() ? nullptr : &entries_[first_]; }
    std::size_t held_bytes() const { return entries_.capacity() * sizeof(Unacked); }

private:
    void compact();

    std::vector<Unacked> entries_;
    std::size_t first_ = 0;
    bool ordered_ = true;  // numbers ascend without overlap
};

struct Way {  // one direction of a conversation
    std::optional<std::uint32_t> base;
    bool has_next = false, has_seen_max = false;
    bool bytes_in_flight_known = true;
    bool push_ended = false;
    bool first_ack = false;             // its last window came in a SYN, which is not scaled
    std::uint32_t next = 0;             // behind the highest number
    std::uint32_t contiguous = 0;       // behind the highest that an ACK may cover
    std::int64_t next_ns = 0;
    std::uint64_t next_frame = 0;
    std::uint32_t ack = 0, window = 0;
    std::int64_t ack_ns = 0;
    std::int32_t scale = -1;            // a shift; -1: not known, -2: none is used
    std::uint32_t duplicates = 0;
    std::uint64_t ack_frame = 0;        // the first that acknowledged so much
    std::uint32_t pushed = 0;
    Marks last_marks;
    std::uint8_t sack_count = 0;
    std::array<SackBlock, 4> sack{};
    UnackedList unacked;
};

struct Conversation {
    End ends[2];
    Way ways[2];
    std::uint32_t stream = 0;
    std::uint8_t completeness = 0;
    std::uint32_t syn_bytes = 0;  // that came with the SYN
    std::int64_t syn_ns = 0;
    std::optional<std::int64_t> initial_rtt_ns;
    std::int64_t first_ns = 0, last_ns = 0;
    std::uint32_t older = 0, newer = 0;  // in the order of the last segment

    std::size_t held_bytes() const {
        return ways[0].unacked.held_bytes() + ways[1].unacked.held_bytes();
    }
};

// Memory grows with conversations up to `live_max`, and with what they have outstanding up to
// `held_bytes_max`; then those that were silent longest are forgotten, and would have new numbers.
class Analysis {
public:
    static constexpr std::size_t held_bytes_max = std::size_t{16} << 20;

    explicit Analysis(std::uint32_t live_max = 32'768) : live_max_(live_max) {}

    // Segments in the order of the capture. Valid until the next.
    const Remarks& on_segment(const Segment& segment);

private:
    static constexpr std::uint32_t none = 0xffffffff;
    struct Key {
        End low, high;
        friend bool operator==(const Key&, const Key&) = default;
    };
    struct Hash {
        std::size_t operator()(const Key& key) const;
    };

    Conversation& find(const Segment& segment, bool& fresh);
    void begin_anew(Conversation& c);
    void touch(std::uint32_t index);
    void forget_oldest();

    std::uint32_t live_max_;
    std::size_t held_bytes_ = 0;
    std::unordered_map<Key, std::uint32_t, Hash> index_;
    std::vector<std::unique_ptr<Conversation>> slots_;
    std::vector<std::uint32_t> free_;
    std::uint32_t oldest_ = none, newest_ = none;
    std::uint32_t streams_ = 0;
    Remarks remarks_;
};

}  // namespace estab::analysis::wireshark
