#include "link/queue.hpp"

#include <algorithm>

namespace estab::link {
namespace {

template <class Settings>
void take(Duration Settings::* field, Settings& settings, Duration value) {
    if (value > Duration{}) settings.*field = value;
}

}  // namespace

PacketQueue::PacketQueue(const Settings& settings)
    : settings_(settings), rng_(settings.seed), discipline_(make(settings)) {}

PacketQueue::Discipline PacketQueue::make(const Settings& s) {
    const Queue& queue = s.queue;
    CoDel::Settings codel{.mtu = s.mtu};
    take(&CoDel::Settings::target, codel, queue.target);
    take(&CoDel::Settings::interval, codel, queue.interval);
    switch (queue.discipline) {
    case Queue::Discipline::drop_tail: break;
    case Queue::Discipline::codel: return CoDel(codel);
    case Queue::Discipline::fq_codel:
        return FqCoDel({.codel = codel,
                        .quantum = std::max(s.mtu, 1u) + 14,
                        .marks = !queue.drops_only});
    case Queue::Discipline::pie: {
        Pie::Settings pie{.mtu = s.mtu};
        take(&Pie::Settings::target, pie, queue.target);
        take(&Pie::Settings::update, pie, queue.interval);
        return Pie(pie);
    }
    case Queue::Discipline::dualpi2: {
        DualPi2::Settings dual{.mtu = s.mtu};
        take(&DualPi2::Settings::target, dual, queue.target);
        take(&DualPi2::Settings::round_trip_max, dual, queue.interval);
        return DualPi2(dual);
    }
    case Queue::Discipline::red: {
        // Without thresholds: a sixth and a half of the room.
        const std::uint64_t room = s.bytes_max != UINT64_MAX ? s.bytes_max : 1'000'000;
        Red::Settings red{.low_bytes = queue.low_bytes != 0 ? queue.low_bytes : room / 6,
                          .high_bytes = queue.high_bytes != 0 ? queue.high_bytes : room / 2};
        red.high_bytes = std::max(red.high_bytes, red.low_bytes + 1);
        if (queue.most != 0) red.most = chance_of(queue.most, ppm_all);
        if (s.rate_bits != 0) {
            red.packet_time = std::max<Duration>(
                Duration(static_cast<std::int64_t>(
                    mul_div(std::uint64_t{s.mtu} * 8, 1'000'000'000, s.rate_bits))),
                1ns);
        }
        return Red(red);
    }
    }
    return DropTail{};
}

void PacketQueue::push(Instant now, Packets& packets, PacketIndex packet, PacketList& dropped) {
    Packet& p = packets[packet];
    p.at = now;
    if (FqCoDel* fair = std::get_if<FqCoDel>(&discipline_)) {
        fair->push(packets, packet);
        while (fair->count() > settings_.packets_max || fair->bytes() > settings_.bytes_max) {
            fair->drop_from_longest(packets, dropped);
        }
        return;
    }
    Verdict verdict = Verdict::pass;
    if (Red* red = std::get_if<Red>(&discipline_)) {
        verdict = red->on_enqueue(now, list_.bytes, can_mark(p), rng_);
    } else if (Pie* pie = std::get_if<Pie>(&discipline_)) {
        pie->advance(now, packets, list_);
        verdict = pie->on_enqueue(list_.bytes, can_mark(p), rng_);
    }
    if (verdict == Verdict::drop || !has_room(p.size)) return packets.append(dropped, packet);
    if (verdict == Verdict::mark) p.marked = true;
    if (DualPi2* dual = std::get_if<DualPi2>(&discipline_)) return dual->push(now, packets, packet);
    packets.append(list_, packet);
}

struct PacketQueue::CoDelSource {
    Instant now;
    PacketQueue& queue;
    Packets& packets;
    PacketList& dropped;
    PacketIndex taken = no_packet;

    std::optional<CoDel::Head> pull() {
        taken = no_packet;
        if (queue.list_.count == 0) return {};
        taken = packets.take_first(queue.list_);
        return CoDel::Head{.waited = now - packets[taken].at, .bytes_left = queue.list_.bytes};
    }
    bool mark() {
        return queue.can_mark(packets[taken]) && (packets[taken].marked = true);
    }
    void drop() { packets.append(dropped, taken); }
};

PacketIndex PacketQueue::pop(Instant now, Packets& packets, PacketList& dropped) {
    if (FqCoDel* fair = std::get_if<FqCoDel>(&discipline_)) return fair->pop(now, packets, dropped);
    if (DualPi2* dual = std::get_if<DualPi2>(&discipline_)) return dual->pop(now, packets, dropped);
    if (CoDel* codel = std::get_if<CoDel>(&discipline_)) {
        CoDelSource source{now, *this, packets, dropped};
        codel->dequeue(now, source);
        return source.taken;
    }
    if (Pie* pie = std::get_if<Pie>(&discipline_)) pie->advance(now, packets, list_);
    if (list_.count == 0) return no_packet;
    const PacketIndex packet = packets.take_first(list_);
    if (Red* red = std::get_if<Red>(&discipline_); red != nullptr && list_.count == 0) {
        red->on_empty(now);
    }
    return packet;
}

bool PacketQueue::has_room(std::size_t size) const {
    const std::uint64_t used = std::min(bytes(), settings_.bytes_max);
    return count() < settings_.packets_max && settings_.bytes_max - used >= size;
}

std::size_t PacketQueue::count() const {
    if (const FqCoDel* fair = std::get_if<FqCoDel>(&discipline_)) return fair->count();
    if (const DualPi2* dual = std::get_if<DualPi2>(&discipline_)) return dual->count();
    return list_.count;
}

std::uint64_t PacketQueue::bytes() const {
    if (const FqCoDel* fair = std::get_if<FqCoDel>(&discipline_)) return fair->bytes();
    if (const DualPi2* dual = std::get_if<DualPi2>(&discipline_)) return dual->bytes();
    return list_.bytes;
}

}  // namespace estab::link
