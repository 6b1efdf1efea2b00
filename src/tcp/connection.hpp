// A TCP connection as a value. Segments, deadlines and user calls go in, each with the time at
// which it happened; segments are pulled out of next_segment(). There is no clock, no I/O and no
// thread inside, and the memory that it needs is lent with every call.
//
// Input never makes a segment: it changes the TCB and notes what is owed. RFC 9293 3.10.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <optional>

#include "base/result.hpp"
#include "tcp/active.hpp"
#include "tcp/config.hpp"
#include "tcp/environment.hpp"
#include "tcp/handshake.hpp"
#include "tcp/info.hpp"
#include "tcp/limits.hpp"
#include "tcp/notice.hpp"
#include "tcp/owed.hpp"
#include "tcp/path_metrics.hpp"
#include "tcp/rtt.hpp"
#include "tcp/segment.hpp"
#include "tcp/state.hpp"
#include "tcp/tcb.hpp"

namespace estab::tcp {

struct Extras;
struct History;
struct FastOpen;
struct FastOpenCookie;
struct FastOpenOffer;

class Connection {
public:
    // `interface_mtu` bounds segments of both directions: IP packet octets.
    Connection(const wire::FourTuple& tuple, const Config& config, std::uint32_t id,
               std::uint16_t interface_mtu);

    // --- Opening
    // Active OPEN: a SYN is owed. `ts_offset` hides the clock behind the timestamps.
    void open(Environment& env, Instant now, wire::SeqNum iss, std::uint32_t ts_offset);
    // Becomes the SYN-RECEIVED connection that a half-open record or a cookie stood for; its
    // SYN-ACK is with the listener, so nothing is owed.
    void resume(Environment& env, Instant now, const Handshake& agreed);
    // Becomes the TIME-WAIT connection that a packed record stood for.
    void resume_time_wait(Instant now, Seq snd_nxt, Seq rcv_nxt, std::uint32_t rcv_wnd,
                          std::optional<std::uint32_t> ts_recent, std::uint32_t ts_offset,
                          Instant ends_at);

    // TCP Fast Open, RFC 7413. Just after open(): the SYN carries the cookie and what is written
    // until it goes, or asks for a cookie. False, and no trace of it: no memory.
    bool offer_fast_open(Environment& env, const FastOpenOffer& offer);
    // Becomes the SYN-RECEIVED connection that a SYN with a good cookie makes at once: its text can
    // be read and answered. The SYN-ACK is owed, with `fresh`, a cookie for the next time.
    bool accept_fast_open(Environment& env, Instant now, const Handshake& agreed, Segment& syn,
                          const FastOpenCookie& fresh);
    const FastOpen* fast_open() const;        // nullptr: it has no part in this
    void forget_fast_open(Environment& env);

    // --- Input
    enum class Verdict : std::uint8_t {
        done,
        reset,  // answer the segment with a RST (answer_reset) without touching the connection
    };
    // `arrived` <= `now`: when the segment came off the wire.
    Verdict on_segment(Environment& env, Instant now, Instant arrived, Segment& seg);
    void on_icmp(Environment& env, Instant now, IcmpError error);
    void on_deadline(Environment& env, Instant now);
    Instant deadline() const;                 // `never`: none
    // The path carries packets of at most `mtu` octets from now on.
    void on_path_mtu(Environment& env, Instant now, std::uint32_t mtu);

    // --- Output
    // Cheaper than to ask next_segment() in vain: true if it surely has nothing to say now.
    bool is_silent() const {
        return !owed_.any() && (active_ == nullptr || active_->send.size() == 0) &&
               fin_queued_ == fin_sent_ && state_ != State::closed;
    }
    // It has been asked for all that it has to say.
    void on_silence(Environment& env, Instant now);
    // The next segment, complete but for ports; false: nothing to say now. Its payload points into
    // the send buffer and is valid until the next call that changes this connection.
    bool next_segment(Environment& env, Instant now, const Room& room, Segment& out);

