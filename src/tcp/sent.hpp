// What has been sent and is not acknowledged yet: the scoreboard. One record per burst, split where
// SACK, loss or retransmission cuts it, in sequence order; those in flight also in the order of
// sending, those lost in the order in which they were found lost. Every recovery algorithm reads
// this and none keeps its own.
//
// Work: O(1) to send and to acknowledge a record, O(log n) to find one by number. The index for
// finding is built only while something is selectively acknowledged or lost.
#pragma once

#include <cstdint>

#include "base/memory.hpp"
#include "base/time.hpp"
#include "tcp/seq.hpp"

namespace estab::tcp {

// What the delivery rate is computed from: how things stood when a record was sent.
struct RateSnapshot {
    std::uint64_t delivered = 0;     // octets delivered on the connection by then
    Instant delivered_at{};          // when that count was reached
    Instant first_sent_at{};         // when the flight that it belongs to began
    std::uint32_t lost = 0;          // octets found lost by then; wraps
    std::uint32_t in_flight : 31 = 0;    // octets, the record included
    std::uint32_t app_limited : 1 = 0;
};

struct Sent {
    Seq begin, end;                  // octets of text, neither SYN nor FIN
    Instant sent_at{};               // the last time
    Instant first_at{};              // the first time
    RateSnapshot rate;
    std::uint16_t mss = 0;           // of the wire segments it went out in
    std::uint8_t retransmitted = 0;  // times, saturating
    bool lost = false;               // waits to be retransmitted
    bool sacked = false;             // the peer has it (RFC 2018)

    std::uint64_t order = 0;         // of its last transmission among all of them

    std::uint64_t size() const { return distance(begin, end); }
    bool in_flight() const { return !lost && !sacked; }
    bool is_resent() const { return in_flight() && retransmitted != 0; }

    Sent* prev = nullptr;            // by sequence number
    Sent* next = nullptr;

private:
    friend class SentQueue;
    Sent* older = nullptr;           // by time of sending; among the lost, by time of marking
    Sent* newer = nullptr;
    Sent* up = nullptr;              // the index: a treap
    Sent* left = nullptr;
    Sent* right = nullptr;
    std::uint32_t priority = 0;
    std::uint32_t pieces = 0;        // wire segments that a sacked record stands for
};
using SentPool = Pool<Sent>;

class SentQueue {
public:
    explicit SentQueue(SentPool& pool) : pool_(pool) {}
    ~SentQueue() { clear(); }
    SentQueue(const SentQueue&) = delete;
    SentQueue& operator=(const SentQueue&) = delete;

    bool empty() const { return first_ == nullptr; }
    Sent* first() const { return first_; }
    Sent* last() const { return last_; }

    // A new burst at the end. When the pool is dry it joins the last record, if there is one, and
    // inherits the later time: coarser, never wrong. False only if there is nothing to join.
    bool append(Seq begin, Seq end, std::uint16_t mss, Instant now, const RateSnapshot& rate = {});

    // Cuts `record` at `at` (strictly inside); the first part keeps its place. Without memory: not
    // cut.
    bool split(Sent& record, Seq at);

    void mark_lost(Sent& record);    // not a sacked one
    void mark_all_lost();            // but what is sacked
    // A time-out: the first, and what was sent at `limit` or before (RFC 8985 6.3).
    void mark_lost_until(Instant limit);
    // Nothing was lost after all: it is in flight, as it was.
    void mark_none_lost();
    // It goes out again: in flight, and the youngest.
    void mark_retransmitted(Sent& record, Instant now, const RateSnapshot& rate = {});
    // The peer has dropped what it had acknowledged selectively (RFC 2018 8): all of it counts as
    // unsent.
    void forget_sacks();
    Sent* first_lost() const { return lost_.oldest; }
    // The last `octets` that were found lost, in the order in which they were: fn(const Sent&).
    template <class Fn>
    void for_newly_lost(std::uint64_t octets, Fn&& fn) const {
        const Sent* record = lost_.newest;
        if (record == nullptr) return;
        for (std::uint64_t seen = record->size(); seen < octets && record->older != nullptr;) {
            record = record->older;
            seen += record->size();
        }
        for (; record != nullptr; record = record->newer) fn(*record);
    }
    Sent* oldest_in_flight() const { return flying_.oldest; }
    static Sent* next_in_flight(const Sent& record) { return record.newer; }
    std::uint64_t lost_bytes() const { return lost_bytes_; }
    std::uint64_t resent_bytes() const { return resent_bytes_; }  // sent again and in flight
    std::uint64_t sacked_bytes() const { return sacked_bytes_; }
    std::uint64_t sacked_segments() const { return sacked_segments_; }
    Seq highest_sacked() const { return highest_sacked_; }  // one past; Seq(): nothing is

