#include "tcp/segment.hpp"

#include "tcp/plant.hpp"
#include "tcp/tcb.hpp"

namespace estab::tcp {

using wire::Flags;

namespace {

Seq extend_seq(wire::SeqNum seq, Seq nxt) {
    if (planted(Bug::sequence_wrap)) return Seq((nxt.value() >> 32 << 32) + seq.raw);
    return Seq::extend(seq, nxt);
}

}  // namespace

// RFC 9293 3.10.7.1: to one that carries an ACK, a RST that looks acceptable; to one that does not,
// a RST that acknowledges it.
bool answer_reset(const Segment& in, Segment& out) {
    if (in.has(Flags::rst)) return false;
    if (in.has(Flags::ack)) {
        out.seq = in.ack;
        out.flags = {Flags::rst};
    } else {
        out.seq = Seq(0);
        out.ack = in.end();
        out.flags = {Flags::rst | Flags::ack};
    }
    out.wnd = 0;
    out.window_field = 0;
    out.payload.clear();
    return true;
}

void Tcb::read(const wire::TcpView& view, wire::Ecn ecn, Segment& out) const {
    const bool syn = view.flags().has(Flags::syn);
    // Before the peer's SYN nothing is near: its number starts a new space.
    out.seq = rcv.irs == Seq() ? Seq::initial(view.seq()) : extend_seq(view.seq(), rcv.nxt);
    out.ack = Seq::extend(view.ack(), snd.nxt);
    out.flags = view.flags();
    out.wnd = std::uint32_t{view.window()} << (syn ? 0 : snd.shift);  // RFC 7323 2.2
    out.raw_window = view.window();
    out.urgent = view.urgent();
    view.read_options(out.options);
    out.ecn = ecn;
    out.payload.clear();
    out.payload.add(view.payload());
    out.segments = 1;
    out.segment_size = out.payload.size();
}

void Tcb::adopt(Segment& seg) const {
    seg.seq =
        rcv.irs == Seq() ? Seq::initial(seg.seq.wire()) : extend_seq(seg.seq.wire(), rcv.nxt);
    seg.ack = Seq::extend(seg.ack.wire(), snd.nxt);
    seg.wnd = std::uint32_t{seg.raw_window} << (seg.has(Flags::syn) ? 0 : snd.shift);
}

Segment Tcb::read(const wire::TcpView& view, wire::Ecn ecn) const {
    Segment out;
    read(view, ecn, out);
    return out;
}

}  // namespace estab::tcp
