// Loss recovery without SACK (RFC 5681 3.2, RFC 6582, RFC 3042): duplicate ACKs are all there is.
#include <algorithm>

#include "tcp/connection.hpp"
#include "tcp/plant.hpp"

namespace estab::tcp {

using wire::Flags;

// RFC 5681 2: outstanding data, no text, no SYN or FIN, the same ACK and the same window.
bool Connection::is_duplicate_ack(const Segment& seg) const {
    return active_ != nullptr && !active_->sent.empty() && !persisting_ && seg.payload.empty() &&
           !seg.has(Flags::syn | Flags::fin) && tcb_.snd.una == seg.ack &&
           (seg.wnd == tcb_.snd.wnd || seg.options.sack_count != 0);
}

// New data was acknowledged.
void Connection::recover_without_sack(Environment& env, Instant now, std::uint64_t newly) {
    Active& a = *active_;
    const Seq una = tcb_.snd.una;
    switch (a.recovery) {
    case Recovery::open:
        a.duplicate_acks = 0;
        a.left_network = 0;
        return;
    case Recovery::timeout:
        a.left_network = 0;
        a.duplicate_acks = 0;
        if (una >= a.recover) end_recovery(env, now);
        return;
    case Recovery::fast:
        if (una >= a.recover) return end_recovery(env, now);
        // RFC 6582 3.2 step 5, partial: the next hole. What was newly acknowledged had left the
        // network, one segment of it by the retransmission itself.
        a.left_network -= std::min(a.left_network, newly > send_mss() ? newly - send_mss() : 0);
        if (!a.sent.empty() && !a.sent.first()->lost) lose_first_segment(now);
        return;
    }
}

void Connection::on_duplicate_ack(Environment& env, Instant now) {
    Active& a = *active_;
    if (++a.duplicate_acks < config_->dupack_threshold && !config_->limited_transmit) return;
    // One more segment has left the network: RFC 3042 before the threshold, RFC 5681 3.2 (4) after
    // it.
    const std::uint64_t outstanding = distance(tcb_.snd.una, tcb_.snd.nxt);
    if (a.recovery != Recovery::timeout) {
        a.left_network = std::min<std::uint64_t>(
            a.left_network + send_mss(), outstanding > send_mss() ? outstanding - send_mss() : 0);
    }
    const std::uint32_t enough = planted(Bug::duplicates_two) ? 2 : config_->dupack_threshold;
    if (a.recovery == Recovery::open && a.duplicate_acks >= enough &&
        tcb_.snd.una >= a.recover) {
        enter_recovery(env, now, 0);
        lose_first_segment(now);
    }
}

void Connection::lose_first_segment(Instant now) {
    Active& a = *active_;
    Sent& hole = *a.sent.first();
    const Seq end = hole.begin + send_mss();
    if (end < hole.end) a.sent.split(hole, end);
    const std::uint64_t before = a.sent.lost_bytes();
    a.sent.mark_lost(hole);
    on_losses(now, before);
    a.retransmit_now = true;
}

}  // namespace estab::tcp
