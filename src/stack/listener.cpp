// Listening: RFC 9293 3.10.7.2, the SYN queue of half-open records, the accept queue, and what
// happens when they are full (as Linux does): RFC 4987.
#include <algorithm>

#include "stack/stack.hpp"
#include "tcp/plant.hpp"

namespace estab::stack {

using wire::Flags;

namespace {

constexpr std::size_t listeners_max = 65'536;

}  // namespace

// --- The owner's side

Result<ListenerId> Stack::listen(const ListenOptions& options) {
    if (!options.any_port && options.port == 0) return fail(Error::invalid_argument);
    const wire::Address at = options.address.address;
    if (!options.any_address && !at.is_unspecified() && !routes_.is_local(at))
        return fail(Error::address_unavailable);
    for (const Listener& l : listeners_) {
        if (!l.used || l.options.any_port != options.any_port || l.options.port != options.port)
            continue;
        const bool same = l.options.any_address == options.any_address &&
                          (options.any_address || l.options.address == options.address);
        if (same) return fail(Error::address_in_use);  // MUST-41
    }
    auto free = std::find_if(listeners_.begin(), listeners_.end(),
                             [](const Listener& l) { return !l.used; });
    if (free == listeners_.end()) {
        if (listeners_.size() == listeners_max) return fail(Error::no_memory);
        free = listeners_.emplace(listeners_.end());
    }
    *free = Listener{};
    free->options = options;
    free->config = keep_config(options.config);
    free->options.config = nullptr;
    free->options.backlog = options.backlog == 0 ? free->config->backlog
                                                 : std::min(options.backlog, free->config->backlog);
    free->generation = ++generation_;
    free->used = true;
    recount_half_open();
    return ListenerId{static_cast<std::uint32_t>(free - listeners_.begin()), free->generation};
}

Result<ConnectionId> Stack::accept(ListenerId id) {
    Listener* const found = find_listener(id);
    if (found == nullptr) return fail(Error::not_found);
    Listener& l = *found;
    const std::uint32_t index = l.queue.head;
    if (index == none) return fail(Error::would_block);
    Record& r = records_[index];
    remove<&Record::news>(l.queue, r);
    --l.queue_length;
    r.queued = false;
    r.owned = true;
    if (r.notice.any()) push<&Record::news>(news_, r);
    return ConnectionId{index, r.generation};
}

std::size_t Stack::accept_queue(ListenerId id) const {
    const Listener* l = const_cast<Stack*>(this)->find_listener(id);
    return l != nullptr ? l->queue_length : 0;
}

Result<void> Stack::configure(ListenerId id, const tcp::Config& config) {
    Listener* const l = find_listener(id);
    if (l == nullptr) return fail(Error::not_found);
    l->config = keep_config(&config);
    l->options.backlog = config.backlog;
    return {};
}

void Stack::set_fast_open_keys(ListenerId id, SipKey primary, std::optional<SipKey> backup) {
    Listener* const l = find_listener(id);
    if (l != nullptr) l->fast_open_keys.emplace(0).set(primary, backup);
}

Stack::Listener* Stack::find_listener(ListenerId id) {
    if (id.index >= listeners_.size()) return nullptr;
    Listener& l = listeners_[id.index];
    return l.used && l.generation == id.generation ? &l : nullptr;
}

Result<void> Stack::close_listener(Instant now, ListenerId id) {
    if (find_listener(id) == nullptr) return fail(Error::not_found);
    half_open_.for_each([&](std::uint32_t index, HalfOpen& h) {
        if (listener_index(h.tuple.local) == id.index) forget_half_open(index);
    });
    std::erase_if(held_, [&](const Held& h) { return h.listener == id.index; });
    while (true) {  // what nobody accepted is reset
        const auto waiting = accept(id);
        if (!waiting) break;
        abort(now, *waiting);
    }
    if (listeners_[id.index].noticed) --listeners_noticed_;
    listeners_[id.index].used = false;
    recount_half_open();
    return {};
}

// The most particular one: an address before a network before any, a port before any port.
std::uint32_t Stack::listener_index(const wire::Endpoint& local) const {
    std::uint32_t best = none;
    int best_rank = -1;
    for (std::uint32_t i = 0; i < listeners_.size(); ++i) {
        const Listener& l = listeners_[i];
        if (!l.used || (!l.options.any_port && l.options.port != local.port)) continue;
        if (!l.options.any_address && !l.options.address.contains(local.address)) continue;
        const int rank = (l.options.any_port ? 0 : 1000) +
                         (l.options.any_address ? 0 : 1 + l.options.address.length);
        if (rank > best_rank) {
            best_rank = rank;
            best = i;
        }
    }
    return best;
}

// A half-open record belongs to whoever listens there now. There is no room in it to remember, so
// the counts are made anew when that changes.
void Stack::recount_half_open() {
    for (Listener& l : listeners_) l.half_open = 0;
    half_open_.for_each([&](std::uint32_t, HalfOpen& h) {
        const std::uint32_t listener = listener_index(h.tuple.local);
        if (listener != none) ++listeners_[listener].half_open;
    });
}

// As Linux counts: `backlog` connections wait and one more.
bool Stack::is_full(const Listener& listener) const {
    return listener.queue_length > listener.options.backlog;
}

// --- LISTEN

void Stack::on_listen(Instant now, const wire::FourTuple& tuple, tcp::Segment& seg,
                      const wire::IpPacket& packet) {
    const std::uint32_t index = listener_index(tuple.local);
    if (index == none) return answer_reset(tuple, seg);  // CLOSED: 3.10.7.1
    if (seg.has(Flags::rst)) return;                     // first
    if (seg.has(Flags::ack)) {                           // second: a cookie come home, or a stray
        if (!seg.has(Flags::syn) && accept_cookie(now, index, tuple, seg)) return;
        if (planted(tcp::Bug::listen_ack_silent)) return;
        return answer_reset(tuple, seg);
    }
    if (seg.has(Flags::syn) && (!seg.has(Flags::fin) || config_.syn_fin_opens))
        on_syn(now, index, tuple, seg, packet);  // third
}

void Stack::on_syn(Instant now, std::uint32_t index, const wire::FourTuple& tuple,
                   tcp::Segment& seg, const wire::IpPacket& packet,
                   std::optional<tcp::Seq> iss) {
    Listener& l = listeners_[index];
    if (seg.options.malformed) ++counters_.Estab_TCPMalformedOptions;
    counters_.Estab_TCPUnknownOptions += seg.options.unknown_count;
    if (is_full(l)) {
        ++counters_.TcpExt_ListenOverflows;
        ++counters_.TcpExt_ListenDrops;
        log_.count(event::Kind::accept_queue_full);
        return;
    }
    tcp::Handshake h = offer(now, l, tuple, seg);
    if (iss) h.iss = *iss;
    if (l.options.hold) return hold_syn(now, index, tuple, h, packet);
    tcp::FastOpenCookie cookie;
    if (l.config->fast_open != 0 && try_fast_open(now, index, h, tuple, seg, cookie)) return;
    answer_syn(now, l, tuple, h, cookie);
}

// What we make of a SYN. Text on it is not kept: only the SYN is acknowledged, and the peer sends
// the text again (S2-9a).
tcp::Handshake Stack::offer(Instant now, const Listener& l, const wire::FourTuple& tuple,
                            const tcp::Segment& seg) {
    const tcp::Config& c = *l.config;
    const wire::TcpOptions& o = c.syn_options ? seg.options : wire::TcpOptions{};
    tcp::Handshake h;
    h.iss = tcp::Seq::initial(secrets_.initial_sequence(now, tuple));
    h.irs = tcp::Seq::initial(seg.seq.wire());
    h.peer_mss =
        o.mss ? std::max(*o.mss, c.mss_min)
              : static_cast<std::uint16_t>(tuple.remote.address.is_v4() ? 536 : 1220);  // MUST-15
    h.scaling = c.window_scaling && o.window_scale.has_value();
    h.snd_shift = h.scaling ? std::min<std::uint8_t>(*o.window_scale, 14) : 0;
    h.rcv_shift = h.scaling ? tcp::wanted_shift(c) : 0;
    h.sack = c.sack && o.sack_permitted;
    h.timestamps = c.timestamps && o.timestamps.has_value();
    h.ts_recent = h.timestamps ? o.timestamps->val : 0;
    h.syn_ecn = seg.ecn;
    h.accecn = tcp::accepts_accecn(tcp::ecn_mode(c)) &&
               tcp::ecn_request(seg.flags) == tcp::EcnRequest::accecn;
    h.ecn = c.ecn != tcp::EcnMode::off && !h.accecn && seg.has(Flags::ece) &&
            seg.has(Flags::cwr);  // a server without RFC 9768 does not look at AE
    h.ts_offset = secrets_.timestamp_offset(tuple);
    h.rcv_window = offered_window(c, tuple, h.timestamps);
    return h;
}

std::uint32_t Stack::offered_window(const tcp::Config& config, const wire::FourTuple& tuple,
                                    bool timestamps) const {
    const std::uint32_t mss =
        tcp::advertised_mss(config, mtu_for(tuple), tuple.remote.address.is_v4());
    return tcp::first_window(config, mss - (timestamps ? 12 : 0));
}

bool Stack::answer_syn(Instant now, Listener& l, const wire::FourTuple& tuple,
                       const tcp::Handshake& h, const tcp::FastOpenCookie& fast_open) {
    const bool full =
        l.half_open >= std::min(l.config->syn_queue_max, std::max(l.options.backlog, 1u) * 16);
    if (!full && !l.config->syn_cookies_always && add_half_open(now, l, tuple, h)) {
        send_syn_ack(now, *l.config, tuple, h, nullptr, fast_open);
        return true;
    }
    log_.count(event::Kind::syn_queue_full);
    if (!l.config->syn_cookies && !l.config->syn_cookies_always) {
        ++counters_.TcpExt_TCPReqQFullDrop;
        ++counters_.TcpExt_ListenDrops;
        return false;
    }
    ++counters_.TcpExt_TCPReqQFullDoCookies;
    send_cookie(now, l, tuple, h);
    return true;
}

void Stack::send_syn_ack(Instant now, const tcp::Config& config, const wire::FourTuple& tuple,
                         const tcp::Handshake& h, const Cookie* cookie,
                         const tcp::FastOpenCookie& fast_open) {
    tcp::Segment out;
    out.seq = h.iss;
    out.ack = h.irs + 1;
    out.flags = {static_cast<std::uint16_t>(Flags::syn | Flags::ack | (h.ecn ? Flags::ece : 0))};
    // RFC 9768 3.2.3.2.2: sent again it has no option, and then nothing of AccECN at all.
    if (h.accecn && h.retransmits < 2) {
        out.flags.bits |= tcp::ace_flags(tcp::handshake_ace(h.syn_ecn));
        if (h.retransmits == 0 && config.accecn_option != 0)
            out.options.accecn = wire::AccEcnOption{
                .fields = 3, .order1 = config.accecn_everywhere, .e0b = 1, .e1b = 1};
    }
    out.hop_limit = config.hop_limit;  // MUST-49
    out.dscp = config.dscp;            // MUST-48
    if (config.syn_options)
        out.options.mss =
            tcp::advertised_mss(config, mtu_for(tuple), tuple.remote.address.is_v4());
    out.options.sack_permitted = h.sack;
    if (h.scaling) out.options.window_scale = h.rcv_shift;
    if (h.timestamps) {
        auto ts = static_cast<std::uint32_t>(now.time_since_epoch() / config.timestamp_tick) +
                  h.ts_offset;
        if (cookie != nullptr) ts = Secrets::timestamp_with(ts, *cookie);
        out.options.timestamps = wire::Timestamps{ts, h.ts_recent};
    }
    if (fast_open.size != 0) {
        out.options.fast_open = fast_open.bytes();
        out.options.fast_open_experimental = fast_open.experimental;
        note_fast_open(now, none, event::Step::given);
    }
    out.window_field = static_cast<std::uint16_t>(h.rcv_window);
    answer(tuple, out);
}

// Nothing is kept: the sequence number and the timestamp are the record.
void Stack::send_cookie(Instant now, Listener& l, const wire::FourTuple& tuple, tcp::Handshake h) {
    // There is no place for which AccECN was agreed on, so RFC 3168 it is.
    h.ecn = h.ecn || h.accecn;
    h.accecn = false;
    const Cookie cookie{.mss = h.peer_mss, .scaling = h.scaling, .snd_shift = h.snd_shift,
                        .sack = h.sack, .ecn = h.ecn};
    h.iss = tcp::Seq::initial(secrets_.cookie(now, tuple, h.irs.wire(), h.peer_mss));
    if (!h.timestamps) h.scaling = h.sack = h.ecn = false;  // there is no place to remember them
    l.cookies_since = now;
    ++counters_.TcpExt_SyncookiesSent;
    log_.count(event::Kind::syn_cookie_sent);
    send_syn_ack(now, *l.config, tuple, h, &cookie);
}

bool Stack::accept_cookie(Instant now, std::uint32_t index, const wire::FourTuple& tuple,
                          tcp::Segment& seg) {
    Listener& l = listeners_[index];
    constexpr Duration valid = 3 * 64s;
    if (l.cookies_since == Instant::min() || now - l.cookies_since > valid) return false;
    const wire::SeqNum iss{seg.ack.wire().raw - 1};
    const wire::SeqNum irs{seg.seq.wire().raw - 1};
    const auto mss = secrets_.open_cookie(now, tuple, irs, iss);
    if (!mss) {
        ++counters_.TcpExt_SyncookiesFailed;
        log_.count(event::Kind::syn_cookie_failed);
        return false;
    }
    if (is_full(l)) {
        ++counters_.TcpExt_ListenOverflows;
        ++counters_.TcpExt_ListenDrops;
        return !l.config->abort_on_overflow;
    }
    ++counters_.TcpExt_SyncookiesRecv;
    log_.count(event::Kind::syn_cookie_accepted);
    tcp::Handshake h;
    h.iss = tcp::Seq::initial(iss);
    h.irs = tcp::Seq::initial(irs);
    h.peer_mss = *mss;
    h.ts_offset = secrets_.timestamp_offset(tuple);
    if (l.config->timestamps && seg.options.timestamps) {
        Cookie c;
        Secrets::read_timestamp(seg.options.timestamps->ecr, c);
        h.timestamps = true;
        h.ts_recent = seg.options.timestamps->val;
        h.scaling = c.scaling;
        h.snd_shift = c.snd_shift;
        h.sack = c.sack;
        h.ecn = c.ecn;
    }
    h.rcv_shift = h.scaling ? tcp::wanted_shift(*l.config) : 0;
    h.rcv_window = offered_window(*l.config, tuple, h.timestamps);
    establish(now, now, index, tuple, h, seg, none);
    return true;
}

}  // namespace estab::stack