    // --- The user's calls (RFC 9293 3.9.1)
    Result<std::size_t> write(Environment& env, Instant now, Bytes octets);
    Result<std::size_t> write_urgent(Environment& env, Instant now, Bytes octets);
    // What was written last ends a record: no segment joins it with what comes after it.
    void end_record(Environment& env);
    // Queues memory of someone else's without a copy; how many octets of it, at least 1.
    // `done(context)` is called once, when those have been acknowledged or the connection gives
    // them up; never when this fails.
    Result<std::size_t> write_external(Environment& env, Instant now, Bytes octets,
                                       SendBuffer::Release done, void* context);
    // Room of the send buffer to write into, at least one octet, lent until the next call. commit()
    // queues the first `octets` of it; 0 gives it back. invalid_argument: more than was lent.
    Result<MutableBytes> reserve(Environment& env, Instant now);
    Result<void> commit(Environment& env, Instant now, std::size_t octets);
    // 0: the peer has finished (FIN). would_block: nothing there.
    Result<std::size_t> read(Environment& env, Instant now, MutableBytes into);
    Result<std::size_t> peek(std::size_t offset, MutableBytes into) const;
    Bytes peek() const;                       // the first run of unread octets, lent
    void consume(Environment& env, Instant now, std::size_t octets);
    Result<void> shutdown_write(Environment& env, Instant now);  // half-close: our FIN
    // The owner lets go: FIN after what is queued, or RST if octets are unread (SHLD-3). The
    // connection ends by itself.
    void close(Environment& env, Instant now);
    void abort(Environment& env, Instant now);  // RST; what was queued is gone

    void set_nodelay(bool on) { nodelay_ = on; }
    void set_cork(bool on, Instant now) {
        cork_until_ = on ? after(now, config_->cork_max) : Instant::min();
        cork_is_more_ = false;
    }
    // The octets that follow are (or are no longer) the first part of something: they wait like
    // those behind a cork, but only until the next acknowledgment, and go without PSH. MSG_MORE.
    void set_more(bool on, Instant now) {
        if (!on && cork_is_more_) set_cork(false, now);
        if (on && cork_until_ <= now) {
            set_cork(true, now);
            cork_is_more_ = true;
        }
        unpushed_ = on;
    }
    void set_quick_ack(bool on) { quick_acks_left_ = on ? 255 : 0; }
    // A private copy of the configuration, to change while the connection lives; nullptr: no
    // memory.
    Config* own_config(Environment& env);
    void apply_config(Instant now);  // after own_config() was changed: timers that depend on it
    void set_congestion_control(Environment& env, Instant now, const congestion::Table& table);

