// The part of RFC 3986 that an HTTP client needs.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace estab::cli {

struct Url {
    std::string host;          // a name or an address, without brackets
    std::uint16_t port = 80;
    std::string target = "/";  // path and query, ready for a request line

    // "http://HOST[:PORT][/PATH][?QUERY]"; "http://" may be missing. Throws std::runtime_error.
    static Url parse(std::string_view text);
    // What a Location field means when this was asked for (RFC 3986 5.2, RFC 9110 10.2.2).
    Url resolve(std::string_view reference) const;
    std::string authority() const;   // for the Host field
    std::string text() const;
    // The last part of the path, decoded; empty when there is none that is a file name.
    std::string file_name() const;
};

}  // namespace estab::cli
