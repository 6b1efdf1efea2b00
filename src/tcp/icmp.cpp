// What the network says about a connection: RFC 9293 3.9.2.2, RFC 5927 (is it about something we
// sent?), RFC 5461 (soft errors do not abort), RFC 1191 and 8201 (path MTU).
#include <algorithm>

#include "tcp/connection.hpp"
#include "tcp/extras.hpp"

namespace estab::tcp {

namespace {

// RFC 1191 7.1, for routers that do not say: the next plateau below.
std::uint32_t plateau_below(std::uint32_t mtu) {
    constexpr std::uint32_t plateaus[] = {32'000, 17'914, 8'166, 4'352, 2'002,
                                          1'492,  1'006,  508,   296,   68};
    for (const std::uint32_t p : plateaus) {
        if (p < mtu) return p;
    }
    return 68;
}

// What FreeBSD takes for a refusal, too.
bool is_prohibition(const IcmpError& e, bool v4) {
    return v4 ? e.type == 3 && (e.code == 9 || e.code == 10 || e.code == 13)
              : e.type == 1 && e.code == 1;
}
bool is_time_exceeded(const IcmpError& e, bool v4) {
    return e.type == (v4 ? 11 : 3) && e.code == 0;
}

}  // namespace

void Connection::on_icmp(Environment& env, Instant now, IcmpError e) {
    if (state_ == State::closed || state_ == State::listen || state_ == State::time_wait) return;
    const Seq seq = Seq::extend(e.seq, tcb_.snd.una);
    if (seq < tcb_.snd.una || seq >= tcb_.snd.nxt) {  // RFC 5927 4.1
        ++env.counters.TcpExt_OutOfWindowIcmps;
        return;
    }
    const bool opening = state_ == State::syn_sent || state_ == State::syn_received;
    if (opening && config_->icmp_prohibited_is_hard) {
        const bool v4 = tuple_.remote.address.is_v4();
        const bool late = is_time_exceeded(e, v4);
        if (is_prohibition(e, v4) || late) e.kind = IcmpError::Kind::hard;
        if (e.kind == IcmpError::Kind::hard)
            e.error = late ? Error::host_unreachable : Error::refused;
    }
    if (opening && config_->soft_icmp_ends_opening && e.kind == IcmpError::Kind::soft)
        e.kind = IcmpError::Kind::hard;
    if (opening && !config_->icmp_ends_opening && e.kind == IcmpError::Kind::hard)
        e.kind = IcmpError::Kind::soft;
    switch (e.kind) {
    case IcmpError::Kind::too_big:
        if (config_->path_mtu_discovery) {
            on_path_mtu(env, now, e.mtu != 0 ? e.mtu : plateau_below(path_mtu_));
        }
        return;
    case IcmpError::Kind::hard:
        icmp_type_ = e.type;
        icmp_code_ = e.code;
        if (opening || config_->hard_icmp_aborts) {
            if (opening) ++env.counters.Tcp_AttemptFails;
            finish(env, now, e.error);
            return;
        }
        break;
    case IcmpError::Kind::soft:
        icmp_type_ = e.type;
        icmp_code_ = e.code;
        break;
    }
    has_soft_error_ = true;
    soft_error_ = e.error;
    notice_.trouble = true;  // MUST-47
    note(env, now, event::Kind::soft_error, e.type, e.code);
}

void Connection::on_path_mtu(Environment& env, Instant now, std::uint32_t mtu) {
    const std::uint32_t least = tuple_.remote.address.is_v4() ? 552 : 1280;
    mtu = std::clamp<std::uint32_t>(mtu, std::min<std::uint32_t>(least, interface_mtu_),
                                    interface_mtu_);
    if (extras_ != nullptr && extras_->mtu.on) {  // a router's word bounds the search
        MtuSearch& m = extras_->mtu;
        m.high = static_cast<std::uint16_t>(std::min<std::uint32_t>(m.high, mtu));
        m.low = std::min(m.low, m.high);
        if (mtu > m.low) return;
    }
    set_path_mtu(env, now, mtu, event::Cause::icmp);
}

void Connection::set_path_mtu(Environment& env, Instant now, std::uint32_t mtu,
                              event::Cause cause) {
    if (mtu == path_mtu_) return;
    const std::uint16_t before = send_mss();
    path_mtu_ = static_cast<std::uint16_t>(mtu);
    note(env, now, event::Kind::path_mtu, mtu, send_mss(), static_cast<std::uint64_t>(cause));
    if (state_ == State::syn_sent && tcb_.snd.nxt > tcb_.snd.iss + 1 && mtu < before + 40u) {
        owed_.syn = true;  // its text was what did not fit: the SYN goes again without
        return;
    }
    if (active_ == nullptr || state_ == State::syn_sent || state_ == State::syn_received) return;
    active_->control.on(congestion::MssChanged{before, send_mss()});
    note_window(env, now, cause);
    if (send_mss() >= before) return;
    // What is outstanding in segments that no longer fit was dropped by the router: not congestion.
    for (Sent* r = active_->sent.first(); r != nullptr; r = r->next) {
        if (r->mss > send_mss()) {
            active_->sent.mark_lost(*r);
            r->mss = send_mss();
            active_->retransmit_now = true;
        }
    }
}

}  // namespace estab::tcp
