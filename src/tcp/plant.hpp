// Bugs that a test build can switch on, one at a time, with -DESTAB_PLANT=NAME: tools/planted asks
// the swarm to find each of them. Without the option, and in everything that is installed, all are
// off and leave no code.
//
// Only .cpp files of this module include this: the option is set for no other.
#pragma once

#include <cstdint>

namespace estab::tcp {

enum class Bug : std::uint8_t {
    none,
    sequence_wrap,       // the peer's numbers are not extended across 2^32
    window_retreats,     // the right edge that we offer goes back by one
    window_exceeded,     // one octet more than the peer's window
    window_scale,        // the window field of a SYN is scaled
    recovery_octets,     // a retransmission has the octets one further on
    recovery_lost_mark,  // what was sent again still counts as lost
    recovery_sack,       // a SACK block stays after its octets were acknowledged
    close_fin_early,     // the FIN goes out before the last segment
    close_fin_ack,       // the ACK of a FIN that was sent again does not count
    close_fin_hole,      // a FIN behind a hole ends the stream
    timer_rto,           // not armed anew when a part was acknowledged
    timer_delayed_ack,   // never fires
    timer_persist,       // not armed for a closed window
};

#ifdef ESTAB_PLANT
constexpr Bug plant = Bug::ESTAB_PLANT;
#else
constexpr Bug plant = Bug::none;
#endif

consteval bool planted(Bug bug) { return plant == bug; }

}  // namespace estab::tcp
