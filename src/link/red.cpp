#include "link/red.hpp"

namespace estab::link {

void Red::update(Instant now, std::uint64_t queued_bytes) {
    if (queued_bytes == 0 && idle_since_ != never && now > idle_since_) {
        // As if so many packets had found the queue empty.
        std::int64_t missed =
            std::min<std::int64_t>((now - idle_since_) / settings_.packet_time, 65'536);
        for (; missed > 0 && average_ != 0; --missed) {
            average_ -= std::max<std::uint64_t>(average_ >> settings_.weight_bits, 1);
        }
    }
    idle_since_ = never;
    average_ = average_ - (average_ >> settings_.weight_bits) + queued_bytes;
}

Chance Red::chance() const {
    const std::uint64_t now = average();
    if (now < settings_.low_bytes) return 0;
    const auto share = [now](std::uint64_t from, std::uint64_t width, Chance of) {
        return static_cast<Chance>(mul_div(now - from, static_cast<std::uint64_t>(of), width));
    };
    if (now < settings_.high_bytes) {
        return share(settings_.low_bytes, settings_.high_bytes - settings_.low_bytes,
                     settings_.most);
    }
    if (now >= 2 * settings_.high_bytes) return certain;
    return settings_.most +
           share(settings_.high_bytes, settings_.high_bytes, certain - settings_.most);
}

Verdict Red::on_enqueue(Instant now, std::uint64_t queued_bytes, bool can_mark, Rng& rng) {
    update(now, queued_bytes);
    const Chance chance = this->chance();
    if (chance == 0) {
        since_ = 0;
        return Verdict::pass;
    }
    // chance / (1 - since * chance) makes the distance between two hits uniform.
    const Chance left = certain - std::min<Chance>(certain, static_cast<Chance>(since_) * chance);
    ++since_;
    const Chance drawn = static_cast<Chance>(rng.below(static_cast<std::uint64_t>(certain)));
    if (chance < certain && left > 0 && times(drawn, left) >= chance) return Verdict::pass;
    since_ = 0;
    return can_mark && chance < certain ? Verdict::mark : Verdict::drop;
}

}  // namespace estab::link
