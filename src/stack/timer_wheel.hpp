// One deadline each for a great many records: a hierarchical timing wheel of four levels with 256
// slots, ticking in microseconds. It is lazy: a deadline that moves later is left where it is, and
// its owner, asked too early, arms again; so arming, which happens with every segment, is mostly a
// comparison.
//
// Records are named by a 32-bit ref and carry their TimerLinks, which `Links` finds: links(ref)
// must be TimerLinks&. A ref must be disarmed before its record goes.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <limits>
#include <utility>

#include "base/check.hpp"
#include "base/time.hpp"

namespace estab::stack {

struct TimerLinks {
    static constexpr std::uint32_t none = 0xffffffff;
    std::uint32_t next = none;
    std::uint32_t prev = none;   // of the first in a list: the last; none: not armed
    std::uint32_t armed = none;  // the low bits of the tick
    bool is_armed() const { return prev != none; }
};

template <class Links>
class TimerWheel {
public:
    // Time begins at `now`. After that the wheel knows of time only what advance() says, so call
    // that at the start of every turn.
    explicit TimerWheel(Instant now, Links links = {})
        : links_(std::move(links)), tick_(floor(now)) {
        for (auto& level : heads_) level.fill(none);
    }
    TimerWheel(const TimerWheel&) = delete;
    TimerWheel& operator=(const TimerWheel&) = delete;

    // Sees to it that `ref` fires at `deadline` or before. Nothing to do when it is armed for that
    // or earlier already, or when the deadline is `never`. A deadline is rounded up to a tick; one
    // more than 2^31 ticks (35 minutes) away fires then, to be looked at again.
    void arm(std::uint32_t ref, Instant deadline) { arm(ref, links_(ref), deadline); }
    // `links` are those of `ref`, where they are at hand.
    void arm(std::uint32_t ref, TimerLinks& links, Instant deadline) {
        if (deadline == never) return;
        const std::int64_t tick = ceiling(deadline);
        if (links.is_armed()) {
            const std::int32_t distance = from_now(links.armed);
            if (distance <= 0 || tick >= tick_ + distance) return;
            remove(ref, links);
        } else {
            ++count_;
        }
        if (tick <= tick_) {
            links.armed = low(tick_ - 1);
            append(due_, ref, links);
        } else {
            links.armed = low(std::min<std::int64_t>(tick, tick_ + horizon));
            file(ref, links);
        }
    }

    void disarm(std::uint32_t ref) { disarm(ref, links_(ref)); }
    void disarm(std::uint32_t ref, TimerLinks& links) {
        if (!links.is_armed()) return;
        remove(ref, links);
        --count_;
    }

    // When to call advance() next. Nothing fires before; it may be that nothing fires then either,
    // when entries only come closer. O(1).
    Instant deadline() const {
        if (due_ != none) return instant(tick_);
        const Step step = next_step();
        return step.level == levels ? never : instant(step.tick);
    }

    // Calls fire(ref), which is then no longer armed, for each entry whose tick has come, by tick,
    // and for one tick in the order of arming. fire() may arm and disarm anything; what it arms for
    // `now` or earlier fires in the next call, and deadline() says so.
    template <class Fire>
    void advance(Instant now, Fire&& fire) {
        CHECK(firing_ == none);  // not from within fire()
        turn_to(floor(now));
        while (firing_ != none) {
            const std::uint32_t ref = firing_;
            unlink(firing_, ref, links_(ref));
            --count_;
            fire(ref);
        }
    }

    std::uint32_t armed() const { return count_; }  // how many

    // How long until an entry fires, by its links; negative when it is not armed.
    Duration time_left(Instant now, const TimerLinks& links) const {
        if (!links.is_armed()) return Duration(-1);
        return std::max<Duration>(instant(tick_ + from_now(links.armed)) - now, Duration(0));
    }

private:
    static constexpr std::uint32_t none = TimerLinks::none;
    static constexpr int levels = 4;
    static constexpr std::int64_t horizon = (std::int64_t{1} << 31) - 1;
    static constexpr std::int64_t tick_ns = 1'000;

    // The slot that must be emptied next, and at which tick; level == levels: there is none.
    struct Step {
        std::int64_t tick = std::numeric_limits<std::int64_t>::max();
        int level = levels;
        std::uint32_t slot = 0;
    };

    static std::int64_t floor(Instant at) {
        const std::int64_t ns = to_ns(at.time_since_epoch());
        return ns / tick_ns - (ns % tick_ns < 0 ? 1 : 0);
    }
    static std::int64_t ceiling(Instant at) {
        const std::int64_t ns = to_ns(at.time_since_epoch());
        return ns / tick_ns + (ns % tick_ns > 0 ? 1 : 0);
    }
    static Instant instant(std::int64_t tick) { return Instant(Duration(tick * tick_ns)); }
    static std::uint32_t low(std::int64_t tick) { return static_cast<std::uint32_t>(tick); }

