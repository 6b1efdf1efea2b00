// The rules about single fields: acknowledgments and windows, options, resets, marks.
#include <algorithm>

#include "sim/referee_side.hpp"

namespace estab::sim {
namespace {

using wire::Flags;

std::uint64_t extend(std::uint32_t raw, std::uint64_t near) {
    const auto delta = static_cast<std::int32_t>(raw - static_cast<std::uint32_t>(near));
    return near + static_cast<std::uint64_t>(std::int64_t{delta});
}

std::string relative(std::uint64_t value, std::uint64_t origin) {
    return std::to_string(static_cast<std::int64_t>(value - origin));
}

bool is_before(std::uint32_t a, std::uint32_t b) { return static_cast<std::int32_t>(a - b) < 0; }

}  // namespace

void Side::judge_ack(const Seen& seen, Report& report) {
    if (!peer_open_) {
        if (!partial_)
            blame(report, "RFC 9293 3.10.7.3", "acknowledges a peer that has said nothing");
        return;
    }
    const std::uint64_t ack = extend(seen.tcp.ack().raw, rcv_);
    const bool is_known =
        !(partial_ && !ack_);  // in the middle of a stream anything may have come before
    if (ack > rcv_ && !beyond_lost_ && is_known) {
        blame(report, "RFC 9293 3.4",
              "acknowledges " + relative(ack, irs_) + " but only " + relative(rcv_, irs_) +
                  " has arrived");
    }
    if (ack_ && ack < *ack_) {
        blame(report, "RFC 9293 3.8",
              "takes back its acknowledgment " + relative(*ack_, irs_) + ": now " +
                  relative(ack, irs_));
    }
    const bool is_scaled = is_scaling() && !seen.tcp.flags().has(Flags::syn);
    const std::uint8_t shift = is_scaled ? *shift_ : 0;
    const std::uint64_t edge = ack + (std::uint64_t{seen.tcp.window()} << shift);
    const std::uint64_t slack =
        settings_.window_retreat_by_scale ? (std::uint64_t{1} << shift) - 1 : 0;
    // A SYN-ACK that goes again behind early text (RFC 7413) cannot say more than 65,535.
    const bool is_syn_again = seen.tcp.flags().has(Flags::syn) && beyond_syn_;
    if (edge_ && edge + slack < *edge_ && !is_syn_again) {  // SHLD-14
        blame(report, "RFC 9293 3.8.6",
              "moves the right edge of its window back from " + relative(*edge_, irs_) + " to " +
                  relative(edge, irs_));
    }
    judge_delay(report);
    judge_sack(seen, ack, report);
    ack_ = std::max(ack_.value_or(0), ack);
    // In the middle of a stream the scale is not known.
    if (!partial_) edge_ = std::max(edge_.value_or(0), edge);
}

// MUST-40. One that leaves for another reason will do.
void Side::judge_delay(Report& report) {
    if (owes_ack_since_ && beyond_syn_ && !partial_ && now_ - *owes_ack_since_ >= 500ms) {
        blame(report, "RFC 9293 3.8.6.3",
              "acknowledges what arrived " +
                  std::to_string(to_us(now_ - *owes_ack_since_) / 1000) + " ms ago");
    }
    owes_ack_since_.reset();
}

void Side::judge_sack(const Seen& seen, std::uint64_t ack, Report& report) const {
    const auto blocks = seen.options.sack_blocks();
    if (blocks.empty() || partial_) return;
    if (!sack_offered_ || !peer_sack_offered_) {
        return blame(report, "RFC 2018 2", "sends SACK blocks that were not agreed on");
    }
    for (std::size_t i = 0; i < blocks.size(); ++i) {
        const std::uint64_t begin = extend(blocks[i].begin.raw, ack);
        const std::uint64_t end = extend(blocks[i].end.raw, ack);
        if (begin >= end) {
            blame(report, "RFC 2018 3", "sends an empty SACK block");
            continue;
        }
        if (!has_arrived(begin, end)) {
            blame(report, "RFC 2018 4",
                  "reports " + relative(begin, irs_) + ":" + relative(end, irs_) +
                      ", which has not arrived");
        }
        if (begin > ack) continue;
        const bool is_dsack =
            i == 0 && end <= ack;  // RFC 2883 4: the first block may say what came twice
        if (is_dsack && !has_arrived_twice(begin, end)) {
            blame(report, "RFC 2883 4",
                  "reports " + relative(begin, irs_) + ":" + relative(end, irs_) +
                      " as a duplicate, but it arrived only once");
        }
        if (!is_dsack) {
            blame(report, "RFC 2018 4",
                  "reports " + relative(begin, irs_) + ":" + relative(end, irs_) +
                      ", which is not above its acknowledgment " + relative(ack, irs_));
        }
    }
}

void Side::judge_options(const Seen& seen, Report& report) const {
    const wire::TcpOptions& o = seen.options;
    if (o.malformed) blame(report, "RFC 9293 3.1", "sends a malformed list of options");
    if (seen.tcp.flags().has(Flags::syn)) {
        if (o.window_scale && *o.window_scale > 14) {
            blame(report, "RFC 7323 2.3",
                  "offers a window scale of " + std::to_string(*o.window_scale));
        }
        if (o.sack_count != 0) blame(report, "RFC 2018 3", "sends SACK blocks on a SYN");
        if (o.accecn && !seen.tcp.flags().has(Flags::ack))
            blame(report, "RFC 9768 3.2.3.2.1", "sends the option of AccECN on a SYN");
        return;
    }
    if (o.mss) blame(report, "RFC 9293 3.2", "sends an MSS option on a segment without SYN");
    if (o.window_scale)
        blame(report, "RFC 7323 2.2", "sends a window scale on a segment without SYN");
    if (o.sack_permitted) blame(report, "RFC 2018 2", "permits SACK on a segment without SYN");
}

void Side::judge_timestamps(const Seen& seen, Report& report) {
    const bool is_syn = seen.tcp.flags().has(Flags::syn);
    const auto& ts = seen.options.timestamps;
    if (!is_syn && !partial_) {
        if (has_timestamps() && !ts) {
            blame(report, "RFC 7323 3.2",
                  "sends a segment without the timestamps that were agreed on");
        }
        if (!has_timestamps() && ts) {
            blame(report, "RFC 7323 3.2", "sends timestamps that were not agreed on");
        }
    }
    if (!ts) return;
    // A cookie hides what was agreed on in the low bits of a SYN-ACK's timestamp.
    if (!is_syn && tsval_ && is_before(ts->val, *tsval_)) {
        blame(report, "RFC 7323 4.1",
              "lets its timestamp clock go back from " + std::to_string(*tsval_) + " to " +
                  std::to_string(ts->val));
    }
    tsval_ = ts->val;
    const bool echoes = seen.tcp.flags().has(Flags::ack) && !partial_ && peer_tsval_;
    if (echoes && is_before(*peer_tsval_, ts->ecr)) {
        blame(report, "RFC 7323 4.3",
              "echoes timestamp " + std::to_string(ts->ecr) + ", which has not arrived");
    }
}

// RFC 3168 6.1: only new text, and only when both agreed.
void Side::judge_ecn(const Seen& seen, bool is_new, Report& report) const {
    const bool is_capable =
        seen.packet.ecn == wire::Ecn::ect0 || seen.packet.ecn == wire::Ecn::ect1;
    if (!is_capable || partial_) return;
    if (seen.tcp.flags().has(Flags::syn))
        return blame(report, "RFC 3168 6.1.1", "sends a SYN as ECN-capable");
    if (!ecn_offered_ || !peer_ecn_offered_) {
        return blame(report, "RFC 3168 6.1", "sends ECN-capable packets without an agreement");
    }
    const bool is_pure_ack = seen.tcp.payload().empty() && !seen.tcp.flags().has(Flags::fin);
    if (is_pure_ack) return blame(report, "RFC 3168 6.1.4", "sends a pure ACK as ECN-capable");
    if (!is_new) blame(report, "RFC 3168 6.1.5", "sends a retransmission as ECN-capable");
}

void Side::judge_reset(const Seen& seen, Report& report) {
    const std::uint32_t raw = seen.tcp.seq().raw;
    const std::uint64_t seq = extend(raw, nxt_);
    const std::uint64_t count = std::min<std::uint64_t>(heard_acks_count_, heard_acks_.size());
    const bool is_answer =
        std::find(heard_acks_.begin(), heard_acks_.begin() + static_cast<std::ptrdiff_t>(count),
                  raw) != heard_acks_.begin() + static_cast<std::ptrdiff_t>(count);
    const bool is_answer_without_ack = raw == 0 && seen.tcp.flags().has(Flags::ack);
    const bool is_own = open_ && !partial_ && una_ <= seq + 1 && seq <= nxt_;
    if (!is_answer && !is_answer_without_ack && !is_own && !partial_) {
        blame(report, "RFC 9293 3.5.2", "sends a reset with a number that nobody expects");
    }
    if (seen.tcp.flags().has(Flags::syn) || seen.tcp.flags().has(Flags::fin)) {
        blame(report, "RFC 9293 3.5.2", "sends a reset with SYN or FIN");
    }
    // In SYN-RECEIVED a strange ACK is answered with a reset, and the connection goes on.
    if (is_own && beyond_syn_ && seq == nxt_) reset_ = true;
}

}  // namespace estab::sim
