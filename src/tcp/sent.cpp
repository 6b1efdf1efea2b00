#include "tcp/sent.hpp"

#include <algorithm>

#include "tcp/plant.hpp"

namespace estab::tcp {

void SentQueue::push(Line& line, Sent& record) {
    record.older = line.newest;
    record.newer = nullptr;
    (line.newest != nullptr ? line.newest->newer : line.oldest) = &record;
    line.newest = &record;
}

void SentQueue::remove(Line& line, Sent& record) {
    (record.older != nullptr ? record.older->newer : line.oldest) = record.newer;
    (record.newer != nullptr ? record.newer->older : line.newest) = record.older;
    record.older = record.newer = nullptr;
}

bool SentQueue::append(Seq begin, Seq end, std::uint16_t mss, Instant now,
                       const RateSnapshot& rate) {
    Sent* record = pool_.make();
    if (record == nullptr) {
        if (last_ == nullptr || !last_->in_flight()) return false;
        CHECK(last_->end == begin);
        if (last_->is_resent()) resent_bytes_ += distance(begin, end);
        last_->end = end;
        last_->sent_at = now;
        last_->order = ++transmissions_;
        remove(flying_, *last_);
        push(flying_, *last_);
        return true;
    }
    record->begin = begin;
    record->end = end;
    record->mss = mss;
    record->sent_at = record->first_at = now;
    record->order = ++transmissions_;
    record->rate = rate;
    record->prev = last_;
    (last_ != nullptr ? last_->next : first_) = record;
    if (root_ != nullptr) index_insert_after(*last_, *record);
    last_ = record;
    push(flying_, *record);
    return true;
}

bool SentQueue::split(Sent& record, Seq at) {
    CHECK(record.begin < at && at < record.end);
    Sent* tail = pool_.make(record);
    if (tail == nullptr) return false;
    tail->begin = at;
    record.end = at;
    tail->prev = &record;
    (tail->next != nullptr ? tail->next->prev : last_) = tail;
    record.next = tail;
    if (root_ != nullptr) index_insert_after(record, *tail);
    if (record.sacked) return true;
    Line& line = line_of(record);  // just behind the first part
    tail->older = &record;
    tail->newer = record.newer;
    (record.newer != nullptr ? record.newer->older : line.newest) = tail;
    record.newer = tail;
    return true;
}

void SentQueue::mark_lost(Sent& record) {
    if (record.lost || record.sacked) return;
    remove(flying_, record);
    if (record.is_resent()) resent_bytes_ -= record.size();
    record.lost = true;
    lost_bytes_ += record.size();
    push(lost_, record);
}

void SentQueue::mark_all_lost() { mark_lost_until(Instant::max()); }

// Anew in sequence order, whatever was marked before.
void SentQueue::mark_lost_until(Instant limit) {
    for (Sent* r = first_; r != nullptr; r = r->next) {
        if (r->sacked || (r != first_ && !r->lost && r->sent_at > limit)) continue;
        remove(line_of(*r), *r);
        if (r->is_resent()) resent_bytes_ -= r->size();
        if (!r->lost) lost_bytes_ += r->size();
        r->lost = true;
        push(lost_, *r);
    }
}

void SentQueue::mark_none_lost() {
    while (Sent* r = lost_.newest) {  // found lost in the order of sending, so older than the rest
        remove(lost_, *r);
        r->lost = false;
        if (r->is_resent()) resent_bytes_ += r->size();
        r->newer = flying_.oldest;
        (flying_.oldest != nullptr ? flying_.oldest->older : flying_.newest) = r;
        flying_.oldest = r;
    }
    lost_bytes_ = 0;
}

void SentQueue::mark_retransmitted(Sent& record, Instant now, const RateSnapshot& rate) {
    CHECK(!record.sacked);
    remove(line_of(record), record);
    if (record.lost && !planted(Bug::recovery_lost_mark)) lost_bytes_ -= record.size();
    if (!record.is_resent()) resent_bytes_ += record.size();
    record.lost = false;
    record.sent_at = now;
    record.order = ++transmissions_;
    record.rate = rate;
    if (record.retransmitted != 255) ++record.retransmitted;
    push(flying_, record);
}

void SentQueue::forget_sacks() {
    for (Sent* r = first_; r != nullptr; r = r->next) {
        if (!r->sacked) continue;
        r->sacked = false;
        if (r->is_resent()) resent_bytes_ += r->size();
        push(flying_, *r);
    }
    sacked_bytes_ = sacked_segments_ = 0;
    highest_sacked_ = Seq();
}

void SentQueue::note_delivered(const Sent& record, std::uint64_t octets, Acked& result) const {
    result.delivered += octets;
    if (record.retransmitted != 0) {
        result.any_retransmitted = true;
    } else if (!result.has_sample || record.sent_at > result.sent_at) {
        result.has_sample = true;
        result.sent_at = record.sent_at;
    }
}

void SentQueue::cut_front(Sent& record, Seq at) {
    const std::uint64_t octets = distance(record.begin, at);
    if (record.lost) lost_bytes_ -= octets;
    if (record.sacked) sacked_bytes_ -= octets;
    if (record.is_resent()) resent_bytes_ -= octets;
    record.begin = at;
}

// Neighbours that the peer has are one record: what the scoreboard holds is bounded by the holes.
// The record that is left.
Sent* SentQueue::mark_sacked(Sent& record) {
    remove(line_of(record), record);
    if (record.lost) lost_bytes_ -= record.size();
    if (record.is_resent()) resent_bytes_ -= record.size();
    record.lost = false;
    record.sacked = true;
    sacked_bytes_ += record.size();
    const std::uint32_t mss = std::max<std::uint32_t>(record.mss, 1);
    record.pieces = static_cast<std::uint32_t>((record.size() + mss - 1) / mss);
    sacked_segments_ += record.pieces;
    if (record.end > highest_sacked_) highest_sacked_ = record.end;
    Sent* kept = &record;
    if (Sent* before = record.prev; before != nullptr && before->sacked) {
        before->end = record.end;
        before->pieces += record.pieces;
        kept = before;
    }
    if (Sent* after = record.next; after != nullptr && after->sacked) {
        kept->end = after->end;
        kept->pieces += after->pieces;
        sacked_bytes_ += after->size();  // forget() takes it off again
        sacked_segments_ += after->pieces;
        forget(*after);
    }
    if (kept != &record) {
        sacked_bytes_ += record.size();
        sacked_segments_ += record.pieces;
        forget(record);
    }
    return kept;
}

void SentQueue::forget(Sent& record) {
    if (record.sacked) {
        sacked_bytes_ -= record.size();
        sacked_segments_ -= record.pieces;
    } else {
        remove(line_of(record), record);
        if (record.lost) lost_bytes_ -= record.size();
        if (record.is_resent()) resent_bytes_ -= record.size();
    }
    if (root_ != nullptr) index_remove(record);
    (record.prev != nullptr ? record.prev->next : first_) = record.next;
    (record.next != nullptr ? record.next->prev : last_) = record.prev;
    pool_.free(&record);
}

void SentQueue::clear() {
    root_ = nullptr;
    while (first_ != nullptr) forget(*first_);
    highest_sacked_ = Seq();
}

}  // namespace estab::tcp
