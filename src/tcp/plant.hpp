// Bugs that a test build (-DESTAB_PLANTS=ON) can switch on, one at a time, by the environment's
// ESTAB_PLANT when a program starts: tools/planted asks the swarm, the scripts and the tests of the
// requirements to find each of them. Without the option, and in everything that is installed, all
// are off and leave no code.
//
// Only .cpp files of tcp and stack include this: the option is set for no other module.
#pragma once

#include <cstdint>

namespace estab::tcp {

// Name, and what is wrong with it on.
#define ESTAB_BUGS(X)                                                                           \
    X(none, "nothing")                                                                          \
    X(sequence_wrap, "the peer's numbers are not extended across 2^32")                         \
    X(window_retreats, "the right edge that we offer goes back by one")                         \
    X(window_exceeded, "one octet more than the peer's window")                                 \
    X(window_scale, "the window field of a SYN is scaled")                                      \
    X(recovery_octets, "a retransmission has the octets one further on")                        \
    X(recovery_lost_mark, "what was sent again still counts as lost")                           \
    X(recovery_sack, "a SACK block stays after its octets were acknowledged")                   \
    X(close_fin_early, "the FIN goes out before the last segment")                              \
    X(close_fin_ack, "the ACK of a FIN that was sent again does not count")                     \
    X(close_fin_hole, "a FIN behind a hole ends the stream")                                    \
    X(timer_rto, "not armed anew when a part was acknowledged")                                 \
    X(timer_delayed_ack, "never fires")                                                         \
    X(timer_persist, "not armed for a closed window")                                           \
    X(closed_silent, "a segment to nobody is not answered")                                     \
    X(listen_ack_silent, "an ACK to a listener is not answered")                                \
    X(checksum_unchecked, "a wrong checksum is not seen")                                       \
    X(mss_ignored, "segments are as large as the path allows, whatever the peer's MSS")         \
    X(mss_silent, "our SYN has no MSS option")                                                  \
    X(mss_default, "without an MSS option the peer's is taken for 1460")                        \
    X(nagle_never, "nothing small is ever held back")                                           \
    X(nagle_always, "switching Nagle off does nothing")                                         \
    X(karn, "a segment that was sent twice gives an RTT sample")                                \
    X(backoff_none, "the retransmission time-out does not double")                              \
    X(r2_never, "retransmitting never ends")                                                    \
    X(keepalive_busy, "keepalives go even while something is outstanding")                      \
    X(keepalive_impatient, "one unanswered keepalive is the end")                               \
    X(urgent_unmarked, "urgent octets are sent without the mark")                               \
    X(urgent_untold, "the owner does not learn of urgent octets")                               \
    X(probe_counts, "answered window probes count against the connection")                      \
    X(silly_sender, "the sender fills every small window")                                      \
    X(silly_receiver, "the receiver offers every small window")                                 \
    X(reset_untold, "a reset looks like an orderly end")                                        \
    X(time_wait_none, "TIME-WAIT is over at once")                                              \
    X(passive_open_told, "a RST of a passive open counts as one of an active")                  \
    X(push_never, "no segment has PSH")                                                         \
    X(rst_in_window, "any RST inside the window resets")                                        \
    X(syn_resets, "a SYN inside the window resets")                                             \
    X(paws_off, "old timestamps are accepted")                                                  \
    X(ts_recent_any, "the timestamp of every segment is echoed")                                \
    X(sack_order, "the block of the newest segment comes last")                                 \
    X(dsack_silent, "duplicates are not reported")                                              \
    X(duplicates_two, "two duplicate ACKs are enough")                                          \
    X(loss_costs_nothing, "a loss does not lower the window")                                   \
    X(out_of_order_lost, "text behind a hole is dropped")                                       \
    X(future_ack_taken, "an ACK of what was never sent is silently dropped")                    \
    X(old_ack_loses_text, "a segment whose ACK is old loses its text")                          \
    X(close_ignores_unread, "closing with unread octets sends a FIN")                           \
    X(zero_window_deaf, "a closed window lets no ACK through")                                  \
    X(ce_unechoed, "a CE mark is not echoed")                                                   \
    X(ece_ignored, "ECE does not lower the window")

enum class Bug : std::uint8_t {
#define ESTAB_BUG(name, what) name,
    ESTAB_BUGS(ESTAB_BUG)
#undef ESTAB_BUG
};

#ifdef ESTAB_PLANTS
extern const Bug plant;  // which; read from the environment before anything runs
inline bool planted(Bug bug) { return plant == bug; }
#else
consteval bool planted(Bug) { return false; }
#endif

}  // namespace estab::tcp
