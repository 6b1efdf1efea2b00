#include "link/lane.hpp"

#include <algorithm>
#include <cstring>

#include "base/check.hpp"
#include "base/math.hpp"
#include "link/segment.hpp"

namespace estab::link {
namespace {

constexpr std::size_t chunk_packets = 32;  // buffers grow by this many, up to bytes_max

struct Seeds {
    std::uint64_t loss, burst, jitter, reorder, duplicate, corrupt;
    explicit Seeds(std::uint64_t seed) {
        Rng random(seed);
        loss = random.next();
        burst = random.next();
        jitter = random.next();
        reorder = random.next();
        duplicate = random.next();
        corrupt = random.next();
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
      stride_(round_up(settings.frame_max, 64)),
      packets_max_(std::max<std::size_t>(1, settings.bytes_max / stride_)) {
    CHECK(settings.frame_max > 0);
}

void Lane::change(const Direction& direction) {
    direction_ = direction;
    queue_bytes_max_ = resolve_queue_bytes(direction, settings_);
}

void Lane::push(Instant now, Bytes frame) {
    CHECK(frame.size() <= settings_.frame_max);
    now_ = std::max(now_, now);
    advance_queue(now_);
    ++counters_.entered;
    counters_.entered_bytes += frame.size();
    if (is_dropped()) return;
    const bool has_to_wait = sending_ != none;
    if (has_to_wait && !has_queue_room(frame.size())) {
        ++counters_.dropped_by_queue;
        return;
    }
    const Index packet = take_packet();
    if (packet == none) {
        ++counters_.dropped_by_memory;
        return;
    }
    std::memcpy(bytes(packet), frame.data(), frame.size());
    packets_[packet].size = static_cast<std::uint32_t>(frame.size());
    if (has_to_wait) {
        queued_bytes_ += frame.size();
        append(queue_, packet);
    } else {
        start_sending(now_, packet);
    }
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
            arrive(take_first(transit_));
        } else {
            let_go(held, release);
        }
    }
    const Index packet = take_first(ready_);
    append(lent_, packet);
    ++counters_.left;
    counters_.left_bytes += packets_[packet].size;
    return Delivery{.bytes = {bytes(packet), packets_[packet].size}, .at = packets_[packet].at};
}

void Lane::release() {
    while (lent_.count != 0) append(free_, take_first(lent_));
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

bool Lane::has_queue_room(std::size_t size) const {
    switch (direction_.queue.discipline) {
    case Queue::Discipline::drop_tail: break;
    }
    if (direction_.queue.unit == Queue::Unit::packets) return queue_.count < direction_.queue.limit;
    return queue_bytes_max_ - std::min(queue_bytes_max_, queued_bytes_) >= size;
}

void Lane::start_sending(Instant now, Index packet) {
    if (direction_.rate_bits == 0) {
        start_transit(now, packet);
        return;
    }
    const std::uint64_t bits = std::uint64_t{packets_[packet].size} * 8;
    sending_ = packet;
    sent_at_ = after(now, Duration{mul_div(bits, 1'000'000'000, direction_.rate_bits)});
}

void Lane::advance_queue(Instant now) {
    while (sending_ != none && sent_at_ <= now) {
        const Instant at = sent_at_;
        start_transit(at, sending_);
        sending_ = none;
        while (sending_ == none && queue_.count != 0) {  // change() may have taken the rate away
            queued_bytes_ -= packets_[queue_.head].size;
            start_sending(at, take_first(queue_));
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
    append(transit_, packet);
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
    append(ready_, packet);
}

// Only IP packets are changed: ARP has no checksum, and behind Ethernet's own a changed frame would
// not have arrived at all.
void Lane::corrupt(Index packet) {
    std::uint8_t* data = bytes(packet);
    const std::size_t size = packets_[packet].size;
    const std::size_t from = link_header_bytes(settings_.link);
    if (size <= from) return;
    if (settings_.link == device::LinkType::ethernet) {
        const std::uint16_t type = load_be16(data + 12);
        if (type != 0x0800 && type != 0x86dd) return;
    }
    const std::uint64_t bit = corrupt_random_.below((size - from) * 8);
    data[from + bit / 8] = static_cast<std::uint8_t>(data[from + bit / 8] ^ (1u << (bit % 8)));
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
    if (free_.count != 0) return take_first(free_);
    if (packets_.size() >= packets_max_) return none;
    if (packets_.size() % chunk_packets == 0) {
        chunks_.push_back(std::make_unique_for_overwrite<std::uint8_t[]>(chunk_packets * stride_));
    }
    packets_.emplace_back();
    return static_cast<Index>(packets_.size() - 1);
}

std::uint8_t* Lane::bytes(Index packet) {
    return chunks_[packet / chunk_packets].get() + packet % chunk_packets * stride_;
}

void Lane::append(Fifo& fifo, Index packet) {
    packets_[packet].next = none;
    (fifo.tail == none ? fifo.head : packets_[fifo.tail].next) = packet;
    fifo.tail = packet;
    ++fifo.count;
}

Lane::Index Lane::take_first(Fifo& fifo) {
    const Index packet = fifo.head;
    fifo.head = packets_[packet].next;
    if (fifo.head == none) fifo.tail = none;
    --fifo.count;
    return packet;
}

}  // namespace estab::link
