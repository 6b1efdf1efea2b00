// What of HTTP/1.1 (RFC 9110, 9112) needs no connection: targets, ranges, dates, types, listings.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace estab::cli::http {

// The path of a request's target, decoded, without its leading slash and query. Nothing: malformed.
std::optional<std::string> path_of(std::string_view target);

struct Range {
    std::uint64_t first = 0, last = 0;  // both included, inside the file
    std::uint64_t size() const { return last - first + 1; }
};
struct Ranges {
    enum class Kind : std::uint8_t {
        none,           // no such header, or one to be ignored: the whole file
        some,
        unsatisfiable,  // 416
    } kind = Kind::none;
    std::vector<Range> list;
};
// More ranges than this ask for trouble: the header is ignored (RFC 9110 14.2).
inline constexpr std::size_t ranges_max = 16;
Ranges parse_ranges(std::string_view header, std::uint64_t size);

std::string date_text(std::int64_t unix_s);                  // IMF-fixdate
std::optional<std::int64_t> parse_date(std::string_view text);
bool has_etag(std::string_view list, std::string_view etag); // of If-None-Match; `*` too

std::string_view content_type(std::string_view path);
std::string html_escape(std::string_view text);
std::string percent_encode(std::string_view name);

struct Entry {
    std::string name;
    bool is_folder = false;
    std::uint64_t size = 0;
};
std::string listing(std::string_view path, std::vector<Entry> entries);

}  // namespace estab::cli::http
