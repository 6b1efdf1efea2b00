// The transmission control block: plain data under RFC 9293's names (3.3.1).
#pragma once

#include <cstdint>

#include "base/time.hpp"
#include "tcp/segment.hpp"
#include "tcp/seq.hpp"

namespace estab::tcp {

struct Tcb {
    struct Send {
        Seq una;                    // oldest unacknowledged
        Seq nxt;                    // next to be sent; never moves back
        Seq wl1, wl2;               // SEG.SEQ and SEG.ACK of the last window update
        Seq iss;
        Seq up;                     // one past the last urgent octet (RFC 6093); iss: none
        std::uint32_t wnd = 0;      // octets from una that the peer accepts (MUST-1)
        std::uint32_t wnd_max = 0;  // the largest it ever offered (RFC 9293 3.8.6.2.1)
        std::uint8_t shift = 0;     // Snd.Wind.Shift (RFC 7323 2.2)
    } snd;
    struct Receive {
        Seq nxt;                    // next expected
        Seq edge;  // right edge offered: RCV.NXT + RCV.WND; never moves left (SHLD-14)
        Seq irs;
        Seq up;                     // one past the last urgent octet announced; irs: none
        std::uint8_t shift = 0;     // Rcv.Wind.Shift
        std::uint64_t wnd() const { return distance(nxt, edge); }
    } rcv;

    // Extends the numbers and scales the window of a checked segment: the one place where that
    // happens. The payload is lent, not copied.
    Segment read(const wire::TcpView& view, wire::Ecn ecn) const;
    void read(const wire::TcpView& view, wire::Ecn ecn, Segment& out) const;
    // The same for a segment that was read before anyone knew whose it is.
    void adopt(Segment& seg) const;
};

}  // namespace estab::tcp
