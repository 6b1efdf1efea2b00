#include "link/fq_codel.hpp"

namespace estab::link {

FqCoDel::FqCoDel(const Settings& settings)
    : settings_(settings), flows_(settings.flows, Flow{.codel = CoDel(settings.codel)}) {}

void FqCoDel::push(Packets& packets, PacketIndex packet) {
    const FlowIndex index = packets[packet].flow % settings_.flows;
    Flow& flow = flows_[index];
    packets.append(flow.waiting, packet);
    ++count_;
    bytes_ += packets[packet].size;
    if (flow.is_listed) return;
    flow.deficit = settings_.quantum;
    append(new_flows_, index);
}

struct FqCoDel::Source {
    Instant now;
    FqCoDel& queue;
    Flow& flow;
    Packets& packets;
    PacketList& dropped;
    PacketIndex taken = no_packet;

    std::optional<CoDel::Head> pull() {
        taken = no_packet;
        if (flow.waiting.count == 0) return {};
        taken = packets.take_first(flow.waiting);
        --queue.count_;
        queue.bytes_ -= packets[taken].size;
        return CoDel::Head{.waited = now - packets[taken].at, .bytes_left = flow.waiting.bytes};
    }
    bool mark() {
        if (!queue.settings_.marks || packets[taken].ecn == wire::Ecn::not_ect) return false;
        return packets[taken].marked = true;
    }
    void drop() { packets.append(dropped, taken); }
};

// RFC 8290 4.2
PacketIndex FqCoDel::pop(Instant now, Packets& packets, PacketList& dropped) {
    for (;;) {
        const bool is_new = new_flows_.head != none;
        FlowList& list = is_new ? new_flows_ : old_flows_;
        if (list.head == none) return no_packet;
        Flow& flow = flows_[list.head];
        if (flow.deficit <= 0) {
            flow.deficit += settings_.quantum;
            append(old_flows_, take_first(list));
            continue;
        }
        Source source{now, *this, flow, packets, dropped};
        if (flow.codel.dequeue(now, source)) {
            flow.deficit -= packets[source.taken].size;
            return source.taken;
        }
        // An emptied new flow waits at the end of the old ones: else one packet now and then would
        // always be served first.
        const FlowIndex index = take_first(list);
        if (is_new) {
            append(old_flows_, index);
        } else {
            flow.is_listed = false;
        }
    }
}

void FqCoDel::drop_from_longest(Packets& packets, PacketList& dropped) {
    Flow* longest = &flows_[0];
    for (Flow& flow : flows_) {
        if (flow.waiting.bytes > longest->waiting.bytes) longest = &flow;
    }
    if (longest->waiting.count == 0) return;
    const PacketIndex packet = packets.take_first(longest->waiting);
    --count_;
    bytes_ -= packets[packet].size;
    packets.append(dropped, packet);
}

void FqCoDel::append(FlowList& list, FlowIndex flow) {
    flows_[flow].next = none;
    flows_[flow].is_listed = true;
    (list.tail == none ? list.head : flows_[list.tail].next) = flow;
    list.tail = flow;
}

FqCoDel::FlowIndex FqCoDel::take_first(FlowList& list) {
    const FlowIndex flow = list.head;
    list.head = flows_[flow].next;
    if (list.head == none) list.tail = none;
    return flow;
}

}  // namespace estab::link
