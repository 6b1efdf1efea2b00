// Whom a connection's first octets ask for: the name in TLS's ClientHello (RFC 6066 3) or HTTP's
// Host (RFC 9112 3.2).
#pragma once

#include <cstdint>
#include <string>

#include "base/bytes.hpp"

namespace estab::egress {

enum class Greeting : std::uint8_t {
    incomplete,  // more octets will tell
    named,       // for `name`
    nameless,    // TLS or HTTP that names nobody, or nobody that can be understood
    other,       // neither of the two
};

struct Addressee {
    Greeting greeting = Greeting::incomplete;
    std::string name;  // normal, or an address's text as it was written
};

// What is not understood after so many octets is nameless.
inline constexpr std::size_t greeting_max = 16 * 1024;

Addressee read_greeting(Bytes first_octets);

}  // namespace estab::egress
