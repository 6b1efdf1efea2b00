// CoDel (RFC 8289): a queue is bad when packets have waited longer than `target` for as long as
// `interval`; then packets are dropped at its head, at distances that shrink with the square root.
#pragma once

#include <cstdint>
#include <optional>

#include "base/math.hpp"
#include "base/time.hpp"

namespace estab::link {

constexpr std::uint64_t square_root(u128 v) {  // the largest r with r * r <= v < 2^126
    std::uint64_t root = 0;
    for (int bit = 62; bit >= 0; --bit) {
        const std::uint64_t next = root | (std::uint64_t{1} << bit);
        if (static_cast<u128>(next) * next <= v) root = next;
    }
    return root;
}

class CoDel {
public:
    struct Settings {
        Duration target = 5ms, interval = 100ms;  // RFC 8289 4.2, 4.3
        std::uint32_t mtu = 1500;
    };
    struct Head {                   // a packet that has just been taken from the queue
        Duration waited{};
        std::uint64_t bytes_left = 0;  // that still wait
    };

    explicit CoDel(const Settings& settings) : settings_(settings) {}

    // Takes packets until one may go. `source.pull()` takes the next and tells its Head, or nothing
    // when there is none; `source.mark()` marks the last one taken, if it can be; `source.drop()`
    // throws it away. RFC 8289 5.5; a mark counts as a drop after which the packet goes on.
    template <class Source>
    bool dequeue(Instant now, Source& source) {
        Taken taken = take(now, source);
        if (is_dropping_) {
            if (!taken.ok_to_drop) is_dropping_ = false;
            while (is_dropping_ && now >= drop_next_) {
                ++count_;
                if (source.mark()) {
                    drop_next_ = control_law(drop_next_);
                    break;
                }
                source.drop();
                taken = take(now, source);
                if (taken.ok_to_drop) {
                    drop_next_ = control_law(drop_next_);
                } else {
                    is_dropping_ = false;
                }
            }
        } else if (taken.ok_to_drop) {
            if (!source.mark()) {
                source.drop();
                taken = take(now, source);
            }
            start_dropping(now);
        }
        return taken.any;
    }

    bool is_dropping() const { return is_dropping_; }
    std::uint32_t count() const { return count_; }
    Instant drop_next() const { return drop_next_; }
    Instant control_law(Instant from) const {
        const auto interval = static_cast<u128>(to_ns(settings_.interval));
        return after(from, Duration(static_cast<std::int64_t>(
                               square_root(interval * interval / count_))));
    }

private:
    struct Taken {
        bool any = false, ok_to_drop = false;
    };
    template <class Source>
    Taken take(Instant now, Source& source) {
        const std::optional<Head> head = source.pull();
        if (!head) {
            first_above_ = Instant{};
            return {};
        }
        return {.any = true, .ok_to_drop = is_bad(now, *head)};
    }
    bool is_bad(Instant now, const Head& head) {
        if (head.waited < settings_.target || head.bytes_left <= settings_.mtu) {
            first_above_ = Instant{};
            return false;
        }
        if (first_above_ == Instant{}) {
            first_above_ = after(now, settings_.interval);
            return false;
        }
        return now >= first_above_;
    }
    // Where it stopped only a short while ago, it goes on near the rate that worked then.
    void start_dropping(Instant now) {
        is_dropping_ = true;
        const std::uint32_t delta = count_ - last_count_;
        count_ = delta > 1 && now - drop_next_ < 16 * settings_.interval ? delta : 1;
        drop_next_ = control_law(now);
        last_count_ = count_;
    }

    Settings settings_;
    Instant first_above_{};  // 0: not above the target
    Instant drop_next_{};
    std::uint32_t count_ = 0, last_count_ = 0;
    bool is_dropping_ = false;
};

}  // namespace estab::link