    // Where an entry is follows from its tick and from now: above zero it is in the wheel, on the
    // level of the highest octet in which the two ticks differ; zero is the list that fires now,
    // below zero the list that is due in the next advance().
    std::int32_t from_now(std::uint32_t armed) const {
        return static_cast<std::int32_t>(armed - low(tick_));
    }
    int level_of(std::uint32_t armed) const {
        return (std::bit_width(armed ^ low(tick_)) - 1) / 8;
    }
    static std::uint32_t slot_of(std::uint32_t tick, int level) {
        return tick >> (8 * level) & 255;
    }

    void file(std::uint32_t ref, TimerLinks& links) {
        const std::uint32_t armed = links.armed;
        const int level = level_of(armed);
        const std::uint32_t slot = slot_of(armed, level);
        append(head(level, slot), ref, links);
        word(level, slot) |= bit(slot);
        const std::int64_t span = std::int64_t{1} << (8 * level);
        next_ = std::min(next_, (tick_ + from_now(armed)) & ~(span - 1));
    }

    void remove(std::uint32_t ref, TimerLinks& links) {
        const std::uint32_t armed = links.armed;
        const std::int32_t distance = from_now(armed);
        if (distance <= 0) {
            unlink(distance == 0 ? firing_ : due_, ref, links);
            return;
        }
        const int level = level_of(armed);
        const std::uint32_t slot = slot_of(armed, level);
        unlink(head(level, slot), ref, links);
        if (head(level, slot) == none) word(level, slot) &= ~bit(slot);
    }

    // Moves time on to `target` and what has come due by then to firing_, in order.
    void turn_to(std::int64_t target) {
        CHECK(target >= tick_);
        move_to_firing(due_, target);
        while (next_ <= target) {
            const Step step = next_step();
            next_ = step.tick;
            if (next_ > target) break;
            tick_ = step.tick;
            std::uint32_t from = std::exchange(head(step.level, step.slot), none);
            word(step.level, step.slot) &= ~bit(step.slot);
            if (step.level == 0) {
                move_to_firing(from, target);
                continue;
            }
            while (from != none) {
                const std::uint32_t ref = from;
                TimerLinks& links = links_(ref);
                unlink(from, ref, links);
                if (links.armed == low(tick_)) {
                    links.armed = low(target);
                    append(firing_, ref, links);
                } else {
                    file(ref, links);
                }
            }
        }
        tick_ = target;
    }

    void move_to_firing(std::uint32_t& list, std::int64_t target) {
        while (list != none) {
            const std::uint32_t ref = list;
            TimerLinks& links = links_(ref);
            unlink(list, ref, links);
            links.armed = low(target);
            append(firing_, ref, links);
        }
    }

    // All that is on a level comes before all that is on the next one. Only the topmost wraps:
    // there, at most half of the slots are ahead.
    Step next_step() const {
        for (int level = 0; level != levels; ++level) {
            const std::uint32_t here = slot_of(low(tick_), level);
            std::uint32_t slot = occupied_from(level, here + 1);
            if (slot == 256 && level == levels - 1) slot = occupied_from(level, 0);
            if (slot == 256) continue;
            const std::int64_t span = std::int64_t{1} << (8 * level);
            return {(tick_ & ~(span - 1)) + ((slot - here) & 255) * span, level, slot};
        }
        return {};
    }
    std::uint32_t occupied_from(int level, std::uint32_t slot) const {
        for (; slot < 256; slot = (slot | 63) + 1) {
            const std::uint64_t rest = word(level, slot) >> (slot & 63);
            if (rest != 0) return slot + static_cast<std::uint32_t>(std::countr_zero(rest));
        }
        return 256;
    }

    std::uint32_t& head(int level, std::uint32_t slot) {
        return heads_[static_cast<std::size_t>(level)][slot];
    }
    std::uint64_t& word(int level, std::uint32_t slot) {
        return occupied_[static_cast<std::size_t>(level)][slot / 64];
    }
    const std::uint64_t& word(int level, std::uint32_t slot) const {
        return occupied_[static_cast<std::size_t>(level)][slot / 64];
    }
    static std::uint64_t bit(std::uint32_t slot) { return std::uint64_t{1} << (slot & 63); }

    // `links` are those of `ref`, looked up once.
    void append(std::uint32_t& list, std::uint32_t ref, TimerLinks& links) {
        links.next = none;
        if (list == none) {
            list = links.prev = ref;
            return;
        }
        TimerLinks& first = links_(list);
        links.prev = first.prev;
        links_(first.prev).next = ref;
        first.prev = ref;
    }
    void unlink(std::uint32_t& list, std::uint32_t ref, TimerLinks& links) {
        if (list == ref) {
            list = links.next;
        } else {
            links_(links.prev).next = links.next;
        }
        if (list != none) links_(links.next != none ? links.next : list).prev = links.prev;
        links.next = links.prev = none;
    }

    [[no_unique_address]] Links links_;
    std::int64_t tick_;
    // No step is earlier; it may be that there is none even then.
    std::int64_t next_ = std::numeric_limits<std::int64_t>::max();
    std::uint32_t due_ = none;     // armed for a tick that had come already
    std::uint32_t firing_ = none;  // only within advance()
    std::uint32_t count_ = 0;
    std::array<std::array<std::uint64_t, 4>, levels> occupied_{};
    std::array<std::array<std::uint32_t, 256>, levels> heads_;
};

}  // namespace estab::stack
