#include "link/pie.hpp"

namespace estab::link {
namespace {

constexpr std::uint64_t second = 1'000'000'000;

// Small chances are moved in small steps (RFC 8033 4.2).
std::int64_t caution(Chance chance) {
    struct Step {
        Chance below;
        std::int64_t divisor;
    };
    constexpr Step steps[] = {{certain / 1'000'000, 2048}, {certain / 100'000, 512},
                              {certain / 10'000, 128},     {certain / 1'000, 32},
                              {certain / 100, 8},          {certain / 10, 2}};
    for (const Step& step : steps) {
        if (chance < step.below) return step.divisor;
    }
    return 1;
}

}  // namespace

void Pie::advance(Instant now, const Packets& packets, const PacketList& queue) {
    if (next_ == Instant{}) next_ = after(now, settings_.update);
    while (next_ <= now) {
        const bool is_at_rest = queue.count == 0 && chance_ == 0 && delay_before_ == Duration{} &&
                                burst_ == settings_.burst_max;
        if (is_at_rest) {
            next_ = after(now, settings_.update);
            return;
        }
        update(packets.age(queue, next_));
        next_ = after(next_, settings_.update);
    }
}

void Pie::update(Duration delay) {
    Chance change = gain(delay - settings_.target, 1, 8 * second) +
                    gain(delay - delay_before_, 5, 4 * second);
    change /= caution(chance_);
    if (chance_ >= certain / 10) change = std::min(change, certain / 50);
    chance_ = std::clamp<Chance>(chance_ + change, 0, certain);
    if (delay == Duration{} && delay_before_ == Duration{}) chance_ -= chance_ / 64;
    if (chance_ < 64) chance_ = 0;
    burst_ = std::max(burst_ - settings_.update, Duration{});
    const Duration half = settings_.target / 2;
    if (chance_ == 0 && delay < half && delay_before_ < half) burst_ = settings_.burst_max;
    delay_before_ = delay;
}

// RFC 8033 4.1, 5.4: neither a burst nor a short queue is punished, and drops are spread out.
Verdict Pie::on_enqueue(std::uint64_t queued_bytes, bool can_mark, Rng& rng) {
    if (burst_ > Duration{}) return Verdict::pass;
    if (delay_before_ < settings_.target / 2 && chance_ < certain / 5) return Verdict::pass;
    if (queued_bytes <= 2 * settings_.mtu) return Verdict::pass;
    gathered_ = chance_ == 0 ? 0 : gathered_ + chance_;
    if (gathered_ < certain / 100 * 85) return Verdict::pass;
    const bool is_due = gathered_ >= certain / 10 * 85;
    if (!is_due && static_cast<Chance>(rng.below(certain)) >= chance_) return Verdict::pass;
    gathered_ = 0;
    // Marks are for when little is wrong (RFC 8033 5.1).
    return can_mark && chance_ <= certain / 10 ? Verdict::mark : Verdict::drop;
}

}  // namespace estab::link
