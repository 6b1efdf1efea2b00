// The search for the path's MTU by the segments themselves (RFC 4821): downwards when large ones
// seem to vanish and no router says why, upwards again with segments of new text.
#include "tcp/plpmtud.hpp"

#include <algorithm>

#include "tcp/connection.hpp"
#include "tcp/extras.hpp"

namespace estab::tcp {

using wire::Flags;

namespace {

void note_step(event::Step step, std::uint64_t mtu, auto&& note) {
    note(event::Kind::mtu_probe, mtu, static_cast<std::uint64_t>(step));
}

}  // namespace

// R1 time-outs in a row (RFC 4821 7.7). Where the search has begun and segments of its size have
// arrived it is more likely an outage, or a path that loses much: twice as many.
bool Connection::seems_black_hole() const {
    const bool searching = extras_ != nullptr && extras_->mtu.on;
    const bool has_arrived = active_ != nullptr && active_->arrived_mss >= send_mss();
    return retries_ >= (searching && has_arrived ? 2 : 1) * unsigned{config_->retries1};
}

// Called when the path seems to be one, and, where every connection searches, when one is
// established: MSS `mtu_probe_base` at most, then half of what it was.
void Connection::search_black_hole(Environment& env, Instant now) {
    const bool v4 = tuple_.remote.address.is_v4();
    const std::uint32_t headers = (v4 ? 40u : 60u) + (timestamps_ ? 12u : 0u);
    const std::uint32_t least = v4 ? config_->mtu_probe_floor : 1280 - headers;
    const std::uint32_t mss = send_mss();
    const bool searching = extras_ != nullptr && extras_->mtu.on;
    std::uint32_t wanted = std::min<std::uint32_t>(config_->mtu_probe_base, mss);
    if (searching) wanted = std::min(wanted, mss / 2);
    wanted = std::max(wanted, least);
    if (wanted >= mss || !have_extras(env)) return;
    MtuSearch& m = extras_->mtu;
    if (!m.on) m.high = static_cast<std::uint16_t>(max_payload() + (v4 ? 40 : 60));
    m.on = true;
    m.probe = 0;
    m.losses = 0;
    m.low = static_cast<std::uint16_t>(wanted + headers);
    m.again_at = after(now, config_->mtu_probe_interval);
    if (retries_ != 0) ++env.counters.TcpExt_TCPMTUPFail;
    if (active_ != nullptr) active_->arrived_mss = 0;
    set_path_mtu(env, now, m.low, retries_ != 0 ? event::Cause::black_hole : event::Cause::probe);
}

// A segment that is larger than any that is known to get through, in the middle between that and
// the smallest that is known not to. Its loss must be seen soon and must cost nothing: there has to
// be text behind it, and room for all of that in both windows (RFC 4821 7.4).
bool Connection::plan_mtu_probe(Environment& env, Instant now, const Room& room, Segment& out) {
    Active& a = *active_;
    MtuSearch& m = extras_->mtu;
    constexpr std::uint32_t followers = 4;
    if (m.probe != 0 || a.recovery != Recovery::open || fin_sent_ || persisting_ ||
        a.sent.sacked_bytes() + a.sent.lost_bytes() != 0)
        return false;
    const std::uint32_t fixed = tuple_.remote.address.is_v4() ? 40 : 60;
    if (m.high <= m.low + config_->mtu_probe_threshold) {
        if (now < m.again_at) return false;
        m.high = static_cast<std::uint16_t>(
            std::min<std::uint32_t>(interface_mtu_, std::uint32_t{peer_mss_} + fixed));
        m.again_at = after(now, config_->mtu_probe_interval);
        if (m.high <= m.low + config_->mtu_probe_threshold) return false;
    }
    const std::uint32_t mtu = (std::uint32_t{m.low} + m.high + 1) / 2;
    start_segment(now, tcb_.snd.nxt, Flags::ack, out);
    const std::uint32_t options = room.segment_max - payload_max(out, room);  // the header's, too
    const std::uint32_t octets = mtu - (fixed - 20) - options;
    const std::uint64_t with_followers = octets + std::uint64_t{followers} * send_mss();
    const std::uint64_t flight = in_flight();
    if (octets > payload_max(out, room) || octets <= send_mss() ||
        distance(tcb_.snd.nxt, a.send.end()) < with_followers || sendable() < with_followers ||
        cwnd() < with_followers || tcb_.snd.up > tcb_.snd.nxt)
        return false;
    if (flight + octets > cwnd()) {
        out.segments = 0;  // new text waits until the flight has left room for it
        return false;
    }
    const Seq from = tcb_.snd.nxt;
    if (!a.sent.append(from, from + octets, static_cast<std::uint16_t>(octets), now)) return false;
    tcb_.snd.nxt += octets;
    a.sent.last()->rate = a.rate.on_sent(now, delivered_, flight + octets, flight == 0);
    m.probe = static_cast<std::uint16_t>(mtu);
    m.begin = from;
    m.end = from + octets;
    note_step(event::Step::sent, mtu,
              [&](auto... values) { note(env, now, values...); });
    send_data(env, now, from, octets, octets, out);
    if (sack_) arm_early(now);
    return true;
}

// The probe has been acknowledged, or (`acked` is Seq()) it is the one thing that is missing: what
// does not fit says nothing about congestion. One may be lost as any other segment; three mean that
// the size is too large (RFC 8899 5.1.2, MAX_PROBES).
void Connection::settle_mtu_probe(Environment& env, Instant now, Seq acked) {
    MtuSearch& m = extras_->mtu;
    const auto tell = [&](auto... values) { note(env, now, values...); };
    if (acked == Seq()) {
        ++env.counters.TcpExt_TCPMTUPFail;
        note_step(event::Step::lost, m.probe, tell);
        constexpr std::uint8_t most = 3;
        if (++m.losses == most) {
            m.high = static_cast<std::uint16_t>(m.probe - 1);
            m.losses = 0;
        }
        m.probe = 0;
        if (active_ != nullptr) active_->retransmit_now = true;
        return;
    }
    if (acked < m.end) return;
    ++env.counters.TcpExt_TCPMTUPSuccess;
    note_step(event::Step::accepted, m.probe, tell);
    m.low = m.probe;
    m.probe = 0;
    m.losses = 0;
    m.again_at = after(now, config_->mtu_probe_interval);
    set_path_mtu(env, now, m.low, event::Cause::probe);
}

}  // namespace estab::tcp
