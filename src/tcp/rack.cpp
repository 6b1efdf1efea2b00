#include "tcp/rack.hpp"

#include <algorithm>

namespace estab::tcp {

void Rack::on_delivered(const Sent& record, Seq end, Instant arrived, Duration rtt_min,
                        bool answers_original) {
    // Step 3: delivered below what was delivered before, and it was never sent again.
    if (end > fack_) {
        fack_ = end;
    } else if (record.retransmitted == 0) {
        reordering_seen_ = true;
        if (!counted_) ++reorderings_;
        counted_ = true;
    }
    // Step 2. An answer faster than the path is one to the original.
    const Duration rtt = arrived - record.sent_at;
    if (record.retransmitted != 0 && (answers_original || rtt < rtt_min)) return;
    rtt_ = rtt;  // whichever was sent last: 6.2 step 2 takes that of what is told last
    if (record.order < order_ || (record.order == order_ && end <= end_)) return;
    order_ = record.order;
    end_ = end;
}

void Rack::on_duplicate_report(Seq una, Seq nxt) {
    if (in_report_round_ && una < report_round_) return;
    in_report_round_ = true;
    report_round_ = nxt;
    if (multiplier_ != 255) ++multiplier_;
    persist_ = 16;
}

void Rack::on_recovery_end() {
    if (persist_ == 0 || --persist_ != 0) return;
    multiplier_ = 1;
}

Duration Rack::window(const Path& path, bool impatient) const {
    if (!reordering_seen_ && impatient) return 0ns;
    // Both the time of sending and that of arrival may be off by one reading.
    return std::min(multiplier_ * (path.rtt_min / 4), path.srtt) + 2 * path.granularity;
}

Instant Rack::detect(SentQueue& sent, Instant now, const Path& path, bool impatient) const {
    const Duration patience = rtt_ + window(path, impatient);
    for (Sent* r = sent.oldest_in_flight(); r != nullptr && sent_before_newest(*r);) {
        const Instant due = after(r->sent_at, patience);
        if (due > now) return due;
        Sent* next = SentQueue::next_in_flight(*r);
        sent.mark_lost(*r);
        r = next;
    }
    return never;
}

}  // namespace estab::tcp