    // What an acknowledgment took away, told record by record so that each algorithm takes what it
    // needs. fn(const Sent& record, octets): `octets` of the record are newly delivered (they were
    // not sacked).
    struct Acked {
        std::uint64_t delivered = 0;      // octets that were not known to have arrived
        bool any_retransmitted = false;   // Karn: no sample from this acknowledgment's records
        Instant sent_at{};                // of the latest record delivered that was sent once
        bool has_sample = false;
        bool first_was_retransmitted = false;
    };
    template <class Fn>
    Acked acknowledge(Seq ack, Fn&& fn) {
        Acked result;
        if (first_ != nullptr && first_->begin < ack)
            result.first_was_retransmitted = first_->retransmitted != 0;
        while (first_ != nullptr && first_->begin < ack) {
            Sent& record = *first_;
            const std::uint64_t octets =
                distance(record.begin, record.end < ack ? record.end : ack);
            if (!record.sacked) {
                note_delivered(record, octets, result);
                fn(static_cast<const Sent&>(record), octets);
            }
            if (record.end > ack) {
                cut_front(record, ack);
                break;
            }
            forget(record);
        }
        if (lost_bytes_ == 0 && sacked_bytes_ == 0) root_ = nullptr;  // the index has done its work
        return result;
    }
    Acked acknowledge(Seq ack) {
        return acknowledge(ack, [](const Sent&, std::uint64_t) {});
    }

    // A SACK block, inside [first()->begin, last()->end). The same account of what is newly
    // delivered. A segment that the block covers in part counts as missing, as in Linux: it will
    // go again as a whole.
    template <class Fn>
    void sack(Seq begin, Seq end, Acked& result, Fn&& fn) {
        Sent* record = find(begin);
        if (record == nullptr) return;
        if (record->begin < begin && !record->sacked) {
            const Seq at = whole_segments(*record, begin, true);
            if (at >= record->end || split(*record, at)) record = record->next;
        }
        while (record != nullptr && record->begin < end) {
            if (record->end > end && !record->sacked) {
                const Seq at = whole_segments(*record, end, false);
                if (at == record->begin || !split(*record, at)) break;
            }
            if (!record->sacked && record->begin >= begin) {
                note_delivered(*record, record->size(), result);
                fn(static_cast<const Sent&>(*record), record->size());
                record = mark_sacked(*record);
            }
            record = record->next;
        }
    }

    // The record that holds `at`, or nullptr. O(log n).
    Sent* find(Seq at);

    void clear();

private:
    struct Line {                    // a list by age
        Sent* oldest = nullptr;
        Sent* newest = nullptr;
    };
    // `at`, inside the record, moved to where a wire segment of it ends.
    static Seq whole_segments(const Sent& record, Seq at, bool up) {
        const std::uint64_t mss = std::max<std::uint16_t>(record.mss, 1);
        const std::uint64_t offset = distance(record.begin, at);
        return record.begin + (up ? (offset + mss - 1) / mss : offset / mss) * mss;
    }
    static void push(Line& line, Sent& record);
    static void remove(Line& line, Sent& record);
    void note_delivered(const Sent& record, std::uint64_t octets, Acked& result) const;
    void cut_front(Sent& record, Seq at);
    Sent* mark_sacked(Sent& record);
    void forget(Sent& record);
    Line& line_of(const Sent& record) { return record.lost ? lost_ : flying_; }
    // index.cpp
    void build_index();
    void index_insert_after(Sent& before, Sent& added);
    void index_remove(Sent& record);
    void rotate_up(Sent& record);
    void replace_child(Sent* parent, Sent& was, Sent* is);

    SentPool& pool_;
    Sent* first_ = nullptr;
    Sent* last_ = nullptr;
    Line flying_;
    Line lost_;
    Sent* root_ = nullptr;           // nullptr: no index
    Seq highest_sacked_;
    std::uint64_t lost_bytes_ = 0;
    std::uint64_t resent_bytes_ = 0;
    std::uint64_t sacked_bytes_ = 0;
    std::uint64_t sacked_segments_ = 0;
    std::uint64_t transmissions_ = 0;
};

}  // namespace estab::tcp
