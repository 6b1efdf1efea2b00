#include "cli/http.hpp"

#include <fmt/format.h>
#include <time.h>

#include <algorithm>
#include <charconv>

namespace estab::cli::http {
namespace {

int hex(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

std::string_view trim(std::string_view text) {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
    return text;
}

template <class Each>
bool for_each_item(std::string_view list, Each each) {
    for (;;) {
        const std::size_t end = list.find(',');
        if (!each(trim(list.substr(0, end)))) return false;
        if (end == std::string_view::npos) return true;
        list.remove_prefix(end + 1);
    }
}

std::optional<std::uint64_t> number(std::string_view text) {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error == std::errc::result_out_of_range) return UINT64_MAX;
    if (error != std::errc{} || end != text.data() + text.size()) return {};
    return value;
}

// One of `bytes=0-99,-5`. False: malformed, so the whole header does not count.
bool add_range(std::string_view item, std::uint64_t size, std::vector<Range>& list) {
    const std::size_t dash = item.find('-');
    if (dash == std::string_view::npos) return false;
    const std::string_view left = item.substr(0, dash), right = item.substr(dash + 1);
    const auto last = number(right);
    if (left.empty()) {  // the last so many
        if (!last) return false;
        if (*last != 0 && size != 0) list.push_back({size - std::min(*last, size), size - 1});
        return true;
    }
    const auto first = number(left);
    if (!first || (!right.empty() && (!last || *last < *first))) return false;
    if (*first < size)
        list.push_back({*first, std::min(right.empty() ? size - 1 : *last, size - 1)});
    return true;
}

constexpr std::pair<std::string_view, std::string_view> types[] = {
    {".html", "text/html; charset=utf-8"},   {".htm", "text/html; charset=utf-8"},
    {".txt", "text/plain; charset=utf-8"},   {".md", "text/markdown; charset=utf-8"},
    {".css", "text/css; charset=utf-8"},     {".js", "text/javascript; charset=utf-8"},
    {".mjs", "text/javascript; charset=utf-8"}, {".json", "application/json"},
    {".xml", "application/xml"},             {".csv", "text/csv; charset=utf-8"},
    {".svg", "image/svg+xml"},               {".png", "image/png"},
    {".jpg", "image/jpeg"},                  {".jpeg", "image/jpeg"},
    {".gif", "image/gif"},                   {".webp", "image/webp"},
    {".ico", "image/x-icon"},                {".pdf", "application/pdf"},
    {".wasm", "application/wasm"},           {".zip", "application/zip"},
    {".gz", "application/gzip"},             {".mp4", "video/mp4"},
    {".mp3", "audio/mpeg"},                  {".woff2", "font/woff2"},
};

}  // namespace

std::optional<std::string> path_of(std::string_view target) {
    if (target.starts_with(
            "http://")) {  // the absolute form, which servers must take (RFC 9112 3.2.2)
        const std::size_t slash = target.find('/', 7);
        target = slash == std::string_view::npos ? "/" : target.substr(slash);
    }
    if (!target.starts_with('/')) return {};
    target = target.substr(0, target.find_first_of("?#"));
    std::string path;
    for (std::size_t i = 0; i < target.size(); ++i) {
        if (target[i] != '%') {
            path += target[i];
            continue;
        }
        const int high = i + 2 < target.size() ? hex(target[i + 1]) : -1;
        const int low = i + 2 < target.size() ? hex(target[i + 2]) : -1;
        if (high < 0 || low < 0 || high + low == 0) return {};
        path += static_cast<char>(high * 16 + low);
        i += 2;
    }
    if (path.find('\0') != std::string::npos) return {};
    path.erase(0, std::min(path.find_first_not_of('/'), path.size()));
    return path;
}

Ranges parse_ranges(std::string_view header, std::uint64_t size) {
    if (!header.starts_with("bytes=")) return {};
    Ranges ranges;
    std::size_t count = 0;
    const bool valid = for_each_item(header.substr(6), [&](std::string_view item) {
        return ++count <= ranges_max && add_range(item, size, ranges.list);
    });
    if (!valid) return {};
    ranges.kind = ranges.list.empty() ? Ranges::Kind::unsatisfiable : Ranges::Kind::some;
    return ranges;
}

std::string date_text(std::int64_t unix_s) {
    static constexpr const char* days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static constexpr const char* months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                             "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    const time_t at = unix_s;
    tm t{};
    ::gmtime_r(&at, &t);
    return fmt::format("{}, {:02} {} {} {:02}:{:02}:{:02} GMT", days[t.tm_wday], t.tm_mday,
                       months[t.tm_mon], t.tm_year + 1900, t.tm_hour, t.tm_min, t.tm_sec);
}

std::optional<std::int64_t> parse_date(std::string_view text) {
    tm t{};
    const std::string copy(text);
    const char* end = ::strptime(copy.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &t);
    if (end == nullptr || *end != '\0') return {};
    return ::timegm(&t);
}

bool has_etag(std::string_view list, std::string_view etag) {
    return !for_each_item(list, [&](std::string_view item) {
        if (item.starts_with("W/")) item.remove_prefix(2);
        return item != "*" && item != etag;
    });
}

std::string_view content_type(std::string_view path) {
    std::string extension(path.substr(std::min(path.rfind('.'), path.size())));
    std::ranges::transform(extension, extension.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    });
    for (const auto& [end, type] : types)
        if (extension == end) return type;
    return "application/octet-stream";
}

std::string html_escape(std::string_view text) {
    std::string out;
    for (const char c : text) {
        switch (c) {
        case '&': out += "&amp;"; break;
        case '<': out += "&lt;"; break;
        case '>': out += "&gt;"; break;
        case '"': out += "&quot;"; break;
        case '\'': out += "&#39;"; break;
        default: out += c;
        }
    }
    return out;
}

std::string percent_encode(std::string_view name) {
    std::string out;
    for (const char c : name) {
        const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                           (c >= '0' && c <= '9') ||
                           std::string_view("-._~").find(c) != std::string_view::npos;
        if (plain)
            out += c;
        else
            out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
    return out;
}

std::string listing(std::string_view path, std::vector<Entry> entries) {
    std::ranges::sort(entries, [](const Entry& a, const Entry& b) {
        return a.is_folder != b.is_folder ? a.is_folder : a.name < b.name;
    });
    const std::string title = html_escape(path);
    std::string out = fmt::format(
        "<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\"><title>/{0}</title></head>\n"
        "<body><h1>/{0}</h1>\n<ul>\n",
        title);
    if (!path.empty()) out += "<li><a href=\"../\">../</a></li>\n";
    for (const Entry& entry : entries) {
        const char* slash = entry.is_folder ? "/" : "";
        out += fmt::format("<li><a href=\"./{0}{1}\">{2}{1}</a>", percent_encode(entry.name), slash,
                           html_escape(entry.name));
        out += entry.is_folder ? "</li>\n" : fmt::format(" {}</li>\n", entry.size);
    }
    return out + "</ul></body></html>\n";
}

}  // namespace estab::cli::http