    // --- Questions
    State state() const { return state_; }
    const wire::FourTuple& tuple() const { return tuple_; }
    std::uint32_t id() const { return id_; }
    void set_id(std::uint32_t id) { id_ = id; }  // the name that events carry
    const Config& config() const { return *config_; }
    const Tcb& tcb() const { return tcb_; }
    bool is_orphan() const { return orphan_; }
    bool has_failed() const { return has_error_; }
    Error error() const { return error_; }                 // meaningful if has_failed()
    bool was_reset() const { return has_error_ && error_ == Error::reset; }  // MUST-12
    bool peer_finished() const { return fin_received_; }
    std::optional<Error> soft_error() const {              // SHLD-25
        return has_soft_error_ ? std::optional(soft_error_) : std::nullopt;
    }
    std::uint8_t icmp_type() const { return icmp_type_; }  // of the error that ended or troubled it
    std::uint8_t icmp_code() const { return icmp_code_; }
    bool active_open() const { return active_open_; }
    bool serves_early() const {  // text flows both ways before the handshake is over (RFC 7413)
        return fast_open_ && !active_open_ && state_ == State::syn_received;
    }
    bool may_write() const { return can_send(state_) || serves_early(); }
    std::uint64_t unread() const { return active_ ? active_->recv.unread() : 0; }
    bool can_read() const { return unread() != 0 || fin_consumable() || state_ == State::closed; }
    std::uint64_t write_room() const;
    // MUST-33: unread octets up to the urgent mark; nothing when there is none ahead.
    std::optional<std::uint64_t> urgent_ahead() const;
    // Over, and nothing left to say: the record can go once its owner has let go of it.
    bool is_finished() const { return state_ == State::closed && !owed_.reset; }
    // In TIME-WAIT with nothing unread and no owner: a packed record can take over.
    bool can_pack() const { return state_ == State::time_wait && orphan_ && active_ == nullptr; }
    Instant time_wait_end() const { return misc_at_; }
    // A new incarnation takes the name; for the owner nothing changes.
    void end_time_wait(Environment& env, Instant now) {
        CHECK(state_ == State::time_wait);
        finish(env, now, std::nullopt);
    }
    Notice take_notice();
    Info info(Instant now) const;
    std::uint64_t memory_bytes() const;
    std::uint32_t ts_offset() const { return ts_offset_; }
    bool has_timestamps() const { return timestamps_; }
    std::uint32_t ts_recent() const { return ts_recent_; }
    bool has_ts_recent() const { return ts_recent_valid_; }
    std::uint16_t path_mtu() const { return path_mtu_; }
    std::uint16_t peer_mss() const { return peer_mss_; }
    std::uint16_t send_mss() const;           // effective: options counted (MUST-16)
    // What others with the same host may begin with, and the beginning with it: just established.
    PathMetrics path_metrics() const;
    void begin_with(Environment& env, Instant now, const PathMetrics& known);
    // Gives back everything borrowed; the connection is dead afterwards.
    void release(Environment& env);
    // The same, when nobody is to hear of its end.
    void give_back(Environment& env);
    // What arrived out of order, given up under memory pressure; octets.
    std::uint64_t drop_out_of_order(Environment& env);
    // What must hold between any two calls; CHECKs it.
    void check_invariants() const;

private:
    Result<void> may_add() const;
    Result<std::uint64_t> begin_write(Environment& env, Instant now);
    enum class Step : std::uint8_t { next, stop, reset };
    struct AckNews {                 // what one acknowledgment has said
        SentQueue::Acked acked{};    // octets that it and its SACK blocks have added
        Duration rtt{-1};            // its sample; negative: none
        Seq reordered{};             // Seq(): the path has not just proved to reorder
        bool advanced = false;       // SND.UNA moved
        bool duplicate = false;      // RFC 5681 2
        bool original = false;       // it delivered what was never sent again (RFC 5682)
        std::uint64_t marked = 0;    // of the octets delivered, those with a CE mark (RFC 9768)
        Instant resent_at{};         // the latest retransmission among what it delivered
        DeliveryRate::Newest newest{}; // the last sent among what it delivered
        congestion::RateSample rate{};
    };
    struct Before {                  // what was so when it came; octets
        std::uint64_t flight = 0;
        std::uint64_t vouched = 0;   // by duplicate ACKs, without SACK
    };

