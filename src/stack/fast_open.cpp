// TCP Fast Open on both sides of a stack: RFC 7413 4.1, 4.2.
#include "stack/fast_open.hpp"

#include <algorithm>

#include "stack/stack.hpp"

namespace estab::stack {

using tcp::FastOpenMode;
using wire::Flags;

// --- Cookies

SipKey FastOpenKeys::key(Instant now, Duration lifetime, std::int64_t ago) const {
    const std::int64_t period = now.time_since_epoch() / std::max<Duration>(lifetime, 1s) - ago;
    std::array<std::uint8_t, 9> text{};
    store_be32(text.data(), static_cast<std::uint32_t>(static_cast<std::uint64_t>(period) >> 32));
    store_be32(text.data() + 4, static_cast<std::uint32_t>(period));
    SipKey result{siphash_2_4(master_, text), 0};
    text.back() = 1;
    result.k1 = siphash_2_4(master_, text);
    return result;
}

namespace {

// The client's address, then ours: those of the SYN's header, as Linux does it.
tcp::FastOpenCookie cookie_of(SipKey key, const wire::FourTuple& tuple) {
    std::array<std::uint8_t, 32> text{};
    const Bytes client = tuple.remote.address.bytes(), server = tuple.local.address.bytes();
    std::ranges::copy(server, std::ranges::copy(client, text.begin()).out);
    const std::uint64_t hash = siphash_2_4(key, Bytes(text).first(client.size() + server.size()));
    tcp::FastOpenCookie cookie{.size = 8};
    for (std::size_t i = 0; i < 8; ++i)
        cookie.octets[i] = static_cast<std::uint8_t>(hash >> (8 * i));
    return cookie;
}

}  // namespace

tcp::FastOpenCookie FastOpenKeys::make(Instant now, Duration lifetime,
                                       const wire::FourTuple& tuple) const {
    return cookie_of(set_ ? *set_ : key(now, lifetime, 0), tuple);
}

FastOpenKeys::Verdict FastOpenKeys::check(Instant now, Duration lifetime,
                                          const wire::FourTuple& tuple, Bytes cookie) const {
    const auto matches = [&](SipKey key) {
        return std::ranges::equal(cookie_of(key, tuple).bytes(), cookie);
    };
    if (matches(set_ ? *set_ : key(now, lifetime, 0))) return Verdict::good;
    if (set_ && !backup_) return Verdict::bad;
    return matches(set_ ? *backup_ : key(now, lifetime, 1)) ? Verdict::old : Verdict::bad;
}

// --- What a client remembers

FastOpenCache::~FastOpenCache() {
    if (!places_.empty()) memory_.give(places * sizeof(Place));
}

std::span<FastOpenCache::Place> FastOpenCache::row_of(const wire::Address& address) {
    const std::uint64_t hash = siphash_1_3(key_, address.octets());
    return std::span(places_).subspan(hash % rows * row, row);
}

FastOpenCache::Place* FastOpenCache::look_up(const wire::Address& address) {
    if (places_.empty()) return nullptr;
    for (Place& place : row_of(address)) {
        if (!place.used || place.address != address) continue;
        place.asked_at = ++asked_;
        return &place;
    }
    return nullptr;
}

FastOpenCache::Place* FastOpenCache::make(const wire::Address& address) {
    if (places_.empty()) {
        if (!memory_.take(places * sizeof(Place))) return nullptr;
        places_.resize(places);
    }
    if (Place* known = look_up(address); known != nullptr) return known;
    const auto all = row_of(address);
    Place& oldest = *std::ranges::min_element(all, {}, &Place::asked_at);
    oldest = {.address = address, .used = true, .asked_at = ++asked_};
    return &oldest;
}

std::optional<tcp::FastOpenOffer> FastOpenCache::find(Instant now, const wire::Address& to) {
    if (now < paused_until_) return std::nullopt;
    const Place* known = look_up(to);
    if (known == nullptr) return tcp::FastOpenOffer{};
    if (now < known->blocked_until) return std::nullopt;
    tcp::FastOpenOffer offer{.cookie = known->cookie, .mss = known->mss};
    if (offer.cookie.size == 0) offer.cookie.experimental = known->try_experimental;
    return offer;
}

void FastOpenCache::learn(const wire::Address& from, const tcp::FastOpenCookie& cookie,
                          std::uint16_t mss) {
    Place* place = make(from);
    if (place == nullptr) return;
    if (cookie.size != 0) place->cookie = cookie;
    place->mss = mss;
    place->losses = 0;
    place->blocked_until = Instant::min();
}

void FastOpenCache::on_lost(Instant now, const wire::Address& to, Duration pause) {
    Place* place = make(to);
    if (place == nullptr) return;
    place->blocked_until = after(now, pause * (std::int64_t{1} << place->losses));
    place->losses = static_cast<std::uint8_t>(std::min(place->losses + 1, 10));
}

void FastOpenCache::on_refused(Instant now, const wire::Address& by, Duration pause) {
    Place* place = make(by);
    if (place == nullptr) return;
    place->cookie = {};
    place->blocked_until = after(now, pause);
}

void FastOpenCache::on_no_answer(const wire::Address& by, bool experimental) {
    Place* place = make(by);
    if (place == nullptr) return;
    place->tried_experimental = place->tried_experimental || experimental;
    place->try_experimental = !place->tried_experimental;
}

void FastOpenCache::forget() {
    std::ranges::fill(places_, Place{});
    black_holes_ = 0;
    paused_until_ = Instant::min();
}

void FastOpenCache::on_black_hole(Instant now, Duration pause) {
    paused_until_ = after(now, pause * (std::int64_t{1} << black_holes_));
    black_holes_ = static_cast<std::uint8_t>(std::min(black_holes_ + 1, 6));
}

// --- A client

std::optional<tcp::FastOpenOffer> Stack::fast_open_offer(Instant now, const wire::Address& remote,
                                                         const tcp::Config& config) {
    if ((config.fast_open & FastOpenMode::client) == 0) return std::nullopt;
    auto offer = fast_open_cache_.find(now, remote);
    if (offer)
        offer->without_cookie =
            offer->cookie.size == 0 && (config.fast_open & FastOpenMode::client_no_cookie) != 0;
    return offer;
}

bool Stack::knows_fast_open(Instant now, const wire::Address& remote, const tcp::Config& config) {
    const auto offer = fast_open_offer(now, remote, config);
    return offer && (offer->cookie.size != 0 || offer->without_cookie);
}

void Stack::offer_fast_open(Instant now, std::uint32_t index) {
    tcp::Connection& c = records_[index].connection;
    const auto offer = fast_open_offer(now, c.tuple().remote.address, c.config());
    if (offer) {
        records_[index].fast_open = c.offer_fast_open(environment_, *offer);
    } else if ((c.config().fast_open & FastOpenMode::client) != 0) {
        note_fast_open(now, index, event::Step::blocked);
    }
}

// Its handshake is over, or it has failed: what is to be learnt from that.
void Stack::follow_fast_open(Instant now, std::uint32_t index) {
    Record& r = records_[index];
    tcp::Connection& c = r.connection;
    if (c.state() == tcp::State::syn_sent || c.state() == tcp::State::syn_received) return;
    const tcp::FastOpen* f = c.fast_open();
    if (c.active_open() && f != nullptr) {
        const wire::Address& peer = c.tuple().remote.address;
        if (f->learnt.size == 0 && f->syns_lost != 0 && f->text != 0 && !f->text_taken) {
            if (const Duration pause = c.config().fast_open_lost; pause > 0s)
                fast_open_cache_.on_lost(now, peer, pause);
        } else if (f->settled) {
            fast_open_cache_.learn(peer, f->learnt, c.peer_mss());
            const bool asked = f->has_option && f->cookie.size == 0 && f->syns_lost == 0;
            if (c.config().fast_open_experimental && asked && f->learnt.size == 0)
                fast_open_cache_.on_no_answer(peer, f->cookie.experimental);
            const Duration pause = c.config().fast_open_refused;
            if (pause > 0s && f->learnt.size == 0 && !f->text_taken)
                fast_open_cache_.on_refused(now, peer, pause);
        }
        if (f->text_taken) fast_open_cache_.on_success();
        constexpr int too_many = 2;  // the first and another one: as Linux counts
        if (f->syns_lost >= too_many && !f->text_taken && c.config().fast_open_blackhole > 0s) {
            fast_open_cache_.on_black_hole(now, c.config().fast_open_blackhole);
            ++counters_.TcpExt_TCPFastOpenBlackhole;
        }
    }
    leave_fast_open(now, index);
}

void Stack::leave_fast_open(Instant now, std::uint32_t index) {
    Record& r = records_[index];
    r.fast_open = false;
    tcp::Connection& c = r.connection;
    const bool pending = !c.active_open();
    const bool died = c.fast_open() != nullptr && !c.fast_open()->settled && c.was_reset();
    c.forget_fast_open(environment_);
    const std::uint32_t listener = pending ? listener_index(c.tuple().local) : none;
    if (listener == none) return;
    Listener& l = listeners_[listener];
    // The reset may answer a SYN that the client never sent: while such an attack goes on, each
    // takes a place for as long as its SYN-ACKs would have gone (5.1), as Linux does it.
    if (died && l.fast_open_dead.size() < l.config->fast_open_pending) {
        l.fast_open_dead.push_back(after(now, 60s));
    } else if (l.fast_open_pending != 0) {
        --l.fast_open_pending;
    }
}

void Stack::note_fast_open(Instant now, std::uint32_t index, event::Step step) {
    log_.count(event::Kind::fast_open);
    if (!log_.wants(event::Kind::fast_open)) return;
    log_.keep({.at = now,
               .kind = event::Kind::fast_open,
               .connection = index,
               .tuple = index != none ? records_[index].connection.tuple() : wire::FourTuple{},
               .values = {static_cast<std::uint64_t>(step)}});
}

// --- A listener

bool Stack::has_fast_open_room(Instant now, Listener& l) {
    const std::uint32_t most = std::min(l.config->fast_open_pending, l.options.backlog);
    if (l.fast_open_pending < most) return true;
    if (l.fast_open_dead.empty() || l.fast_open_dead.front() > now) return false;
    l.fast_open_dead.erase(l.fast_open_dead.begin());
    if (l.fast_open_pending != 0) --l.fast_open_pending;
    return true;
}

// RFC 7413 4.2.2. True: the SYN has become a connection. Else `cookie` is what the SYN-ACK gives.
bool Stack::try_fast_open(Instant now, std::uint32_t index, const tcp::Handshake& h,
                          const wire::FourTuple& tuple, tcp::Segment& syn,
                          tcp::FastOpenCookie& cookie) {
    Listener& l = listeners_[index];
    const std::uint32_t mode = l.config->fast_open;
    const std::optional<Bytes> asked = syn.options.fast_open;
    if ((mode & FastOpenMode::server) == 0 || l.config->fast_open_pending == 0) return false;
    if (asked && asked->empty()) ++counters_.TcpExt_TCPFastOpenCookieReqd;
    const bool without =
        (mode & FastOpenMode::server_no_cookie) != 0 && (asked || !syn.payload.empty());
    if (!asked && !without) return false;
    if (!has_fast_open_room(now, l)) {
        ++counters_.TcpExt_TCPFastOpenListenOverflow;
        note_fast_open(now, none, event::Step::overflow);
        return false;  // a plain handshake, and no cookie: there is no room for another either
    }
    const Duration lifetime = l.config->fast_open_key_lifetime;
    const FastOpenKeys& keys = l.fast_open_keys ? *l.fast_open_keys : fast_open_keys_;
    FastOpenKeys::Verdict verdict = FastOpenKeys::Verdict::good;
    if (!without) {
        verdict = asked->empty() ? FastOpenKeys::Verdict::bad
                                 : keys.check(now, lifetime, tuple, *asked);
        if (verdict != FastOpenKeys::Verdict::good) {
            cookie = keys.make(now, lifetime, tuple);
            cookie.experimental = syn.options.fast_open_experimental;
        }
        if (verdict == FastOpenKeys::Verdict::bad) {
            if (asked->empty()) return false;
            ++counters_.TcpExt_TCPFastOpenPassiveFail;
            note_fast_open(now, none, event::Step::bad_cookie);
            return false;
        }
    }
    if (!open_early(now, index, h, tuple, syn, cookie)) {
        ++counters_.TcpExt_TCPFastOpenPassiveFail;
        return false;
    }
    ++counters_.TcpExt_TCPFastOpenPassive;
    if (verdict == FastOpenKeys::Verdict::old) ++counters_.TcpExt_TCPFastOpenPassiveAltKey;
    return true;
}

// A connection that can be accepted, read and written before its handshake is complete.
bool Stack::open_early(Instant now, std::uint32_t listener, const tcp::Handshake& h,
                       const wire::FourTuple& tuple, tcp::Segment& syn,
                       const tcp::FastOpenCookie& fresh) {
    Listener& l = listeners_[listener];
    const std::uint32_t index = make_record(tuple, *l.config);
    if (index == none) return false;
    Record& r = records_[index];
    r.linked = link_flow(tuple, Ref::make(Kind::connection, index));
    tcp::Connection& c = r.connection;
    if (r.linked) c.on_path_mtu(environment_, now, mtu_towards(now, tuple.remote.address));
    if (!r.linked || !c.accept_fast_open(environment_, now, h, syn, fresh)) {
        free_record(r);
        return false;
    }
    r.fast_open = true;
    ++l.fast_open_pending;
    enqueue(listener, r);
    return true;
}

}  // namespace estab::stack
