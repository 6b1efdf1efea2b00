#include "sim/datagrams.hpp"

#include <algorithm>
#include <vector>

#include "base/check.hpp"
#include "base/math.hpp"
#include "sim/talk.hpp"
#include "udp/sockets.hpp"

namespace estab::sim {
namespace {

constexpr std::uint16_t port = 9;  // discard

}  // namespace

Datagrams::Datagrams(Host& from, Host& to, const Plan& plan, std::uint64_t seed)
    : Actor(from.world()),
      from_(from),
      source_{from.v4(), port},
      target_{to.v4(), port},
      plan_(plan),
      rng_(seed),
      begin_(after(from.world().now(), plan.begin)),
      end_(plan.length == Duration::max() ? never : after(begin_, plan.length)),
      next_(begin_) {
    CHECK(plan.rate_bits != 0 && plan.payload <= payload_max);
    const std::uint64_t bits = 8 * udp::Sockets::packet_bytes(target_.address, plan.payload);
    gap_ = std::max<Duration>(Duration{static_cast<std::int64_t>(
                                  mul_div(bits, 1'000'000'000, plan.rate_bits))},
                              1ns);
    to.stack().on_packet(wire::protocol_udp, &Datagrams::on_arrival, this);
    reschedule();
}

void Datagrams::act(Instant now) {
    const std::vector<std::uint8_t> payload(plan_.payload);
    stack::Stack& stack = from_.stack();
    const MutableBytes room =
        stack.reserve_packet(udp::Sockets::packet_bytes(target_.address, payload.size()));
    if (!room.empty()) {  // else the host's own queue is full: it was for nothing
        stack.commit_packet(udp::Sockets::write_packet(room, source_, target_, payload));
        ++counters_.sent;
    }
    plan_next(now);
    reschedule();
    from_.pump(now);
}

void Datagrams::plan_next(Instant now) {
    next_ = after(now, plan_.is_random ? exponential(rng_, gap_) : gap_);
    const Duration round = plan_.on + plan_.off;
    if (plan_.off > Duration{} && plan_.on > Duration{}) {
        const Duration in_round = (next_ - begin_) % round;
        if (in_round >= plan_.on) next_ = after(next_, round - in_round);
    }
    if (next_ >= end_) next_ = never;
}

bool Datagrams::on_arrival(void* self, Instant, const wire::IpPacket& packet,
                           const device::Offload&) {
    auto& mine = *static_cast<Datagrams*>(self);
    ++mine.counters_.arrived;
    mine.counters_.octets += packet.payload.size() - wire::udp_header_bytes;
    return true;
}

}  // namespace estab::sim
