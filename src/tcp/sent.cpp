#include "tcp/sent.hpp"

namespace estab::tcp {

bool SentQueue::append(Seq begin, Seq end, std::uint16_t mss, Instant now) {
    Sent* record = pool_.make();
    if (record == nullptr) {
        if (last_ == nullptr || last_->lost) return false;
        CHECK(last_->end == begin);
        last_->end = end;
        last_->sent_at = now;
        return true;
    }
    record->begin = begin;
    record->end = end;
    record->mss = mss;
    record->sent_at = now;
    record->prev = last_;
    (last_ != nullptr ? last_->next : first_) = record;
    last_ = record;
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
    return true;
}

void SentQueue::mark_lost(Sent& record) {
    if (record.lost) return;
    record.lost = true;
    lost_bytes_ += record.size();
    if (first_lost_ == nullptr || record.begin < first_lost_->begin) first_lost_ = &record;
}

void SentQueue::mark_all_lost() {
    for (Sent* r = first_; r != nullptr; r = r->next) mark_lost(*r);
}

void SentQueue::mark_retransmitted(Sent& record, Instant now) {
    if (record.lost) {
        record.lost = false;
        lost_bytes_ -= record.size();
        if (first_lost_ == &record) {
            Sent* r = record.next;
            while (lost_bytes_ != 0 && r != nullptr && !r->lost) r = r->next;
            first_lost_ = lost_bytes_ != 0 ? r : nullptr;
        }
    }
    record.sent_at = now;
    if (record.retransmitted != 255) ++record.retransmitted;
}

SentQueue::Acked SentQueue::acknowledge(Seq ack) {
    Acked result;
    if (first_ != nullptr && first_->begin < ack) result.first_was_retransmitted = first_->retransmitted != 0;
    while (first_ != nullptr && first_->begin < ack) {
        Sent& record = *first_;
        if (record.retransmitted != 0) {
            result.any_retransmitted = true;
        } else {
            result.has_sample = true;
            result.sent_at = record.sent_at;
        }
        if (record.end > ack) {  // partly acknowledged
            if (record.lost) lost_bytes_ -= distance(record.begin, ack);
            record.begin = ack;
            break;
        }
        forget(record);
    }
    return result;
}

void SentQueue::forget(Sent& record) {
    if (record.lost) {
        lost_bytes_ -= record.size();
        if (first_lost_ == &record) {
            Sent* r = record.next;
            while (lost_bytes_ != 0 && r != nullptr && !r->lost) r = r->next;
            first_lost_ = lost_bytes_ != 0 ? r : nullptr;
        }
    }
    first_ = record.next;
    (first_ != nullptr ? first_->prev : last_) = nullptr;
    pool_.free(&record);
}

void SentQueue::clear() {
    while (first_ != nullptr) forget(*first_);
}

}  // namespace estab::tcp
