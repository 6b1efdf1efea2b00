#include "link/dualpi2.hpp"

namespace estab::link {

// RFC 9332 A.1: the interval of the controller follows from its target and the longest round trip.
DualPi2::DualPi2(const Settings& settings)
    : settings_(settings),
      update_(std::max<Duration>(std::min(settings.target, settings.round_trip_max / 3), 1us)) {}

void DualPi2::push(Instant now, Packets& packets, PacketIndex packet) {
    advance(now, packets);
    packets.append(is_l4s(packets[packet].ecn) ? l4s_ : classic_, packet);
}

PacketIndex DualPi2::pop(Instant now, Packets& packets, PacketList& dropped) {
    advance(now, packets);
    while (count() != 0) {
        const bool l4s = is_l4s_next();
        const PacketIndex packet = packets.take_first(l4s ? l4s_ : classic_);
        const std::int64_t size = packets[packet].size;
        owed_to_classic_ += l4s ? size : -9 * size;
        if (l4s ? pass_l4s(now, packets, packet) : pass_classic(packets, packet)) return packet;
        packets.append(dropped, packet);
    }
    return no_packet;
}

// Weighted round robin: where both wait, a tenth is the classic ones' (RFC 9332 4.2.2).
bool DualPi2::is_l4s_next() {
    if (l4s_.count == 0 || classic_.count == 0) {
        owed_to_classic_ = 0;
        return l4s_.count != 0;
    }
    return owed_to_classic_ <= 0;
}

bool DualPi2::pass_l4s(Instant now, Packets& packets, PacketIndex packet) {
    if (is_overloaded() && l4s_drop_spread_.hits(classic())) return false;
    // One packet alone is no queue, however slow the link is (RFC 9332 A.1, Th_len).
    const Chance own = l4s_.count != 0 ? native(now - packets[packet].at) : 0;
    const Chance chance = std::max(own, coupled());
    if (l4s_spread_.hits(chance)) packets[packet].marked = true;
    return true;
}

bool DualPi2::pass_classic(Packets& packets, PacketIndex packet) {
    if (!classic_spread_.hits(classic())) return true;
    if (packets[packet].ecn == wire::Ecn::not_ect || is_overloaded()) return false;
    return packets[packet].marked = true;
}

Chance DualPi2::native(Duration waited) const {
    if (waited >= settings_.ramp_end) return certain;
    if (waited <= settings_.ramp_begin) return 0;
    return gain(waited - settings_.ramp_begin, 1,
                static_cast<std::uint64_t>(to_ns(settings_.ramp_end - settings_.ramp_begin)));
}

void DualPi2::advance(Instant now, const Packets& packets) {
    if (next_ == Instant{}) next_ = after(now, update_);
    while (next_ <= now) {
        if (count() == 0 && base_ == 0 && delay_before_ == Duration{}) {
            next_ = after(now, update_);
            return;
        }
        update(std::max(packets.age(l4s_, next_), packets.age(classic_, next_)));
        next_ = after(next_, update_);
    }
}

// alpha = 0.1 * update / round_trip_max^2, beta = 0.3 / round_trip_max, both per second of delay.
void DualPi2::update(Duration delay) {
    const auto round_trip = static_cast<std::uint64_t>(to_ns(settings_.round_trip_max));
    const auto update = static_cast<std::uint64_t>(to_ns(update_));
    const Chance change =
        gain(delay - settings_.target, mul_div(update, 1'000'000, round_trip),
             10'000'000 * round_trip) +
        gain(delay - delay_before_, 3, 10 * round_trip);
    base_ = std::clamp<Chance>(base_ + change, 0, certain);
    delay_before_ = delay;
}

}  // namespace estab::link
