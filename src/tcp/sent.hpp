// What has been sent and is not acknowledged yet: one record per burst, split where retransmission or
// loss cuts it, in sequence order. New recovery algorithms add fields and read this; none keeps its own.
#pragma once

#include <cstdint>

#include "base/memory.hpp"
#include "base/time.hpp"
#include "tcp/seq.hpp"

namespace estab::tcp {

struct Sent {
    Seq begin, end;              // octets of text, neither SYN nor FIN
    Instant sent_at{};           // the last time
    std::uint16_t mss = 0;       // of the wire segments it went out in
    std::uint8_t retransmitted = 0;  // times, saturating
    bool lost = false;           // waits to be retransmitted
    Sent* prev = nullptr;
    Sent* next = nullptr;

    std::uint64_t size() const { return distance(begin, end); }
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

    // A new burst at the end. When the pool is dry it joins the last record, if there is one, and inherits
    // the later time: coarser, never wrong. False only if there is nothing to join.
    bool append(Seq begin, Seq end, std::uint16_t mss, Instant now);

    // Cuts `record` at `at` (strictly inside); the first part keeps its place. Without memory: not cut.
    bool split(Sent& record, Seq at);

    // Marks [begin, end) of `record` lost. lost_bytes() follows.
    void mark_lost(Sent& record);
    void mark_all_lost();
    // It goes out again.
    void mark_retransmitted(Sent& record, Instant now);
    Sent* first_lost() const { return first_lost_; }
    std::uint64_t lost_bytes() const { return lost_bytes_; }

    // What an acknowledgment up to `ack` took away.
    struct Acked {
        bool any_retransmitted = false;   // Karn: no sample from this acknowledgment's records
        Instant sent_at{};                // of the latest record acknowledged that was sent once
        bool has_sample = false;
        bool first_was_retransmitted = false;
    };
    Acked acknowledge(Seq ack);

    void clear();

private:
    void forget(Sent& record);

    SentPool& pool_;
    Sent* first_ = nullptr;
    Sent* last_ = nullptr;
    Sent* first_lost_ = nullptr;
    std::uint64_t lost_bytes_ = 0;
};

}  // namespace estab::tcp
