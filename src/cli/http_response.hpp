// Reads one response of HTTP/1.x, octet by octet as it comes. Boost.Beast does the parsing and is
// seen by http_response.cpp alone.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.hpp"

namespace estab::cli {

class HttpResponse {
public:
    HttpResponse();
    ~HttpResponse();

    // Called when the header is complete, before any of the body.
    std::function<void()> on_header;
    std::function<void(Bytes)> on_body;

    // Takes octets; what is behind the response is ignored. Throws std::runtime_error for what is
    // not HTTP, and whatever the callbacks throw.
    void feed(Bytes octets);
    // The peer has finished. Throws when that is too early.
    void finish();
    bool is_done() const;

    int status() const;
    std::string reason() const;
    std::string_view field(std::string_view name) const;  // without regard to case; empty: none
    std::optional<std::uint64_t> body_bytes() const;      // if the header says so

private:
    struct Parser;
    std::unique_ptr<Parser> parser_;
    std::string waiting_;   // of an incomplete header or chunk; at most what Beast allows
};

}  // namespace estab::cli