    // handshake.cpp
    Verdict on_syn_sent(Environment& env, Instant now, Segment& seg);
    void negotiate(const Segment& seg);
    void learn_window_scale(const Segment& syn);
    void become_established(Environment& env, Instant now);
    bool make_syn(Environment& env, Instant now, Segment& out);
    // fast_open.cpp
    void put_fast_open(Environment& env, Instant now, Segment& out);
    void settle_fast_open(Environment& env, Instant now, const Segment& syn_ack);
    std::uint64_t syn_text_room() const;
    std::uint64_t syn_text_max() const;
    bool have_extras(Environment& env);
    // accecn.cpp
    bool begin_accecn(Environment& env, wire::Ecn heard);
    void offer_ecn(bool reply, Segment& out);
    void agree_on_ecn(Environment& env, Instant now, const Segment& syn);
    void hear_handshake_ack(Environment& env, Instant now, const Segment& seg);
    bool may_mark() const;           // text goes out as ECN-capable
    wire::Ecn mark() const;          // as which
    bool mixes_ecn(const Segment& syn) const;
    void hear_syn_again(const Segment& syn);
    bool is_marked_without_end(Seq ack, bool all);
    void distrust_marks(Environment& env, Instant now, bool deaf);
    void count_arrival(const Segment& seg);
    void put_ecn_feedback(Segment& out);
    void put_accecn_option(Instant now, Segment& out);
    void put_every_option(Segment& out);
    void hear_needless(wire::SeqNum begin);
    std::uint64_t read_accecn(Environment& env, Instant now, const Segment& seg,
                              std::uint64_t delivered);
    bool react_to_marks(Environment& env, Instant now, Seq ack);
    // plpmtud.cpp
    bool plan_mtu_probe(Environment& env, Instant now, const Room& room, Segment& out);
    void settle_mtu_probe(Environment& env, Instant now, Seq acked);
    bool seems_black_hole() const;
    void search_black_hole(Environment& env, Instant now);
    void set_path_mtu(Environment& env, Instant now, std::uint32_t mtu, event::Cause cause);
    std::uint32_t initial_window_bytes() const;
    void round_recv_buffer();
    std::uint16_t advertised_mss() const;
    // segment_arrives.cpp: RFC 9293 3.10.7.4, in its order
    Step first_check_sequence(Environment& env, Instant now, Segment& seg);
    Step second_check_rst(Environment& env, Instant now, const Segment& seg);
    Step fourth_check_syn(Environment& env, Instant now, const Segment& seg);
    Step fifth_check_ack(Environment& env, Instant now, Instant arrived, const Segment& seg);
    void sixth_check_urg(Environment& env, Instant now, const Segment& seg);
    void seventh_text(Environment& env, Instant now, Segment& seg);
    void eighth_check_fin(Environment& env, Instant now);
    bool is_acceptable(const Segment& seg) const;
    bool fails_paws(Instant now, const Segment& seg) const;
    void trim(Segment& seg);
    bool refused_lately(Instant now) const;
    void challenge(Environment& env, Instant now, const Segment& seg);
    void take_timestamp(Instant now, const Segment& seg);
    void refuse(Environment& env, Instant now, const Segment& seg, bool is_old = false);
    // ack.cpp
    void on_ack(Environment& env, Instant now, Instant arrived, const Segment& seg);
    Duration take_rtt(Environment& env, Instant now, Instant arrived, const Segment& seg,
                      const AckNews& news);
    void tell_congestion_control(Environment& env, Instant now, const Before& before,
                                 const AckNews& news);
    void after_progress(Instant now);
    event::Cause growth_cause() const;
    void note_application_limit(std::uint64_t flight);
    void on_old_ack(Environment& env, Instant now, Instant arrived, const Segment& seg);
    void take_window(Environment& env, Instant now, const Segment& seg);
    void take_ecn_echo(Environment& env, Instant now, const Segment& seg);
    void on_fin_acked(Environment& env, Instant now);
    // recovery.cpp
    void read_sack(Environment& env, Instant arrived, const Segment& seg, AckNews& news);
    void learn_delivery(Instant arrived, const Segment& seg, const Sent& record,
                        std::uint64_t octets, AckNews& news);
    void on_duplicate_report(Environment& env, const SeqRange& range);
    void recover_with_sack(Environment& env, Instant now, Instant arrived, const AckNews& news);
    bool detect_losses(Instant now, Instant at);
    void on_losses(Instant now, std::uint64_t lost_before);
    bool uses_prr() const { return sack_ && config_->prr && !active_->control.rules_recovery(); }
    void score_losses();
    Sent* plan_rescue();
    congestion::Congested congestion(Instant now, std::uint64_t flight) const;
    void leave_unused_window(Environment& env, Instant now);
    void enter_recovery(Environment& env, Instant now, std::uint64_t delivered);
    void end_recovery(Environment& env, Instant now);
    void leave_recovery();
    event::Cause loss_cause() const;
    // What a loss leaves a part of: FlightSize (RFC 5681 (4)), or cwnd.
    std::uint64_t reduces_from(std::uint64_t flight) const {
        return config_->reduce_from_cwnd ? active_->control.cwnd() : flight;
    }
    Rack::Path rack_path() const;
    void arm_early(Instant now);
    void on_early_timer(Environment& env, Instant now);
    bool plan_tail_probe(Environment& env, Instant now, const Room& room, Segment& out);
    void end_tail_probe(Environment& env, Instant now, const AckNews& news);
    // newreno.cpp
    bool is_duplicate_ack(const Segment& seg) const;
    void recover_without_sack(Environment& env, Instant now, std::uint64_t newly_acked);
    void on_duplicate_ack(Environment& env, Instant now);
    void lose_first_segment(Instant now);
    // undo.cpp
    void arm_undo();
    bool echoes_before(const Segment& seg, Instant at) const;
    bool undo_if_spurious(Environment& env, Instant now, const Segment& seg, const AckNews& news);
    void advance_frto(const AckNews& news);
    void undo_recovery(Environment& env, Instant now, const AckNews& news, event::Cause cause);
    // text.cpp
    void store(Environment& env, Instant now, Segment& seg);
    void owe_ack_for_text(Instant now, const Segment& seg, const RecvBuffer::Inserted& what);
    void note_sack(const RecvBuffer::Inserted& what);
    void report_duplicate(Environment& env, Seq begin, Seq end);
    void fill_sack(Segment& out);
    std::uint16_t window_to_offer();
    void grow_receive_window(Instant now, std::uint64_t octets);
    void after_read(Environment& env, Instant now, std::size_t octets);
    // output.cpp
    bool plan_retransmission(Environment& env, Instant now, const Room& room, Segment& out);
    void retransmit(Environment& env, Instant now, Sent& record, std::uint32_t octets,
                    std::uint32_t mss, Segment& out);
    bool plan_new_data(Environment& env, Instant now, const Room& room, Segment& out,
                       bool as_probe);
    std::uint64_t sendable(Seq end) const;
    std::uint64_t sendable() const { return sendable(active_->send.end()); }
    // pacing.cpp
    bool is_paced() const;
    std::uint64_t pacing_rate() const;
    bool waits_for_its_time(Instant now);
    void take_time(Instant now, std::uint32_t octets);
    void note_pacing(Environment& env, Instant now);
    // output.cpp
    std::uint32_t burst_max(std::uint32_t mss, std::uint32_t most) const;
    void note_dialogue(Instant now);
    void note_window_use(std::uint64_t flight, bool used_up);
    void restart_after_idle(Environment& env, Instant now);
    bool plan_fin(Environment& env, Instant now, Segment& out);
    bool plan_ack(Environment& env, Instant now, Segment& out);
    bool plan_probe(Environment& env, Instant now, Segment& out);
    bool make_reset(Environment& env, Instant now, Segment& out);
    void start_segment(Instant now, Seq seq, std::uint16_t flags, Segment& out);
    void finish_segment(Environment& env, Segment& out);
    std::uint32_t payload_max(const Segment& started, const Room& room) const;
    std::uint32_t segment_mss(const Segment& started, const Room& room) const;
    std::uint32_t new_data_allowance(Instant now, std::uint32_t mss, std::uint32_t payload_max);
    bool holds_small(Instant now) const;
    void send_data(Environment& env, Instant now, Seq from, std::uint32_t octets,
                   std::uint32_t mss, Segment& out);
    void arm_persist_if_stuck(Instant now);
    // timers.cpp
    void on_retransmit_timer(Environment& env, Instant now);
    void on_persist_timer(Environment& env, Instant now);
    void on_keepalive_timer(Environment& env, Instant now);
    void on_misc_timer(Environment& env, Instant now);
    bool gives_up(Instant now) const;
    void give_up(Environment& env, Instant now);
    void time_out_data(Environment& env, Instant now);
    Duration current_rto() const;
    Limit what_limits(Instant now) const;
    void arm_retransmit(Instant now);
    void rearm_keepalive(Instant now);
    // connection.cpp
    void enter(Environment& env, Instant now, State state);
    void finish(Environment& env, Instant now, std::optional<Error> error);
    void time_wait(Environment& env, Instant now);
    bool activate(Environment& env);
    congestion::Start start_of_control(Instant now) const;
    void deactivate_if_idle(Environment& env, Instant now, bool forget_path = false);
    bool remembers_path() const;
    std::uint64_t in_flight() const;
    Seq record_end();                // where the record that SND.NXT is in ends
    std::uint64_t cwnd() const {     // what may be in flight now
        if (active_ == nullptr) return idle_cwnd_;
        return active_->with_prr ? active_->prr.window() : active_->control.cwnd();
    }
    std::uint64_t idle_ssthresh() const {
        return idle_ssthresh_ == infinite ? congestion::infinite : idle_ssthresh_;
    }
    std::uint64_t ssthresh() const {
        return active_ != nullptr ? active_->control.ssthresh() : idle_ssthresh();
    }
    const congestion::Table& table() const;
    const congestion::Table& usable(const congestion::Table& wanted) const;
    Seq data_end() const;              // one past the last octet written
    bool has_had_text() const {      // but for that of the peer's SYN
        return stats_.data_in > (syn_text_ && !active_open_ ? 1u : 0u);
    }
    bool fin_in_flight() const { return fin_sent_ && tcb_.snd.una <= fin_seq_; }
    bool fin_consumable() const { return fin_received_ && unread() == 0; }
    std::uint32_t ts_now(Instant now) const;
    void note(Environment& env, Instant now, event::Kind kind, std::uint64_t a = 0,
              std::uint64_t b = 0, std::uint64_t c = 0, std::uint64_t d = 0) const;
    void note_window(Environment& env, Instant now, event::Cause cause) const;
    History* have_history(Environment& env);  // nullptr: no memory
    void count(Environment& env, std::uint32_t History::*what, std::uint32_t more = 1);
    Statistics statistics() const;
    std::uint64_t octets_retransmitted() const;
    std::uint16_t max_payload() const;  // of one wire segment without options: peer's MSS and path
    friend struct ConnectionProbe;      // unit tests of this class

