// TCP Fast Open (RFC 7413): what a connection has to remember of it until its handshake is over.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "base/bytes.hpp"

namespace estab::tcp {

// 4 to 16 octets, an even number (RFC 7413 4.1.1); none: the option asks for one.
struct FastOpenCookie {
    static constexpr std::size_t most = 16;
    std::array<std::uint8_t, most> octets{};
    std::uint8_t size = 0;
    bool experimental = false;        // in the option of the experiment, kind 254

    static FastOpenCookie of(Bytes from, bool experimental = false) {
        FastOpenCookie cookie{.experimental = experimental};
        cookie.size = static_cast<std::uint8_t>(std::min(from.size(), most));
        std::copy_n(from.begin(), cookie.size, cookie.octets.begin());
        return cookie;
    }
    Bytes bytes() const { return Bytes(octets).first(size); }
    friend bool operator==(const FastOpenCookie&, const FastOpenCookie&) = default;
};

// What a client knows about the other side when it opens.
struct FastOpenOffer {
    FastOpenCookie cookie{};          // none: ask for one, and send no text
    std::uint16_t mss = 0;            // the peer's, as it was last time; 0: unknown
    bool without_cookie = false;      // text all the same, and no option
};

struct FastOpen {
    FastOpenCookie cookie{};          // sent with our SYN, or given with our SYN-ACK
    bool has_option = true;           // without it only the text goes
    bool may_send = false;            // text in the SYN
    std::uint16_t text = 0;           // octets of it that went
    // When the handshake is over:
    bool settled = false;
    bool text_taken = false;          // acknowledged with the SYN
    std::uint8_t syns_lost = 0;
    FastOpenCookie learnt{};          // came with the SYN-ACK
};

}  // namespace estab::tcp
