// TCP Fast Open's cookies (RFC 7413): made and checked without memory where we listen, remembered
// for each destination where we connect.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/memory.hpp"
#include "base/siphash.hpp"
#include "base/time.hpp"
#include "tcp/fast_open.hpp"
#include "wire/address.hpp"

namespace estab::stack {

// A cookie is a keyed hash of both addresses, 8 octets (4.1.2). Keys change by themselves; a cookie
// of the key before is still good and earns a new one. With keys that were set, so that several
// hosts behind one address have the same, nothing changes by itself.
class FastOpenKeys {
public:
    enum class Verdict : std::uint8_t { bad, good, old };

    explicit FastOpenKeys(std::uint64_t seed) : master_{seed, ~seed} {}
    void set(SipKey primary, std::optional<SipKey> backup) {
        set_ = primary;
        backup_ = backup;
    }
    tcp::FastOpenCookie make(Instant now, Duration lifetime, const wire::FourTuple& tuple) const;
    Verdict check(Instant now, Duration lifetime, const wire::FourTuple& tuple,
                  Bytes cookie) const;

private:
    SipKey key(Instant now, Duration lifetime, std::int64_t ago) const;

    SipKey master_;
    std::optional<SipKey> set_, backup_;
};

// What is known about destinations. At most `places`; when a row is full, the one that was not
// asked about for longest goes. Nothing is allocated before the first is learnt.
class FastOpenCache {
public:
    static constexpr std::size_t rows = 256, row = 4, places = rows * row;

    FastOpenCache(Memory& memory, std::uint64_t seed) : memory_(memory), key_{seed, ~seed} {}
    ~FastOpenCache();
    FastOpenCache(const FastOpenCache&) = delete;
    FastOpenCache& operator=(const FastOpenCache&) = delete;

    // What a SYN to `to` may carry: nothing at all while it, or Fast Open as a whole, is blocked.
    std::optional<tcp::FastOpenOffer> find(Instant now, const wire::Address& to);
    // A cookie may be none: what was known stays.
    void learn(const wire::Address& from, const tcp::FastOpenCookie& cookie, std::uint16_t mss);
    // A SYN with text had to be repeated without: it is left alone for a while, longer each time
    // (4.1.3.1).
    void on_lost(Instant now, const wire::Address& to, Duration pause);
    // It answered without a cookie and took no text: it is left alone for `pause`.
    void on_refused(Instant now, const wire::Address& by, Duration pause);
    // SYNs vanish again and again: nobody is asked for `pause`, longer each time up to 64 times.
    void on_black_hole(Instant now, Duration pause);
    // A request went unanswered: once, the next one is made by the experimental option.
    void on_no_answer(const wire::Address& by, bool experimental);
    void on_success() { black_holes_ = 0; }
    void forget();  // everything that was learnt

private:
    struct Place {
        wire::Address address{};
        tcp::FastOpenCookie cookie{};
        std::uint16_t mss = 0;
        std::uint8_t losses = 0;
        bool used = false;
        bool try_experimental = false, tried_experimental = false;
        Instant blocked_until = Instant::min();
        std::uint64_t asked_at = 0;      // counted
    };
    Place* look_up(const wire::Address& address);
    Place* make(const wire::Address& address);
    std::span<Place> row_of(const wire::Address& address);

    Memory& memory_;
    SipKey key_;
    std::vector<Place> places_;
    std::uint64_t asked_ = 0;
    std::uint8_t black_holes_ = 0;
    Instant paused_until_ = Instant::min();
};

}  // namespace estab::stack
