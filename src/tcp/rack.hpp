// RACK: loss detection by time (RFC 8985 6). A record that was sent before another that has arrived
// is lost once it is late by more than a reordering window, which adapts to what DSACKs teach.
// Works on retransmissions too, so that a lost one is found without a time-out.
//
// What was sent before what is known by counting transmissions, not by comparing clock readings:
// a coarse clock gives many segments the same time, and must not turn reordering into loss.
#pragma once

#include <cstdint>

#include "base/time.hpp"
#include "tcp/sent.hpp"

namespace estab::tcp {

class Rack {
public:
    struct Path {
        Duration srtt{};
        Duration rtt_min{};
        Duration granularity{};  // of the caller's clock: how far one reading may be off
    };

    // The record has been delivered up to `end`. `answers_original`: its acknowledgment echoes a
    // timestamp from before its retransmission, so it says nothing about that (6.2, step 2).
    void on_delivered(const Sent& record, Seq end, Instant arrived, Duration rtt_min,
                      bool answers_original);
    // 6.2 step 4: the peer has reported a duplicate. At most one step wider in a round trip.
    void on_duplicate_report(Seq una, Seq nxt);
    void on_recovery_end();  // after 16 of them without a new report the window is narrow again

    // Marks what is lost by `now`. Returns when to look again: `never` if nothing is in doubt.
    // `impatient`: enough evidence by number (in recovery, or DupThresh segments SACKed), so that a
    // path that has never reordered gets no grace.
    //
    // RFC 8985 arms one timer for the last record in doubt; here it is for the first, and the rest
    // are not looked at: work is proportional to what is found lost.
    Instant detect(SentQueue& sent, Instant now, const Path& path, bool impatient) const;

    Duration window(const Path& path, bool impatient) const;  // RACK.reo_wnd
    bool has_seen_reordering() const { return reordering_seen_; }
    // Acknowledgments that showed reordering; one that begins is not counted yet.
    std::uint32_t reorderings() const { return reorderings_; }
    void begin_ack() { counted_ = false; }
    bool has_memory() const { return reordering_seen_ || multiplier_ != 1; }
    Duration rtt() const { return rtt_; }

private:
    bool sent_before_newest(const Sent& record) const {
        return record.order < order_ || (record.order == order_ && record.end < end_);
    }

    std::uint64_t order_ = 0;        // of the latest transmission known to have arrived; 0: none
    Seq end_;                        // and where it ended
    Duration rtt_{};
    Seq fack_;                       // the highest number delivered
    Seq report_round_;               // RACK.dsack_round
    bool in_report_round_ = false;
    bool reordering_seen_ = false;
    bool counted_ = false;
    std::uint32_t reorderings_ = 0;
    std::uint8_t multiplier_ = 1;    // RACK.reo_wnd_mult
    std::uint8_t persist_ = 0;       // RACK.reo_wnd_persist: recoveries left
};

}  // namespace estab::tcp
