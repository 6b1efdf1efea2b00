// What is remembered of a connection while it lives: two sides, each as the sender of its octets.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "analysis/finding.hpp"
#include "analysis/segment.hpp"
#include "analysis/sent_list.hpp"

namespace estab::analysis {

enum class Cause : std::uint8_t { none, fast, timeout, tail_probe };

// Octets that were not seen where they belong.
struct Hole {
    std::int64_t begin, end;
    std::int64_t time_ns;  // when what lies above was seen
    std::uint32_t tsval_above;
    std::uint16_t id_above;  // of the packet that showed it; 0: none
    bool has_tsval;
};

// Round-trip times in about 128 classes, each an eighth wider than the one before.
class RttHistogram {
public:
    void add(std::int64_t ns);
    std::int64_t quantile(double q) const;  // nanoseconds; 0 without samples
    std::int64_t least() const { return least_; }
    std::uint32_t count() const { return count_; }

private:
    static constexpr std::size_t classes = 192;
    std::array<std::uint32_t, classes> counts_{};
    std::int64_t least_ = 0, most_ = 0;
    std::uint32_t count_ = 0;
};

struct Side {
    static constexpr std::size_t holes_max = 64;  // more: the oldest is forgotten
    static constexpr std::uint8_t unknown_scale = 255;

    // Numbers are relative to `base`: a SYN is 0, the first octet 1. They are 64 bits wide.
    std::uint32_t base = 0;
    bool known = false;  // base is
    bool spoke = false;  // a segment of it was seen
    bool syn = false, fin = false, reset = false;
    bool fin_acknowledged = false;
    bool sack_permitted = false;
    bool last_was_probe = false;  // a keepalive or a window probe, not answered yet
    bool ids_usable = true;       // its IP ids count up
    std::uint8_t scale = unknown_scale;
    std::uint16_t mss = 0;
    std::uint16_t text_max = 0;  // the largest segment of it; stands in for the MSS
    std::int64_t high = 0;       // behind the highest octet sent
    std::int64_t una = 0;        // the other has acknowledged up to here
    std::int64_t fin_at = 0;
    SentList sent;
    std::vector<Hole> holes;

    // Loss recovery of its octets, as far as it can be seen from outside.
    std::int64_t sack_high = 0;  // the highest octet that was selectively acknowledged
    std::int64_t recovery_end = 0;
    std::uint32_t duplicate_acks = 0;  // in a row, for its octets
    Cause recovery = Cause::none;
    std::int64_t progress_ns = 0;  // when una moved last

    // As receiver of the other's octets.
    std::uint32_t window = 0;    // scaled; what it said last
    std::int64_t edge = 0;       // the other may send up to here
    bool window_known = false;   // and its scale
    std::int64_t last_ack = -1;  // what it acknowledged last
    std::uint32_t last_window = 0;
    std::int64_t sacked_end = 0;  // of the highest block it reported
    std::uint32_t window_max = 0;

    // The packet before, to know a copy by.
    std::uint16_t last_id = 0;
    std::uint8_t id_steps = 0, id_jumps = 0;
    std::uint32_t last_seq = 0, last_ack_wire = 0, last_tsval = 0;
    std::uint16_t last_flags = 0;
    std::uint32_t last_text = 0;
    std::int64_t last_ns = 0;
    std::int64_t last_text_ns = 0;
    std::int64_t last_small_ns = 0;  // of a segment that was not full

    // Round trips between where we look and the other side.
    std::unique_ptr<RttHistogram> rtt;
    std::int64_t srtt_ns = 0, rttvar_ns = 0, rtt_min_ns = 0;
    std::uint64_t text_bytes = 0;  // first copies alone
    std::uint64_t segments = 0, retransmitted = 0, retransmitted_bytes = 0;
    std::uint64_t packets = 0;
    std::int64_t first_text_ns = 0;

    std::int64_t extend(std::uint32_t wire) const {
        return high + static_cast<std::int32_t>(wire - (base + static_cast<std::uint32_t>(high)));
    }
    bool closed_window() const { return window_known && window == 0; }
};

// Where the time of a connection went.
enum class Time : std::uint8_t {
    handshake,
    network,       // octets were on their way
    window,        // the receiver's window was full
    zero_window,   // … and closed
    timeout,       // nothing moved until a timer fired
    application,   // nobody had anything to send
};
inline constexpr std::size_t time_count = 6;

struct Connection {
    std::uint32_t number = 0;  // in the order of appearance, from 0
    std::uint32_t next_in_bucket = 0;
    End ends[2];   // [0]: who spoke first, or opened
    Side sides[2];
    bool established = false;
    bool midstream = false;  // its beginning is not in the capture
    bool closed = false;     // both FINs were acknowledged, or a RST was sent
    bool is_reset = false;
    bool multipath = false;
    bool released = false;   // only what copies of old segments need is kept
    bool v6 = false;
    std::uint8_t syns = 0;
    std::int64_t first_ns = 0, last_ns = 0;
    std::int64_t syn_ns = 0, syn_ack_ns = 0;
    std::int64_t handshake_rtt_ns = 0;
    std::uint64_t first_frame = 0, last_frame = 0;
    std::array<std::int64_t, time_count> time_ns{};
    std::int8_t window_full_side = -1;  // whose octets fill the other's window
    Notes notes;
};

}  // namespace estab::analysis
