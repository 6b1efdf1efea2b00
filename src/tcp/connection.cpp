#include "tcp/connection.hpp"

#include <algorithm>

#include "congestion/cubic.hpp"
#include "tcp/extras.hpp"
#include "tcp/history.hpp"
#include "tcp/plant.hpp"

namespace estab::tcp {

// How long an idle connection keeps what it knows about its path.
constexpr Duration idle_memory = 10s;

namespace {

// Of a window that is kept in 32 bits; an infinite one is the largest.
std::uint32_t kept(std::uint64_t octets) {
    return static_cast<std::uint32_t>(std::min<std::uint64_t>(octets, 0xffff'ffff));
}

}  // namespace

Connection::Connection(const wire::FourTuple& tuple, const Config& config, std::uint32_t id,
                       std::uint16_t interface_mtu)
    : config_(&config),
      tuple_(tuple),
      id_(id),
      quick_acks_left_(config.quick_acks),
      path_mtu_(interface_mtu),
      interface_mtu_(interface_mtu),
      recv_buffer_(config.recv_buffer),
      send_buffer_(config.send_buffer) {
    nodelay_ = !config.nagle;
    peer_mss_ = tuple.remote.address.is_v4() ? 536 : 1220;  // MUST-15
}

void Connection::enter(Environment& env, Instant now, State state) {
    if (state == state_) return;
    note(env, now, event::Kind::state, static_cast<std::uint64_t>(state_),
         static_cast<std::uint64_t>(state));
    const auto counts = [](State s) { return s == State::established || s == State::close_wait; };
    if (counts(state) && !counts(state_)) ++env.counters.Tcp_CurrEstab;
    if (!counts(state) && counts(state_)) --env.counters.Tcp_CurrEstab;
    if (counts(state_)) misc_at_ = never;
    state_ = state;
}

// The connection is over. What the peer sent before a FIN stays readable; after a reset or a
// time-out the queues are flushed (RFC 9293 3.10.7.4, second), except that the owner learns why.
void Connection::finish(Environment& env, Instant now, std::optional<Error> error) {
    if (state_ == State::closed) return;
    if (error) {
        has_error_ = true;
        error_ = *error;
    }
    note(env, now, event::Kind::closed, error ? static_cast<std::uint64_t>(*error) + 1 : 0,
         icmp_type_, icmp_code_);
    enter(env, now, State::closed);
    const bool readable = !error || (config_->reset_keeps_unread && error != Error::aborted);
    const bool keep_unread = readable && !orphan_ && unread() != 0;
    if (active_ != nullptr) {
        idle_cwnd_ = kept(active_->control.cwnd());
        idle_ssthresh_ = kept(active_->control.ssthresh());
    }
    if (active_ != nullptr && !keep_unread) {
        env.actives.free(active_);
        active_ = nullptr;
    }
    retransmit_at_ = ack_at_ = keepalive_at_ = misc_at_ = never;
    const bool reset = owed_.reset;
    owed_ = {};
    owed_.reset = reset;
    notice_.closed = notice_.readable = notice_.writable = true;
}

void Connection::time_wait(Environment& env, Instant now) {
    enter(env, now, State::time_wait);
    retransmit_at_ = keepalive_at_ = never;
    persisting_ = false;
    misc_at_ = planted(Bug::time_wait_none) ? now : after(now, config_->time_wait);  // MUST-13
    if (active_ != nullptr) {
        active_->sent.clear();
        active_->early_at = never;
    }
    deactivate_if_idle(env, now);
}

bool Connection::have_extras(Environment& env) {
    if (extras_ == nullptr) extras_ = env.extras.make();
    return extras_ != nullptr;
}

bool Connection::activate(Environment& env) {
    if (active_ != nullptr) return true;
    const Seq una = std::max(tcb_.snd.una, tcb_.snd.iss + 1);  // the SYN is no text
    const Seq snd = fin_sent_ ? std::min(una, fin_seq_) : una;
    active_ = env.actives.make(env.chunks, env.sent, snd, tcb_.rcv.nxt,
                               congestion::Control(table(), start_of_control({})));
    if (active_ == nullptr) {
        ++env.counters.TcpExt_TCPMemoryPressures;
        return false;
    }
    active_->recover = tcb_.snd.una;
    active_->small_end = tcb_.snd.una;
    active_->paced = is_paced();
    return true;
}

congestion::Start Connection::start_of_control(Instant now) const {
    return {.now = now,
            .mss = send_mss(),
            .cwnd = idle_cwnd_,
            .ssthresh = idle_ssthresh(),
            .srtt = rtt_.srtt()};
}

// An idle connection holds nothing from the pools but itself; what it has learnt about its path it
// keeps for a while.
void Connection::deactivate_if_idle(Environment& env, Instant now, bool forget_path) {
    if (active_ == nullptr || active_->recovery != Recovery::open || !active_->sent.empty() ||
        active_->send.size() != 0 || !active_->recv.empty() || fin_waiting_) {
        return;
    }
    if (remembers_path() && !forget_path) {
        active_->early_at = never;
        if (misc_at_ == never) misc_at_ = after(now, idle_memory);
        return;
    }
    idle_cwnd_ = kept(active_->control.cwnd());
    idle_ssthresh_ = kept(active_->control.ssthresh());
    env.actives.free(active_);
    active_ = nullptr;
}

// More than a window: a curve, a rate, a reordering path, an episode that may yet be undone.
bool Connection::remembers_path() const {
    if (state_ != State::established && state_ != State::close_wait) return false;
    return active_->control.has_memory() || active_->undo.armed || config_->cwnd_validation ||
           active_->tail.outstanding || active_->rack.has_memory();
}

void Connection::release(Environment& env) {
    enter(env, last_sent_, State::closed);
    give_back(env);
}

void Connection::give_back(Environment& env) {
    if (active_ != nullptr) env.actives.free(active_);
    active_ = nullptr;
    if (extras_ != nullptr) env.extras.free(extras_);
    extras_ = nullptr;
    if (history_ != nullptr) env.histories.free(history_);
    history_ = nullptr;
    if (own_config_) env.configs.free(const_cast<Config*>(config_));
    own_config_ = false;
}

// Octets of text: a FIN fills no pipe.
std::uint64_t Connection::in_flight() const {
    const std::uint64_t outstanding =
        distance(tcb_.snd.una, tcb_.snd.nxt) - (fin_in_flight() ? 1 : 0);
    if (active_ == nullptr) return outstanding;
    std::uint64_t gone = active_->sent.lost_bytes() + active_->left_network;
    if (tcb_.snd.una == tcb_.snd.iss) ++gone;  // nor does a SYN
    // RFC 6675 4, RFC 3042: what is SACKed has left the network, and lets new data follow.
    if (config_->limited_transmit || active_->recovery != Recovery::open)
        gone += active_->sent.sacked_bytes();
    return outstanding > gone ? outstanding - gone : 0;
}

const congestion::Table& Connection::table() const {
    return config_->congestion_control != nullptr ? usable(*config_->congestion_control)
                                                   : congestion::table_of<congestion::Cubic>;
}

// RFC 9331 4.1: without a report of every mark nothing may go as ECT(1), and what lives on such
// reports is blind.
const congestion::Table& Connection::usable(const congestion::Table& wanted) const {
    return wanted.is_l4s && !accecn_ ? congestion::table_of<congestion::Cubic> : wanted;
}

// --- RFC 9040

PathMetrics Connection::path_metrics() const {
    PathMetrics m{.srtt = rtt_.srtt(), .rttvar = rtt_.rttvar()};
    const std::uint64_t ssthresh = this->ssthresh();
    if (ssthresh < congestion::infinite && delivered_ != 0) m.ssthresh = ssthresh;
    if (active_ != nullptr) m.reordering = active_->reordering;
    if (extras_ != nullptr && extras_->mtu.on) m.mtu = extras_->mtu.low;
    return m;
}

// The path's speed is guessed anew: the window begins as any other's, but slow start ends where it
// ended before. A round trip slower than the one sample of the handshake is believed, so that the
// first time-outs do not come too soon; as Linux.
void Connection::begin_with(Environment& env, Instant now, const PathMetrics& known) {
    if (known.srtt > rtt_.srtt())
        rtt_.restore(known.srtt, std::max(known.rttvar, rtt_.rttvar()), Duration{-1});
    const std::uint64_t least = 2 * std::uint64_t{send_mss()};
    if (known.ssthresh != 0 && ssthresh() >= congestion::infinite) {
        idle_ssthresh_ = kept(std::max(known.ssthresh, least));
        if (active_ != nullptr) {
            congestion::Start start = start_of_control(now);
            start.cwnd = active_->control.cwnd();
            active_->control = congestion::Control(table(), start);
            active_->paced = is_paced();
        }
        note_window(env, now, event::Cause::cache);
    }
    const auto most = static_cast<std::uint16_t>(
        max_payload() + (tuple_.remote.address.is_v4() ? 40 : 60));  // whatever the path carries
    if (known.mtu == 0 || known.mtu >= most || config_->mtu_probing == MtuProbing::off ||
        !have_extras(env))
        return;
    MtuSearch& m = extras_->mtu;
    if (!m.on) m.high = most;
    m.on = true;
    m.low = known.mtu;
    m.again_at = after(now, config_->mtu_probe_interval);
    set_path_mtu(env, now, known.mtu, event::Cause::cache);
}

Seq Connection::data_end() const {
    if (active_ != nullptr) return active_->send.end();
    return fin_sent_ ? std::min(tcb_.snd.nxt, fin_seq_) : tcb_.snd.nxt;
}

std::uint32_t Connection::ts_now(Instant now) const {
    return static_cast<std::uint32_t>(now.time_since_epoch() / config_->timestamp_tick) +
           ts_offset_;
}

std::uint16_t Connection::max_payload() const {
    const std::uint32_t headers = tuple_.remote.address.is_v4() ? 40 : 60;
    const std::uint32_t path = path_mtu_ > headers + 8 ? path_mtu_ - headers : 8;
    if (planted(Bug::mss_ignored)) return static_cast<std::uint16_t>(path);
    const std::uint16_t ours = config_->mss != 0 ? config_->mss : peer_mss_;  // as TCP_MAXSEG
    return static_cast<std::uint16_t>(std::min<std::uint32_t>(std::min(peer_mss_, ours), path));
}

std::uint16_t Connection::send_mss() const {
    return static_cast<std::uint16_t>(max_payload() - (timestamps_ ? 12 : 0));
}

std::uint64_t Connection::write_room() const {
    const std::uint64_t queued = active_ != nullptr ? active_->send.size() : 0;
    if (state_ == State::syn_sent && !fin_queued_) {
        const std::uint64_t early = config_->queue_before_open ? send_buffer_ : syn_text_room();
        return early > queued ? early - queued : 0;
    }
    if (!may_write() || fin_queued_) return 0;
    if (queued >= send_buffer_) return 0;
    const std::uint64_t not_sent =
        active_ != nullptr
            ? distance(std::min(tcb_.snd.nxt, active_->send.end()), active_->send.end())
            : 0;
    if (not_sent >= config_->notsent_lowat) return 0;
    return send_buffer_ - queued;
}

std::optional<std::uint64_t> Connection::urgent_ahead() const {
    const Seq reader = active_ != nullptr ? active_->recv.begin() : tcb_.rcv.nxt;
    if (tcb_.rcv.up <= reader) return std::nullopt;
    return distance(reader, tcb_.rcv.up);
}

Notice Connection::take_notice() {
    const Notice taken = notice_;
    notice_ = {};
    return taken;
}

void Connection::note(Environment& env, Instant now, event::Kind kind, std::uint64_t a,
                      std::uint64_t b, std::uint64_t c, std::uint64_t d) const {
    env.log.count(kind);
    if (!env.log.wants(kind)) return;
    env.log.keep(
        {.at = now, .kind = kind, .connection = id_, .tuple = tuple_, .values = {a, b, c, d}});
}

void Connection::note_window(Environment& env, Instant now, event::Cause cause) const {
    note(env, now, event::Kind::congestion_window, cwnd(), ssthresh(),
         static_cast<std::uint64_t>(cause), in_flight());
}

std::uint64_t Connection::drop_out_of_order(Environment& env) {
    if (active_ == nullptr) return 0;
    const std::uint64_t octets = active_->recv.drop_out_of_order();
    if (octets != 0) {
        ++env.counters.TcpExt_OfoPruned;
        active_->sack_recent_count = 0;
        fin_waiting_ = false;
    }
    return octets;
}

std::uint64_t Connection::memory_bytes() const {
    std::uint64_t bytes = sizeof *this + (own_config_ ? sizeof(Config) : 0) +
                          (extras_ != nullptr ? sizeof(Extras) : 0) +
                          (history_ != nullptr ? sizeof(History) : 0);
    if (active_ != nullptr) bytes += sizeof *active_ + active_->send.size() + active_->recv.held();
    return bytes;
}

void Connection::check_invariants() const {
    CHECK(tcb_.snd.una <= tcb_.snd.nxt);
    CHECK(state_ == State::closed || state_ == State::syn_sent || tcb_.rcv.nxt <= tcb_.rcv.edge);
    CHECK(!fin_sent_ || tcb_.snd.nxt == fin_seq_ + 1);
    if (active_ == nullptr) return;
    CHECK(active_->sent.lost_bytes() + active_->sent.sacked_bytes() <=
          distance(tcb_.snd.una, tcb_.snd.nxt));
    const bool reduces = active_->recovery == Recovery::fast || active_->reducing;
    CHECK(active_->with_prr == (reduces && uses_prr()));
    CHECK(active_->frto == Frto::off || active_->recovery == Recovery::timeout);
    CHECK(active_->control.cwnd() >= 1);
    CHECK(active_->sent.empty() ||
          active_->sent.first()->begin == std::max(tcb_.snd.una, tcb_.snd.iss + 1));
    CHECK(active_->sent.empty() || active_->sent.last()->end == std::min(tcb_.snd.nxt, data_end()));
}

Info Connection::info(Instant now) const {
    Info i;
    i.state = state_;
    i.rto_us = static_cast<std::uint32_t>(to_us(current_rto()));
    i.rtt_us = static_cast<std::uint32_t>(to_us(rtt_.srtt()));
    i.rttvar_us = static_cast<std::uint32_t>(to_us(rtt_.rttvar()));
    i.rtt_min_us = static_cast<std::uint32_t>(to_us(rtt_.rtt_min()));
    i.snd_mss = send_mss();
    i.rcv_mss = rcv_mss_;
    i.path_mtu = path_mtu_;
    i.snd_shift = tcb_.snd.shift;
    i.rcv_shift = tcb_.rcv.shift;
    i.sack = sack_;
    i.timestamps = timestamps_;
    i.ecn = ecn_;
    i.accecn = accecn_;
    if (accecn_) {
        const auto octets = [](const AccEcn::Counters& c) {
            return std::array{c.ceb, c.e0b - 1, c.e1b - 1};
        };
        const AccEcn& a = *extras_->accecn;
        i.delivered_ce = a.delivered.cep - 5;
        i.received_ce = a.received.cep - 5;
        i.delivered_octets = octets(a.delivered);
        i.received_octets = octets(a.received);
    }
    i.scaling = scaling_;
    i.fast_open = syn_text_;
    i.cwnd = cwnd();
    i.ssthresh = ssthresh();
    i.unacked = distance(tcb_.snd.una, tcb_.snd.nxt);
    i.not_sent = active_ != nullptr ? distance(std::min(tcb_.snd.nxt, data_end()), data_end()) : 0;
    i.unread = unread();
    i.in_flight = in_flight();
    i.lost = active_ != nullptr ? active_->sent.lost_bytes() : 0;
    i.delivered = delivered_;
    if (active_ != nullptr) {
        i.delivery_rate = active_->rate.latest().rate();
        i.app_limited = active_->rate.app_limited();
        i.pacing_rate = pacing_rate();
        i.sacked_segments = active_->sent.sacked_segments();
        i.resent = active_->sent.resent_bytes();
        i.reordering = active_->reordering;
        i.reorderings = active_->rack.reorderings();
        i.reducing = active_->reducing;
        i.in_disorder = active_->recovery == Recovery::open &&
                        (i.sacked_segments != 0 || active_->duplicate_acks != 0);
    }
    i.snd_wnd = tcb_.snd.wnd;
    i.rcv_wnd = static_cast<std::uint32_t>(tcb_.rcv.wnd());
    i.rcv_space = recv_buffer_;
    i.snd_buffer = send_buffer_;
    i.backoff = backoff_;
    i.retries = retries_;
    i.probes = probes_;
    i.recovery = active_ != nullptr ? active_->recovery : Recovery::open;
    if (state_ == State::time_wait) {
        i.timer = Info::Timer::timewait;
        i.timer_left = misc_at_ - now;
    } else if (retransmit_at_ != never) {
        i.timer = persisting_ ? Info::Timer::persist : Info::Timer::on;
        const Instant early = active_ != nullptr ? active_->early_at : never;
        i.timer_left = std::min(retransmit_at_, early) - now;
    } else if (config_->keepalive && keepalive_at_ != never) {
        i.timer = Info::Timer::keepalive;
        i.timer_left = keepalive_at_ - now;
    } else if (misc_at_ != never && state_ == State::fin_wait_2) {
        i.timer = Info::Timer::timewait;  // FIN-WAIT-2, as Linux shows it
        i.timer_left = misc_at_ - now;
    }
    i.since_sent = now - last_sent_;
    i.since_received = i.since_ack = now - last_received_;
    i.congestion_control = active_ != nullptr ? active_->control.name() : table().name;
    i.statistics = statistics();
    LimitTimes times = history_ != nullptr ? history_->limited : LimitTimes{};
    LimitClock(limits_).update(now, times);
    i.busy = times.busy();
    for (std::size_t l = 0; l < limits; ++l) i.limited[l] = times.spent(static_cast<Limit>(l));
    i.limit = limits_.current();
    return i;
}

History* Connection::have_history(Environment& env) {
    if (history_ == nullptr) history_ = env.histories.make();
    return history_;
}

void Connection::count(Environment& env, std::uint32_t History::*what, std::uint32_t more) {
    if (History* h = have_history(env)) h->*what += more;
}

std::uint64_t Connection::octets_retransmitted() const {
    return history_ != nullptr ? history_->octets_retransmitted : 0;
}

Statistics Connection::statistics() const {
    const History h = history_ != nullptr ? *history_ : History{};
    return {.octets_sent = stats_.octets_sent,
            .octets_acked = stats_.octets_acked,
            .octets_received = stats_.octets_received,
            .octets_retransmitted = h.octets_retransmitted,
            .segments_in = stats_.segments_in,
            .segments_out = stats_.segments_out,
            .data_in = stats_.data_in,
            .data_out = stats_.data_out,
            .retransmits = stats_.retransmits,
            .timeouts = h.timeouts,
            .fast_retransmits = h.fast_retransmits,
            .duplicates_in = h.duplicates_in,
            .out_of_order_in = h.out_of_order_in,
            .dsacks_in = h.dsacks_in,
            .probes_out = h.probes_out,
            .tail_probes = h.tail_probes,
            .undos = h.undos};
}

}  // namespace estab::tcp
