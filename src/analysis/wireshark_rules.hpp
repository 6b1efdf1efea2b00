// One segment under the rules of Wireshark's sequence analysis, in their order.
#pragma once

#include "analysis/wireshark.hpp"

namespace estab::analysis::wireshark {

class Rules {
public:
    Rules(Conversation& conversation, std::size_t side, const Segment& segment, Remarks& remarks)
        : c_(conversation),
          s_(segment),
          r_(remarks),
          from_(conversation.ways[side]),
          to_(conversation.ways[1 - side]),
          now_(to_ns(segment.time.time_since_epoch())) {}

    void apply();

private:
    bool is_control() const { return s_.has(flag::syn | flag::fin | flag::rst); }
    bool is_bare() const { return s_.text_bytes == 0 && !is_control(); }
    void mark(Mark mark) { r_.marks.add(mark); }

    void judge_windows_and_acks();
    void judge_window_full();
    bool judge_answer_to_probe();
    void judge_ack_of_unseen();
    void judge_repeat();
    bool is_fast() const;
    void find_original();
    void remember();
    void measure();

    Conversation& c_;
    const Segment& s_;
    Remarks& r_;
    Way& from_;
    Way& to_;
    std::int64_t now_;
};

}  // namespace estab::analysis::wireshark
