#include "link/lane.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/check.hpp"
#include "base/math.hpp"
#include "base/siphash.hpp"
#include "link/segment.hpp"
#include "wire/checksum.hpp"

namespace estab::link {
namespace {

constexpr std::size_t chunk_packets = 8;  // buffers grow by this many, up to bytes_max

struct Seeds {
    std::uint64_t loss, burst, jitter, reorder, duplicate, corrupt, queue;
    explicit Seeds(std::uint64_t seed) {
        Rng random(seed);
        loss = random.next();
        burst = random.next();
        jitter = random.next();
        reorder = random.next();
        duplicate = random.next();
        corrupt = random.next();
        queue = random.next();
    }
};

// A queue of less than one frame would never let anything wait.
std::uint64_t resolve_queue_bytes(const Direction& direction, const Lane::Settings& settings) {
    const Queue& queue = direction.queue;
    switch (queue.unit) {
    case Queue::Unit::unlimited:
    case Queue::Unit::packets: return UINT64_MAX;
    case Queue::Unit::bytes: return queue.limit;
    case Queue::Unit::bdp_thousandths: break;
    }
    const auto round_trip = static_cast<std::uint64_t>(to_ns(settings.round_trip));
    const std::uint64_t bdp = mul_div(direction.rate_bits, round_trip, 8'000'000'000);
    return std::max<std::uint64_t>(mul_div(bdp, queue.limit, 1'000), settings.frame_max);
}

}  // namespace

Lane::Lane(const Settings& settings)
    : settings_(settings),
      direction_(settings.direction),
      queue_bytes_max_(resolve_queue_bytes(settings.direction, settings)),
      loss_random_(Seeds(settings.seed).loss),
      burst_random_(Seeds(settings.seed).burst),
      jitter_random_(Seeds(settings.seed).jitter),
      reorder_random_(Seeds(settings.seed).reorder),
      duplicate_random_(Seeds(settings.seed).duplicate),
      corrupt_random_(Seeds(settings.seed).corrupt),
      queue_(make_queue()),
      stride_(round_up(settings.frame_max, 64)),
      packets_max_(std::max<std::size_t>(1, settings.bytes_max / stride_)) {
    CHECK(settings.frame_max > 0);
    CHECK(direction_.rate_trace.file.empty() || direction_.rate_bits != 0);  // follow() was called
}

PacketQueue Lane::make_queue() const {
    const Queue& queue = direction_.queue;
    // As much as tc gives a discipline that is told no limit.
    const std::size_t usual = queue.discipline == Queue::Discipline::drop_tail  ? SIZE_MAX
                              : queue.discipline == Queue::Discipline::fq_codel ? 10'240
                                                                                : 10'000;
    const bool counts = queue.unit == Queue::Unit::packets;
    return PacketQueue({.queue = queue,
                        .bytes_max = queue_bytes_max_,
                        .packets_max = counts ? queue.limit
                                       : queue.unit == Queue::Unit::unlimited ? usual
                                                                              : SIZE_MAX,
                        .rate_bits = direction_.rate_bits,
                        .mtu = settings_.frame_max,
                        .seed = Seeds(settings_.seed).queue});
}

// What waits goes into the new queue as if it came now, in its order.
void Lane::change(const Direction& direction) {
    const bool is_other = !(direction.queue == direction_.queue) ||
                          direction.rate_bits != direction_.rate_bits;
    if (direction.rate_trace != direction_.rate_trace) trace_clock_ = {};
    direction_ = direction;
    queue_bytes_max_ = resolve_queue_bytes(direction, settings_);
    if (!is_other) return;
    PacketQueue before = std::exchange(queue_, make_queue());
    for (Index packet = before.pop(now_, packets_, dropped_); packet != none;
         packet = before.pop(now_, packets_, dropped_)) {
        classify(packet);
        const Instant since = packets_[packet].at;
        enqueue(packet);
        packets_[packet].at = since;
    }
    discard_dropped(now_);
}

void Lane::push(Instant now, Bytes frame, Bytes head) {
    CHECK(frame.size() <= settings_.frame_max && head.size() <= frame.size());
    now_ = std::max(now_, now);
    advance_queue(now_);
    ++counters_.entered;
    counters_.entered_bytes += frame.size();
    if (is_dropped() || is_policed(frame.size())) {
        if (watcher_ != nullptr) watcher_->on_drop(now_, frame);
        return;
    }
    const Index packet = take_packet();
    if (packet == none) {
        ++counters_.dropped_by_memory;
        if (watcher_ != nullptr) watcher_->on_drop(now_, frame);
        return;
    }
    std::memcpy(bytes(packet), frame.data(), frame.size());
    if (!head.empty()) std::memcpy(bytes(packet), head.data(), head.size());
    packets_[packet] = {.size = static_cast<std::uint32_t>(frame.size()), .at = now_};
    classify(packet);
    if (sending_ == none) return start_sending(now_, packet);
    enqueue(packet);
    discard_dropped(now_);
}

std::optional<Lane::Delivery> Lane::pop(Instant now) {
    now_ = std::max(now_, now);
    advance_queue(now_);
    while (ready_.count == 0) {
        const Instant arrival = transit_.count != 0 ? packets_[transit_.head].at : never;
        const std::size_t held = first_held();
        const Instant release = held < held_count_ ? packets_[held_[held]].at : never;
        if (std::min(arrival, release) > now_ || std::min(arrival, release) == never) return {};
        if (arrival <= release) {
            arrive(packets_.take_first(transit_));
        } else {
            let_go(held, release);
        }
    }
    const Index packet = packets_.take_first(ready_);
    packets_.append(lent_, packet);
    ++counters_.left;
    counters_.left_bytes += packets_[packet].size;
    return Delivery{.bytes = {bytes(packet), packets_[packet].size}, .at = packets_[packet].at};
}

void Lane::release() {
    while (lent_.count != 0) packets_.prepend(free_, packets_.take_first(lent_));
}

Instant Lane::deadline() const {
    if (ready_.count != 0) return packets_[ready_.head].at;
    const std::size_t held = first_held();
    const Instant release = held < held_count_ ? packets_[held_[held]].at : never;
    // Whatever is still being sent arrives after what is in transit.
    if (transit_.count != 0) return std::min(release, packets_[transit_.head].at);
    return sending_ != none ? std::min(release, sent_at_) : release;
}

// Every stream advances for every packet, whatever the others say.
bool Lane::is_dropped() {
    const bool is_lost = loss_random_.chance(direction_.loss);
    bool is_lost_in_burst = false;
    const BurstLoss& burst = direction_.burst_loss;
    if (burst.enter != 0) {
        if (burst_random_.chance(is_bad_ ? burst.leave : burst.enter)) is_bad_ = !is_bad_;
        is_lost_in_burst = burst_random_.chance(is_bad_ ? burst.loss_bad : burst.loss_good);
    }
    for (const PacketRange& range : direction_.drops) {
        if (range.first <= counters_.entered && counters_.entered <= range.last) {
            ++counters_.dropped_by_script;
            return true;
        }
    }
    if (is_lost || is_lost_in_burst) ++counters_.dropped_by_loss;
    return is_lost || is_lost_in_burst;
}

// A virtual clock in the bucket's place: it runs ahead of ours by what has been used of the burst.
bool Lane::is_policed(std::size_t size) {
    const Policer& policer = direction_.policer;
    if (policer.rate_bits == 0) return false;
    const auto time_of = [&policer](std::uint64_t octets) {
        return Duration(
            static_cast<std::int64_t>(mul_div(octets * 8, 1'000'000'000, policer.rate_bits)));
    };
    const Instant used = after(std::max(conforms_from_, now_), time_of(size));
    if (used - now_ > time_of(std::max<std::uint64_t>(policer.burst_bytes, settings_.frame_max))) {
        ++counters_.dropped_by_policer;
        return true;
    }
    conforms_from_ = used;
    return false;
}

// Only for those who look at it: drop-tail queues do not.
void Lane::classify(Index packet) {
    const bool is_plain = direction_.queue.discipline == Queue::Discipline::drop_tail &&
                          direction_.ce.unit == MarkThreshold::Unit::none;
    if (is_plain) return;
    const Bytes ip = ip_packet(packet);
    if (ip.size() < 20) return;
    const bool is_v4 = ip[0] >> 4 == 4;
    if (!is_v4 && ip.size() < 40) return;
    packets_[packet].ecn = static_cast<wire::Ecn>(is_v4 ? ip[1] & 3 : ip[1] >> 4 & 3);
    if (!queue_.tells_flows_apart()) return;
    std::array<std::uint8_t, 40> key{};
    const Bytes addresses = is_v4 ? ip.subspan(12, 8) : ip.subspan(8, 32);
    std::copy(addresses.begin(), addresses.end(), key.begin());
    key[36] = is_v4 ? ip[9] : ip[6];
    const std::size_t ports = is_v4 ? std::size_t{4} * (ip[0] & 15) : 40;
    const std::uint64_t four = ip.size() >= ports + 4 ? load_be32(&ip[ports]) : 0;
    packets_[packet].flow = static_cast<std::uint32_t>(
        siphash_1_3({.k0 = settings_.seed, .k1 = four}, key) & UINT32_MAX);
}

void Lane::enqueue(Index packet) {
    mark_by_threshold(packets_[packet]);
    queue_.push(now_, packets_, packet, dropped_);
}

// The step of DCTCP's switches (RFC 8257 3.1), where it looks at the length.
void Lane::mark_by_threshold(Packet& packet) {
    const MarkThreshold& ce = direction_.ce;
    const bool is_over = (ce.unit == MarkThreshold::Unit::packets && queue_.count() >= ce.value) ||
                         (ce.unit == MarkThreshold::Unit::bytes && queue_.bytes() >= ce.value);
    if (is_over && packet.ecn != wire::Ecn::not_ect) packet.marked = true;
}

void Lane::discard_dropped(Instant now) {
    while (dropped_.count != 0) {
        const Index packet = packets_.take_first(dropped_);
        ++counters_.dropped_by_queue;
        if (watcher_ != nullptr) watcher_->on_drop(now, {bytes(packet), packets_[packet].size});
        packets_.prepend(free_, packet);
    }
}

Bytes Lane::ip_packet(Index packet) {
    const Bytes frame{bytes(packet), packets_[packet].size};
    const std::size_t from = link_header_bytes(settings_.link);
    if (frame.size() <= from) return {};
    if (settings_.link == device::LinkType::ethernet) {
        const std::uint16_t type = load_be16(&frame[12]);
        if (type != 0x0800 && type != 0x86dd) return {};
    }
    return frame.subspan(from);
}

// RFC 3168 5; IPv4's header has a checksum over it.
void Lane::set_ce(Index packet) {
    const Bytes ip = ip_packet(packet);
    if (ip.size() < 20 || packets_[packet].ecn == wire::Ecn::ce) return;
    ++counters_.marked;
    std::uint8_t* at = bytes(packet) + link_header_bytes(settings_.link);
    if (at[0] >> 4 != 4) {
        at[1] |= 0x30;
        return;
    }
    const std::uint16_t before = load_be16(at);
    at[1] |= 3;
    store_be16(at + 10, wire::updated_checksum(load_be16(at + 10), before, load_be16(at)));
}

void Lane::start_sending(Instant now, Index packet) {
    if (direction_.rate_bits == 0) {
        start_transit(now, packet);
        return;
    }
    Packet& p = packets_[packet];
    const Duration waited = now - p.at;
    const MarkThreshold& ce = direction_.ce;
    if (ce.unit == MarkThreshold::Unit::time && p.ecn != wire::Ecn::not_ect &&
        static_cast<std::uint64_t>(to_ns(waited)) > ce.value) {
        p.marked = true;
    }
    if (watcher_ != nullptr) watcher_->on_transmit(now, waited, p.ecn);
    if (p.marked) set_ce(packet);
    sending_ = packet;
    if (!direction_.rate_trace.at_ms.empty()) {
        sent_at_ = trace_clock_.send(now, p.size, direction_.rate_trace);
        return;
    }
    const std::uint64_t bits = std::uint64_t{p.size} * 8;
    sent_at_ = after(now, Duration{mul_div(bits, 1'000'000'000, direction_.rate_bits)});
}

void Lane::advance_queue(Instant now) {
    while (sending_ != none && sent_at_ <= now) {
        const Instant at = sent_at_;
        start_transit(at, sending_);
        sending_ = none;
        while (sending_ == none) {  // change() may have taken the rate away
            const Index next = queue_.pop(at, packets_, dropped_);
            discard_dropped(at);
            if (next == none) break;
            start_sending(at, next);
        }
    }
}

void Lane::start_transit(Instant now, Index packet) {
    Duration delay = direction_.delay;
    if (direction_.jitter > Duration::zero()) {
        const auto jitter = static_cast<std::uint64_t>(to_ns(direction_.jitter));
        delay += Duration{static_cast<std::int64_t>(jitter_random_.below(2 * jitter + 1))};
        delay = std::max(delay - direction_.jitter, Duration::zero());
    }
    last_due_ = std::max(last_due_, after(now, delay));
    packets_[packet].at = last_due_;
    packets_.append(transit_, packet);
}

void Lane::arrive(Index packet) {
    const Instant at = packets_[packet].at;
    const Reorder& reorder = direction_.reorder;
    if (reorder_random_.chance(reorder.chance) && held_count_ < held_max) {
        ++counters_.reordered;
        packets_[packet].overtakers_left = reorder.packets;
        packets_[packet].at = after(at, reorder.hold_max);
        held_[held_count_++] = packet;
        return;
    }
    deliver(packet, at);
    for (std::size_t i = 0; i < held_count_;) {
        std::uint32_t& left = packets_[held_[i]].overtakers_left;
        if (left != 0 && --left == 0) {
            let_go(i, at);
        } else {
            ++i;
        }
    }
}

void Lane::let_go(std::size_t held, Instant at) {
    const Index packet = held_[held];
    std::copy(held_.begin() + static_cast<std::ptrdiff_t>(held) + 1,
              held_.begin() + static_cast<std::ptrdiff_t>(held_count_),
              held_.begin() + static_cast<std::ptrdiff_t>(held));
    --held_count_;
    deliver(packet, at);
}

void Lane::deliver(Index packet, Instant at) {
    Index copy = none;
    if (duplicate_random_.chance(direction_.duplicate)) {
        copy = take_packet();  // when there is no buffer, there is no copy either
        if (copy != none) {
            ++counters_.duplicated;
            packets_[copy].size = packets_[packet].size;
            std::memcpy(bytes(copy), bytes(packet), packets_[packet].size);
        }
    }
    make_ready(packet, at);
    if (copy != none) make_ready(copy, at);
}

void Lane::make_ready(Index packet, Instant at) {
    if (corrupt_random_.chance(direction_.corrupt)) corrupt(packet);
    packets_[packet].at = at;
    packets_.append(ready_, packet);
}

// Only IP packets are changed: ARP has no checksum, and behind Ethernet's own a changed frame would
// not have arrived at all.
void Lane::corrupt(Index packet) {
    const std::size_t size = ip_packet(packet).size();
    if (size == 0) return;
    std::uint8_t* data = bytes(packet) + packets_[packet].size - size;
    const std::uint64_t bit = corrupt_random_.below(size * 8);
    data[bit / 8] = static_cast<std::uint8_t>(data[bit / 8] ^ (1u << (bit % 8)));
    ++counters_.corrupted;
}

std::size_t Lane::first_held() const {
    std::size_t first = 0;
    for (std::size_t i = 1; i < held_count_; ++i) {
        if (packets_[held_[i]].at < packets_[held_[first]].at) first = i;
    }
    return first;
}

Lane::Index Lane::take_packet() {
    if (free_.count != 0) return packets_.take_first(free_);
    if (packets_.size() >= packets_max_) return none;
    if (packets_.size() % chunk_packets == 0) {
        chunks_.push_back(std::make_unique_for_overwrite<std::uint8_t[]>(chunk_packets * stride_));
    }
    return packets_.add();
}

std::uint8_t* Lane::bytes(Index packet) {
    return chunks_[packet / chunk_packets].get() + packet % chunk_packets * stride_;
}

}  // namespace estab::link