    Tcb tcb_;
    Active* active_ = nullptr;
    Extras* extras_ = nullptr;
    History* history_ = nullptr;
    const Config* config_;
    wire::FourTuple tuple_;
    std::uint32_t id_;
    State state_ = State::closed;

    Owed owed_;
    Notice notice_;

    bool orphan_ : 1 = false;
    bool own_config_ : 1 = false;
    bool active_open_ : 1 = false;       // how SYN-RECEIVED was reached (MUST-11)
    bool sack_ : 1 = false;
    bool timestamps_ : 1 = false;
    bool scaling_ : 1 = false;
    bool ecn_ : 1 = false;               // agreed on, as in RFC 3168 or ...
    bool accecn_ : 1 = false;            // ... as in RFC 9768
    bool ecn_echo_ : 1 = false;          // a CE mark has arrived and the peer's CWR has not
    bool cwr_owed_ : 1 = false;          // tell the peer that its ECE was heard
    bool ts_recent_valid_ : 1 = false;
    bool fin_queued_ : 1 = false;        // the user has no more to send
    bool fin_sent_ : 1 = false;
    bool fin_received_ : 1 = false;      // and in order: RCV.NXT is past it
    bool fin_waiting_ : 1 = false;       // received behind a hole
    bool persisting_ : 1 = false;        // retransmit_at_ is the persist timer
    bool nodelay_ : 1 = false;
    bool cork_is_more_ : 1 = false;      // the cork is set_more()'s
    bool unpushed_ : 1 = false;          // the last octets written end nothing: no PSH
    bool has_error_ : 1 = false;
    bool offered_zero_ : 1 = false;      // the window, in what was sent last
    bool write_blocked_ : 1 = false;     // tell the user when there is room
    bool sws_override_ : 1 = false;      // the sender's silly-window timer has run out
    bool syn_lost_ : 1 = false;          // our SYN or SYN-ACK had to be sent again
    bool has_soft_error_ : 1 = false;
    bool fast_open_ : 1 = false;         // RFC 7413: until the handshake is over
    bool ts_due_ : 1 = false;            // this segment's timestamp is for TS.Recent
    bool has_records_ : 1 = false;       // extras_->records is not empty
    bool syn_text_ : 1 = false;          // our SYN's text was taken, or the peer's by us

