// SYNs that wait for their owner's word: no SYN-ACK goes out, repeats are absorbed, and after a
// time they are forgotten. A proxy asks its other side first, and then accepts, refuses or stays
// silent.
#include <algorithm>

#include "stack/stack.hpp"

namespace estab::stack {

void Stack::hold_syn(Instant now, std::uint32_t index, const wire::FourTuple& tuple,
                     const tcp::Handshake& offered, const wire::IpPacket& packet) {
    for (const Held& h : held_) {
        if (h.tuple == tuple) return;
    }
    if (held_.size() >=
        config_.held_syns_max) {  // policy when full: the newest is dropped, and comes again
        ++counters_.Estab_TCPHoldDropped;
        return;
    }
    Held h{.id = {++held_serial_},
           .listener = index,
           .tuple = tuple,
           .offered = offered,
           .ends = now + config_.held_syn_timeout,
           .quoted = {}};
    h.quoted.assign(packet.header.begin(), packet.header.end());
    const Bytes start = packet.payload.first(std::min<std::size_t>(packet.payload.size(), 60));
    h.quoted.insert(h.quoted.end(), start.begin(), start.end());
    held_.push_back(std::move(h));
    ++counters_.Estab_TCPHoldQueued;
    notice_listener(index);
}

void Stack::expire_held(Instant now) {
    held_.erase(held_.begin(), std::ranges::upper_bound(held_, now, {}, &Held::ends));
}

std::vector<Held>::iterator Stack::find_held(HeldSynId id) {
    const auto at = std::ranges::lower_bound(held_, id, {}, &Held::id);
    return at != held_.end() && at->id == id ? at : held_.end();
}

std::optional<HeldSyn> Stack::next_held(ListenerId listener) {
    if (find_listener(listener) == nullptr) return std::nullopt;
    for (Held& h : held_) {
        if (h.listener != listener.index || h.told) continue;
        h.told = true;
        return HeldSyn{h.id, listener, h.tuple};
    }
    return std::nullopt;
}

Result<void> Stack::accept_held(Instant now, HeldSynId id) {
    const auto h = find_held(id);
    if (h == held_.end()) return fail(Error::not_found);
    Listener& l = listeners_[h->listener];
    if (find_flow(h->tuple) != none) {
        held_.erase(h);
        return fail(Error::address_in_use);
    }
    const bool answered = answer_syn(now, l, h->tuple, h->offered);
    held_.erase(h);
    if (!answered) return fail(Error::no_memory);
    return {};
}

Result<void> Stack::refuse_held(Instant, HeldSynId id) {
    const auto h = find_held(id);
    if (h == held_.end()) return fail(Error::not_found);
    tcp::Segment syn;
    syn.seq = h->offered.irs;
    syn.flags = {wire::Flags::syn};
    answer_reset(h->tuple, syn);
    held_.erase(h);
    return {};
}

Result<void> Stack::drop_held(HeldSynId id) {
    const auto h = find_held(id);
    if (h == held_.end()) return fail(Error::not_found);
    held_.erase(h);
    return {};
}

Result<void> Stack::unreachable_held(Instant now, HeldSynId id, wire::IcmpReason reason) {
    const auto h = find_held(id);
    if (h == held_.end()) return fail(Error::not_found);
    const auto packet = wire::IpPacket::parse(h->quoted);
    if (packet) answer_error(now, *packet, reason);
    held_.erase(h);
    return {};
}

}  // namespace estab::stack
