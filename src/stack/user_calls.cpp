// What users ask of a stack: connections by id. Every call that may make a connection speak puts it
// on the list of those who may.
#include <algorithm>

#include "stack/stack.hpp"

namespace estab::stack {

tcp::Connection* Stack::find(ConnectionId id) {
    Record* r = record(id);
    return r != nullptr ? &r->connection : nullptr;
}

const tcp::Connection* Stack::find(ConnectionId id) const {
    return const_cast<Stack*>(this)->find(id);
}

void Stack::touch(Instant, ConnectionId id) {
    if (Record* r = record(id)) touch_record(*r);
}

Result<ConnectionId> Stack::connect(Instant now, const wire::Endpoint& remote,
                                    const ConnectOptions& options) {
    if (!routes_.is_unicast(remote.address) || remote.port == 0)
        return fail(Error::invalid_argument);  // MUST-46
    std::optional<wire::Address> local = options.local_address;
    if (local) {
        if (!routes_.is_local(*local)) return fail(Error::address_unavailable);
    } else {
        local = routes_.source_for(remote.address);  // MUST-44
        if (!local) return fail(Error::network_unreachable);
    }
    if (local->is_v4() != remote.address.is_v4()) return fail(Error::invalid_argument);
    wire::FourTuple tuple{{*local, options.local_port}, remote};
    const bool draws = tuple.local.port == 0;
    if (draws) tuple.local.port = draw_port(options.ports);
    flows_.prefetch(tuple);  // what does not depend on it comes first
    const tcp::Config& config = *keep_config(options.config);
    const std::uint16_t path_mtu = mtu_towards(now, remote.address);
    const std::uint32_t ts_offset = secrets_.timestamp_offset(tuple);
    wire::SeqNum iss = secrets_.initial_sequence(now, tuple);
    std::uint32_t old = find_flow(tuple);
    if (draws && old != none) {
        if (!find_port(now, options.ports, tuple)) return fail(Error::address_unavailable);
        iss = secrets_.initial_sequence(now, tuple);
        old = find_flow(tuple);
    }
    if (old != none && !may_reopen(now, old)) return fail(Error::address_in_use);
    if (old != none) {
        // The peer may still be in the old incarnation's window: past it, as when a SYN reopens
        // one.
        iss.raw = time_waits_[Ref::index(old)].snd_nxt + 65'537;
        forget_time_wait(Ref::index(old));
        ++counters_.TcpExt_TWRecycled;
    }
    const bool tunnels = config.udp_peer_port != 0 && config_.udp_tunnel_port != 0;
    answer_through_ = tunnels ? config.udp_peer_port : std::uint16_t{0};
    const auto opened = [this] { answer_through_.reset(); };
    const std::uint32_t index = make_record(tuple, config);
    if (index == none) return opened(), fail(Error::no_memory);
    Record& r = records_[index];
    const bool linked = link_flow(tuple, Ref::make(Kind::connection, index));
    opened();
    if (!linked) {
        r.linked = false;
        free_record(r);
        return fail(Error::no_memory);
    }
    r.owned = true;
    r.connection.open(environment_, now, iss, ts_offset);
    r.connection.on_path_mtu(environment_, now, path_mtu);
    if (options.fast_open) offer_fast_open(now, index);
    touch_record(r);
    return ConnectionId{index, r.generation};
}

// RFC 6056 3.3.1: a random start, then the next free one.
std::uint16_t Stack::draw_port(PortRange range) {
    const std::uint32_t count = range.last - range.first + 1u;
    return static_cast<std::uint16_t>(range.first + rng_.below(count));
}

// From the one in `tuple` on, in the range. A port is free for this remote endpoint. Where all are
// taken one after the other, the first that may be opened again will do. False: there is none.
bool Stack::find_port(Instant now, PortRange range, wire::FourTuple& tuple) const {
    const std::uint32_t count = range.last - range.first + 1u;
    constexpr std::uint32_t looks = 64;
    std::uint16_t reopened = 0;
    for (std::uint32_t i = 0; i < count && !(reopened != 0 && i > looks); ++i) {
        const std::uint32_t old = find_flow(tuple);
        if (old == none) return true;
        if (reopened == 0 && may_reopen(now, old)) reopened = tuple.local.port;
        tuple.local.port = tuple.local.port == range.last
                               ? range.first
                               : static_cast<std::uint16_t>(tuple.local.port + 1);
    }
    tuple.local.port = reopened;
    return reopened != 0;
}

Result<std::size_t> Stack::write(Instant now, ConnectionId id, Bytes octets) {
    Record* r = record(id);
    if (r == nullptr) return fail(Error::not_found);
    auto result = r->connection.write(environment_, now, octets);
    if (!result && result.error() == Error::no_memory && make_room()) {
        result = r->connection.write(environment_, now, octets);
    }
    touch_record(*r);
    return result;
}

Result<std::size_t> Stack::write_urgent(Instant now, ConnectionId id, Bytes octets) {
    Record* r = record(id);
    if (r == nullptr) return fail(Error::not_found);
    const auto result = r->connection.write_urgent(environment_, now, octets);
    touch_record(*r);
    return result;
}

void Stack::end_record(ConnectionId id) {
    if (Record* r = record(id)) r->connection.end_record(environment_);
}

Result<std::size_t> Stack::write_external(Instant now, ConnectionId id, Bytes octets,
                                          tcp::SendBuffer::Release done, void* context) {
    Record* r = record(id);
    if (r == nullptr) return fail(Error::not_found);
    auto result = r->connection.write_external(environment_, now, octets, done, context);
    if (!result && result.error() == Error::no_memory && make_room()) {
        result = r->connection.write_external(environment_, now, octets, done, context);
    }
    touch_record(*r);
    return result;
}

Result<MutableBytes> Stack::reserve(Instant now, ConnectionId id) {
    Record* r = record(id);
    if (r == nullptr) return fail(Error::not_found);
    auto result = r->connection.reserve(environment_, now);
    if (!result && result.error() == Error::no_memory && make_room()) {
        result = r->connection.reserve(environment_, now);
    }
    return result;
}

Result<void> Stack::commit(Instant now, ConnectionId id, std::size_t octets) {
    Record* r = record(id);
    if (r == nullptr) return fail(Error::not_found);
    const auto result = r->connection.commit(environment_, now, octets);
    touch_record(*r);
    return result;
}

Result<std::size_t> Stack::read(Instant now, ConnectionId id, MutableBytes into) {
    Record* r = record(id);
    if (r == nullptr) return fail(Error::not_found);
    const auto result = r->connection.read(environment_, now, into);
    if (result && *result != 0) touch_record(*r);  // the window may have opened
    return result;
}

Bytes Stack::peek(ConnectionId id) const {
    const tcp::Connection* c = find(id);
    return c != nullptr ? c->peek() : Bytes{};
}

void Stack::consume(Instant now, ConnectionId id, std::size_t octets) {
    Record* r = record(id);
    if (r == nullptr) return;
    r->connection.consume(environment_, now, octets);
    touch_record(*r);
}

Result<void> Stack::shutdown_write(Instant now, ConnectionId id) {
    Record* r = record(id);
    if (r == nullptr) return fail(Error::not_found);
    const auto result = r->connection.shutdown_write(environment_, now);
    touch_record(*r);
    return result;
}

void Stack::close(Instant now, ConnectionId id) {
    Record* r = record(id);
    if (r == nullptr) return;
    r->owned = false;
    remove<&Record::news>(news_, *r);
    const bool too_many = orphans_ >= config_.orphans_max;
    too_many ? r->connection.abort(environment_, now) : r->connection.close(environment_, now);
    if (too_many) ++counters_.TcpExt_TCPAbortOnMemory;
    r->orphan = true;
    ++orphans_;
    touch_record(*r);
}

void Stack::abort(Instant now, ConnectionId id) {
    Record* r = record(id);
    if (r == nullptr) return;
    r->owned = false;
    remove<&Record::news>(news_, *r);
    ++counters_.TcpExt_TCPAbortOnLinger;
    r->connection.abort(environment_, now);
    touch_record(*r);
}

std::vector<Row> Stack::table(Instant now) {
    std::vector<Row> rows;
    for (std::uint32_t i = 0; i < listeners_.size(); ++i) {
        const Listener& l = listeners_[i];
        if (!l.used) continue;
        Row row{.state = tcp::State::listen,
                .queue_in = l.queue_length,
                .queue_out = l.options.backlog};
        row.tuple.local = {l.options.any_address ? wire::Address() : l.options.address.address,
                           l.options.port};
        rows.push_back(row);
    }
    const auto left = [&](const TimerLinks& t) { return wheel_.time_left(now, t); };
    half_open_.for_each([&](std::uint32_t, HalfOpen& h) {
        rows.push_back({.state = tcp::State::syn_received,
                        .tuple = h.tuple,
                        .timer_left = left(h.timer),
                        .retransmits = static_cast<std::uint8_t>(h.retransmits)});
    });
    records_.for_each([&](std::uint32_t index, Record& r) {
        Row row{.state = r.connection.state(),
                .tuple = r.connection.tuple(),
                .info = r.connection.info(now),
                .id = {index, r.generation}};
        row.queue_in = row.info.unread;
        row.queue_out = row.info.unacked + row.info.not_sent;
        if (row.info.timer != tcp::Info::Timer::off) row.timer_left = row.info.timer_left;
        row.retransmits = row.info.retries;
        rows.push_back(row);
    });
    time_waits_.for_each([&](std::uint32_t, TimeWait& t) {
        rows.push_back(
            {.state = tcp::State::time_wait, .tuple = t.tuple, .timer_left = left(t.timer)});
    });
    return rows;
}

}  // namespace estab::stack