    Error error_{};
    Error soft_error_{};  // the last soft ICMP error (RFC 5461): told when all else fails
    std::uint8_t icmp_type_ = 0, icmp_code_ = 0;
    std::uint8_t backoff_ = 0;           // doublings of the RTO in force
    std::uint8_t retries_ = 0;           // since the last progress
    std::uint8_t probes_ = 0;            // unanswered keepalives or window probes
    std::uint8_t quick_acks_left_ = 0;
    std::uint8_t ack_pending_ = 0;       // full-sized segments not acknowledged yet
    std::uint16_t peer_mss_ = 536;
    std::uint16_t path_mtu_ = 1500;
    std::uint16_t interface_mtu_ = 1500;
    std::uint16_t rcv_mss_ = 536;        // what the peer seems to send
    LimitClock limits_;
    std::uint32_t ts_recent_ = 0;
    std::uint32_t ts_offset_ = 0;
    std::uint32_t text_came_us_ = 0;     // when text came last; 0: never; wraps
    Instant ts_recent_at_{};
    Seq last_ack_sent_;
    Seq fin_seq_;                        // where our FIN is, once sent
    Seq fin_wait_seq_;                   // where the peer's FIN is, while it waits
    wire::SeqNum dsack_begin_, dsack_end_;
    std::uint32_t ack_pending_octets_ = 0;
    std::uint32_t recv_buffer_ = 0;      // limits in force
    std::uint32_t recv_window_ = 0;      // what the window may be at most for now
    std::uint32_t send_buffer_ = 0;
    // Autotuning of the receive buffer: what the application took since the round trip began. Here,
    // because an application that keeps up leaves no Active behind.
    std::uint32_t round_start_us_ = 0;   // 0: none; wraps
    std::uint32_t copied_in_round_ = 0;
    std::uint64_t delivered_ = 0;        // octets, selectively acknowledged ones included
    static constexpr std::uint32_t infinite = 0xffff'ffff;
    std::uint32_t idle_cwnd_ = 0;        // while no Active is borrowed; octets
    std::uint32_t idle_ssthresh_ = infinite;
    RttEstimator rtt_;

    Instant retransmit_at_ = never;      // or persist
    Instant ack_at_ = never;
    Instant keepalive_at_ = never;
    Instant misc_at_ = never;            // FIN-WAIT-2, TIME-WAIT; else what is idle gives back
    Instant cork_until_ = Instant::min();
    Instant last_sent_{};                // data
    Instant last_received_{};            // anything acceptable
    Instant trouble_since_ = never;      // first retransmission of what is outstanding
    struct Counts {                      // of Statistics, what every connection has; else: History
        std::uint64_t octets_sent = 0, octets_acked = 0, octets_received = 0;
        std::uint32_t segments_in = 0, segments_out = 0, data_in = 0, data_out = 0;
        std::uint32_t retransmits = 0;
    } stats_;
};

}  // namespace estab::tcp
