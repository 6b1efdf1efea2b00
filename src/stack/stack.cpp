#include "stack/stack.hpp"

#include <algorithm>

namespace estab::stack {

TimerLinks& Stack::LinksOf::operator()(std::uint32_t ref) const {
    const std::uint32_t index = Ref::index(ref);
    switch (Ref::kind(ref)) {
    case Kind::connection: return stack->records_[index].timer;
    case Kind::half_open: return stack->half_open_[index].timer;
    case Kind::time_wait: return stack->time_waits_[index].timer;
    }
    CHECK(false);
}

Stack::Stack(Instant now, const StackOptions& options)
    : config_(options.config),
      memory_(options.memory_bytes),
      log_(options.event_room),
      rng_(options.seed),
      secrets_(rng_.next()),
      mac_(options.mac),
      echo_for_accepted_(options.echo_for_accepted),
      chunks_(memory_),
      sents_(memory_),
      actives_(memory_),
      configs_(memory_),
      extras_(memory_),
      histories_(memory_),
      challenges_(rng_.next()),
      environment_{chunks_,    sents_, actives_,  configs_,   extras_,
                   histories_, log_,   counters_, challenges_},
      records_(memory_),
      half_open_(memory_),
      time_waits_(memory_),
      flows_(memory_, secrets_.table_key()),
      fast_open_keys_(options.seed * 0x9e37'79b9'7f4a'7c15 ^ secrets_.table_key().k0),
      fast_open_cache_(memory_, secrets_.table_key().k1),
      wheel_(now, LinksOf{this}),
      neighbours_(mac_, routes_),
      reassembler_(counters_),
      icmp_(counters_, routes_),
      identification_(SipKey{rng_.next(), rng_.next()}),
      answers_(options.answers_bytes),
      loop_(options.answers_bytes) {}

Stack::~Stack() {
    records_.for_each([&](std::uint32_t index, Record&) {
        Record& r = records_[index];
        wheel_.disarm(ref_of(r), r.timer);
        r.connection.release(environment_);
        records_.free(index);
    });
    half_open_.for_each([&](std::uint32_t index, HalfOpen&) { half_open_.free(index); });
    time_waits_.for_each([&](std::uint32_t index, TimeWait&) { time_waits_.free(index); });
}

void Stack::attach(const device::Caps& caps) {
    caps_ = caps;
    link_bytes_ = caps.link == device::LinkType::ethernet ? 14 : 0;
    frame_bytes_ = std::min<std::size_t>(caps.frame_max, 65'535 + link_bytes_);
    burst_.cancel();  // its frames may be too large now; what is missing is sent again
}

Instant Stack::deadline() const {
    if (has_output() || !loop_.empty()) return Instant::min();
    return std::min({wheel_.deadline(), neighbours_.deadline(), reassembler_.deadline(),
                     path_mtus_.deadline(), held_.empty() ? never : held_.front().ends});
}

void Stack::advance(Instant now) {
    wheel_.advance(now, [&](std::uint32_t ref) { fire(now, ref); });
    if (neighbours_.deadline() <= now) neighbours_.on_time(now);
    if (path_mtus_.deadline() <= now) path_mtus_.expire(now);
    while (reassembler_.deadline() <= now) {
        const auto first = reassembler_.expire(now);
        if (!first) break;
        if (first->empty()) continue;
        const auto packet = wire::IpPacket::parse(*first);
        if (packet) answer_error(now, *packet, wire::IcmpReason::reassembly_timed_out);
    }
    if (!held_.empty()) expire_held(now);
    if (caps_.link != device::LinkType::ethernet) return;
    while (const auto lost = neighbours_.take_unreachable()) {
        // Nobody has this address: every opening towards it learns so (RFC 1122 2.4).
        records_.for_each([&](std::uint32_t, Record& r) {
            const auto hop = routes_.find(r.connection.tuple().remote.address);
            if (!hop || hop->next != *lost) return;
            tcp::IcmpError e{.kind = tcp::IcmpError::Kind::soft, .type = 3, .code = 1,
                             .seq = r.connection.tcb().snd.una.wire()};
            r.connection.on_icmp(environment_, now, e);
            touch_record(r);
        });
    }
}

void Stack::fire(Instant now, std::uint32_t ref) {
    const std::uint32_t index = Ref::index(ref);
    switch (Ref::kind(ref)) {
    case Kind::connection: {
        Record& r = records_[index];
        const Instant deadline = r.connection.deadline();
        if (deadline > now) {  // it has moved later since it was armed
            wheel_.arm(ref, r.timer, deadline);
            return;
        }
        r.connection.on_deadline(environment_, now);
        touch_record(r);
        return;
    }
    case Kind::half_open: on_half_open_timer(now, index); return;
    case Kind::time_wait: forget_time_wait(index); return;
    }
}

// --- Flows

const wire::FourTuple& Stack::tuple_of(std::uint32_t ref) const {
    const std::uint32_t index = Ref::index(ref);
    switch (Ref::kind(ref)) {
    case Kind::connection: return records_[index].connection.tuple();
    case Kind::half_open: return half_open_[index].tuple;
    case Kind::time_wait: return time_waits_[index].tuple;
    }
    CHECK(false);
}

std::uint32_t Stack::find_flow(const wire::FourTuple& tuple) const {
    return flows_.find(
        tuple, [this](std::uint32_t ref) -> const wire::FourTuple& { return tuple_of(ref); });
}

bool Stack::link_flow(const wire::FourTuple& tuple, std::uint32_t ref) {
    last_ref_ = none;
    if (answer_through_ && !keep_tunnel(tuple)) return false;
    return flows_.insert(tuple, ref);
}

void Stack::unlink_flow(const wire::FourTuple& tuple, std::uint32_t ref) {
    last_ref_ = none;
    flows_.erase(tuple, ref);
    if (!tunnels_.empty()) forget_tunnel(tuple);
}

void Stack::hand_over_flow(const wire::FourTuple& tuple, std::uint32_t before,
                           std::uint32_t after) {
    last_ref_ = none;
    flows_.replace(tuple, before, after);
}

// --- Records

Stack::Record* Stack::record(ConnectionId id) {
    if (!id.valid() || !records_.is_used(id.index)) return nullptr;
    Record& r = records_[id.index];
    return r.owned && r.generation == id.generation ? &r : nullptr;
}

std::uint32_t Stack::make_record(const wire::FourTuple& tuple, const tcp::Config& config) {
    const auto mtu = static_cast<std::uint16_t>(std::min<std::uint32_t>(mtu_for(tuple), 65'535));
    const std::uint32_t generation = ++generation_;
    std::uint32_t index = records_.make(tuple, config, 0u, mtu, generation);
    if (index == none && make_room()) index = records_.make(tuple, config, 0u, mtu, generation);
    if (index == none) {
        ++counters_.TcpExt_TCPAbortOnMemory;
        return none;
    }
    CHECK(index <= Ref::index_max);
    records_[index].connection.set_id(index);
    return index;
}

void Stack::free_record(Record& r) {
    const std::uint32_t index = r.connection.id();
    remove<&Record::speak>(speak_, r);
    remove<&Record::news>(news_, r);
    wheel_.disarm(ref_of(r), r.timer);
    if (r.fast_open) leave_fast_open({}, index);
    if (r.linked) unlink_flow(r.connection.tuple(), ref_of(r));
    if (burst_.owner() == index) burst_.cancel();
    if (r.orphan) --orphans_;
    r.connection.release(environment_);
    records_.free(index);
}

// What the budget's end means: windows have stopped growing already (tcp/text.cpp); now, in this
// order, half-open records go (their SYN comes again), TIME-WAITs, what waits out of order (it is
// sent again). Whatever is then still too much is refused where it comes in.
bool Stack::make_room() {
    ++counters_.TcpExt_TCPMemoryPressures;
    log_.count(event::Kind::memory_pressure);
    if (half_open_.in_use() != 0) {
        const std::uint32_t before = half_open_.in_use();
        half_open_.for_each_in_one_slab(
            [&](std::uint32_t index, HalfOpen&) { forget_half_open(index); });
        counters_.Estab_TCPHalfOpenEvicted += before - half_open_.in_use();
        return true;
    }
    if (time_waits_.in_use() != 0) {
        const std::uint32_t before = time_waits_.in_use();
        time_waits_.for_each_in_one_slab(
            [&](std::uint32_t index, TimeWait&) { forget_time_wait(index); });
        counters_.TcpExt_TWRecycled += before - time_waits_.in_use();
        return true;
    }
    return drop_some_out_of_order();
}

// A bounded search: what attacks the budget must not have all connections looked at for every
// packet.
bool Stack::drop_some_out_of_order() {
    constexpr std::uint32_t looks = 256;
    const std::uint32_t end = records_.index_end();
    std::uint64_t octets = 0;
    for (std::uint32_t i = 0; i < std::min(looks, end); ++i) {
        if (++room_cursor_ >= end) room_cursor_ = 0;
        if (records_.is_used(room_cursor_)) {
            octets += records_[room_cursor_].connection.drop_out_of_order(environment_);
        }
    }
    return octets != 0;
}

// Listeners and connections point at configurations. Few are different, so equal ones are one;
// those that nobody points at any more go when their number has doubled.
const tcp::Config* Stack::keep_config(const tcp::Config* wanted) {
    if (wanted == nullptr || *wanted == config_) return &config_;
    for (const auto& kept : configs_kept_) {
        if (*kept == *wanted) return kept.get();
    }
    if (configs_kept_.size() >= configs_sweep_at_) {
        std::vector<const tcp::Config*> used;
        for (const Listener& l : listeners_) {
            if (l.used) used.push_back(l.config);
        }
        records_.for_each(
            [&](std::uint32_t, Record& r) { used.push_back(&r.connection.config()); });
        std::erase_if(configs_kept_, [&](const auto& kept) {
            return std::find(used.begin(), used.end(), kept.get()) == used.end();
        });
        configs_sweep_at_ = std::max<std::size_t>(16, configs_kept_.size() * 2);
    }
    return configs_kept_.emplace_back(std::make_unique<const tcp::Config>(*wanted)).get();
}

void Stack::touch_record(Record& r) {
    push<&Record::speak>(speak_, r);
    collect(r);
}

void Stack::collect(Record& r) {
    const tcp::Notice n = r.connection.take_notice();
    if (!n.any()) return;
    // The SYN's timer would run out for nothing, when the record has long left the caches.
    if (n.connected) wheel_.disarm(ref_of(r), r.timer);
    r.notice.add(n);
    if (r.owned) push<&Record::news>(news_, r);
}

// It has nothing more to say for now.
void Stack::settle(Instant now, Record& r) {
    collect(r);
    if (r.fast_open) follow_fast_open(now, r.connection.id());
    if (r.connection.config().tcb_sharing) share_path(now, r);
    const std::uint32_t ref = ref_of(r);
    if (r.connection.is_finished()) {
        wheel_.disarm(ref, r.timer);
        if (r.linked) {
            unlink_flow(r.connection.tuple(), ref);
            r.linked = false;
        }
        if (!r.owned && !r.queued) free_record(r);
        return;
    }
    if (r.connection.can_pack() && pack_time_wait(r)) return;
    wheel_.arm(ref, r.timer, r.connection.deadline());
}

void Stack::notice_listener(std::uint32_t index) {
    Listener& l = listeners_[index];
    if (!l.noticed) ++listeners_noticed_;
    l.noticed = true;
}

std::optional<Notification> Stack::next_notification() {
    for (std::uint32_t i = 0; listeners_noticed_ != 0 && i < listeners_.size(); ++i) {
        Listener& l = listeners_[i];
        if (!l.used || !l.noticed) continue;
        l.noticed = false;
        --listeners_noticed_;
        return Notification{.listener = {i, l.generation}};
    }
    std::optional<Notification> news;
    if (news_.head == none) return news;
    Record& r = records_[news_.head];
    news.emplace();
    news->connection = {r.connection.id(), r.generation};
    news->what = r.notice;
    remove<&Record::news>(news_, r);
    r.notice = {};
    return news;
}

std::uint16_t Stack::mtu_towards(Instant now, const wire::Address& remote) {
    std::uint32_t mtu = caps_.mtu;
    if (const auto* route = routes_.route_to(remote); route != nullptr && route->mtu != 0)
        mtu = std::min(mtu, route->mtu);
    return static_cast<std::uint16_t>(
        std::min<std::uint32_t>(path_mtus_.find(now, remote, mtu), 65'535));
}

void Stack::drop(event::Drop reason) {
    log_.count(event::Kind::dropped);
    if (log_.wants(event::Kind::dropped)) {
        log_.keep({.kind = event::Kind::dropped,
                   .connection = event::no_connection,
                   .values = {static_cast<std::uint64_t>(reason)}});
    }
}

void Stack::on_packet(std::uint8_t protocol, PacketHandler handler, void* context) {
    Handler& h = protocol == wire::protocol_udp ? udp_ : other_;
    if (&h == &other_) other_protocol_ = protocol;
    h.on_packet = handler;
    h.packet_context = context;
}

void Stack::on_icmp_report(std::uint8_t protocol, IcmpHandler handler, void* context) {
    Handler& h = protocol == wire::protocol_udp ? udp_ : other_;
    h.on_icmp = handler;
    h.icmp_context = context;
}

}  // namespace estab::stack
