// The rules by which a segment is judged, in the order in which they are applied. Each sees the
// connection as it was before the segment, and changes its own part of it.
#pragma once

#include "analysis/analyzer.hpp"

namespace estab::analysis {

class Judge {
public:
    Judge(Connection& connection, const Segment& segment, Verdict& verdict)
        : c_(connection),
          s_(segment),
          v_(verdict),
          from_(connection.sides[verdict.side]),
          to_(connection.sides[1 - verdict.side]),
          now_(to_ns(segment.time.time_since_epoch())) {}

    void judge();

private:
    // rules.cpp
    Time state_before();
    void account(Time state);
    void learn();             // numbers, scale, options
    void judge_control();     // RST, SYN, FIN, ECN
    void judge_reset();
    void remember();          // what the next packet is compared with
    bool is_later() const;
    std::uint32_t wire_segments(std::int64_t octets) const;  // of so much of its text
    std::uint32_t segment_max() const;  // text of a full one; 0: the SYN was not seen
    // rules_sequence.cpp: what the segment brings
    void judge_sequence();
    bool repeats_last_packet() const;
    bool judge_probe(std::int64_t begin);
    bool is_octet_once_more(std::int64_t begin) const;
    void note_gap(std::int64_t begin);
    void judge_new(std::int64_t begin, std::int64_t end);
    void judge_old(std::int64_t begin, std::int64_t end);
    void judge_filling(std::size_t hole, std::int64_t begin, std::int64_t end);
    void judge_repeated(std::int64_t begin, std::int64_t end);
    std::int64_t soonest_answer_ns() const;
    bool is_copy_of(const Sent& run, std::int64_t begin, std::int64_t end) const;
    bool was_sent_later(const Hole& hole) const;
    Cause cause_of(std::int64_t begin, std::int64_t end, const Sent* copy) const;
    void note_retransmission(std::int64_t begin, std::int64_t end, const Sent* copy);
    void note_cause(Cause cause, std::int64_t end);
    void store(std::int64_t begin, std::int64_t end);
    void judge_window(std::int64_t end);
    void judge_small_segment();
    // rules_ack.cpp: what it acknowledges
    void judge_ack();
    bool read_sack(std::int64_t ack);
    void judge_progress(std::int64_t ack);
    void judge_repeated_ack(bool new_sack, std::uint32_t window);
    void read_window(std::int64_t ack, std::uint32_t window);
    std::uint32_t scaled_window() const;

    bool is_pure_ack() const {
        return s_.text_bytes == 0 && !s_.has(flag::syn | flag::fin | flag::rst);
    }
    std::size_t other_side() const { return 1U - v_.side; }

    Connection& c_;
    const Segment& s_;
    Verdict& v_;
    Side& from_;  // who sent the segment
    Side& to_;
    std::int64_t now_;
    std::size_t waited_for_ = 0;  // whose window, when a window was waited for
    bool is_copy_ = false;  // of the packet before, made on the way
};

// How long a sender like Linux waits for an acknowledgment (RFC 6298, minimum 200 ms).
std::int64_t retransmission_timeout_ns(const Side& side);
// Gives back what only a living connection needs.
void release(Connection& connection);
// The last notes of a connection that has ended.
void conclude(Connection& connection);

}  // namespace estab::analysis
