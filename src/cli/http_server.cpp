#include "cli/http_server.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <memory>
#include <utility>
#include <vector>

#include "cli/console.hpp"
#include "cli/http.hpp"
#include "runtime/send_file.hpp"

namespace estab::cli {
namespace {

namespace beast = boost::beast::http;

const char* reason(int status) {
    switch (status) {
    case 200: return "OK";
    case 206: return "Partial Content";
    case 301: return "Moved Permanently";
    case 304: return "Not Modified";
    case 400: return "Bad Request";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 413: return "Content Too Large";
    case 416: return "Range Not Satisfiable";
    case 431: return "Request Header Fields Too Large";
    case 505: return "HTTP Version Not Supported";
    default: return "Internal Server Error";
    }
}

std::string_view view(boost::beast::string_view text) { return {text.data(), text.size()}; }

}  // namespace

struct FileServer::Request {
    int status = 200;  // or what is wrong with it
    std::string method, target, range, if_range, if_none_match, if_modified_since;
    bool keep_alive = false;
};

// A head, and a body of pieces: text, or a part of the file.
struct FileServer::Answer {
    struct Piece {
        std::string text;
        std::uint64_t first = 0, size = 0;
    };
    int status = 200;
    std::string headers;  // without status line, length and connection
    std::vector<Piece> pieces;
    drivers::Fd file;

    std::uint64_t size() const {
        std::uint64_t sum = 0;
        for (const Piece& piece : pieces) sum += piece.text.size() + piece.size;
        return sum;
    }
    static Answer error(int status) {
        Answer answer;
        answer.status = status;
        answer.headers = "Content-Type: text/plain; charset=utf-8\r\n";
        answer.pieces.push_back({.text = fmt::format("{} {}\n", status, reason(status))});
        if (status == 405) answer.headers += "Allow: GET, HEAD\r\n";
        return answer;
    }
};

namespace {

using Parser = beast::request_parser<beast::empty_body>;

int status_of(const boost::system::error_code& error) {
    if (error == beast::error::bad_version) return 505;
    if (error == beast::error::header_limit || error == beast::error::buffer_overflow) return 431;
    if (error == beast::error::body_limit || error == beast::error::unexpected_body) return 413;
    return 400;
}

}  // namespace

FileServer::FileServer(const std::string& folder, bool logs, const Limits& limits)
    : folder_(::open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)),
      logs_(logs),
      limits_(limits) {
    if (!folder_) drivers::throw_system("cannot serve " + folder);
    if (::faccessat(*folder_, ".", R_OK | X_OK, AT_EACCESS) != 0)
        drivers::throw_system("cannot serve " + folder);
}

socket::Task<> FileServer::run(socket::Reactor& reactor, socket::Listener& listener) {
    for (;;) {
        auto stream = co_await listener.async_accept();
        if (!stream) co_return;
        socket::spawn(reactor, talk(reactor, std::move(*stream)));
    }
}

socket::Task<> FileServer::talk(socket::Reactor& reactor, socket::Stream stream) {
    std::vector<std::uint8_t> buffer;  // what has been read and not yet parsed
    for (bool go_on = true; go_on;) {
        Parser parser;
        parser.header_limit(static_cast<std::uint32_t>(limits_.header_bytes));
        parser.eager(false);
        boost::system::error_code error;
        while (!parser.is_header_done()) {
            if (!buffer.empty()) {
                const std::size_t used =
                    parser.put(boost::asio::buffer(buffer.data(), buffer.size()), error);
                buffer.erase(buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(used));
                if (parser.is_header_done() || (error && error != beast::error::need_more)) break;
                if (buffer.size() > limits_.header_bytes) {
                    error = beast::error::header_limit;
                    break;
                }
            }
            const std::size_t before = buffer.size();
            buffer.resize(before + 4096);
            const auto n = co_await stream.async_read(MutableBytes(buffer).subspan(before),
                                                      after(reactor.now(), limits_.idle));
            buffer.resize(before + n.value_or(0));
            if (!n || *n == 0) co_return;  // gone, or silent for too long
        }
        Request request;
        const bool failed = error && error != beast::error::need_more && !parser.is_header_done();
        if (failed) {
            request.status = status_of(error);
        } else {
            const auto& head = parser.get();
            request.method = view(head.method_string());
            request.target = view(head.target());
            request.range = view(head[beast::field::range]);
            request.if_range = view(head[beast::field::if_range]);
            request.if_none_match = view(head[beast::field::if_none_match]);
            request.if_modified_since = view(head[beast::field::if_modified_since]);
            request.keep_alive = parser.keep_alive();
            if (parser.chunked() || parser.content_length().value_or(0) != 0) request.status = 413;
            if (head.version() == 11 && head.count(beast::field::host) != 1) request.status = 400;
        }
        ++requests_;
        Answer answer = answer_to(request);
        go_on = request.status == 200 && request.keep_alive;
        answer.headers += go_on ? "Connection: keep-alive\r\n" : "Connection: close\r\n";
        if (logs_) {
            note(stream.remote().text(),
                 fmt::format("\"{} {}\" {} {}", printable(request.method),
                             printable(request.target), answer.status, answer.size()));
        }
        if (!co_await send(reactor, stream, answer, request.method != "HEAD")) go_on = false;
    }
    (void)stream.shutdown_write();
    // What the peer still sends must not become a reset that overtakes our answer.
    std::uint8_t rest[4096];
    const Instant until = after(reactor.now(), 2s);
    for (;;) {
        const auto n = co_await stream.async_read(rest, until);
        if (!n || *n == 0) co_return;
    }
}

socket::Task<bool> FileServer::send(socket::Reactor& reactor, socket::Stream& stream,
                                    Answer& answer, bool body) {
    std::string head =
        fmt::format("HTTP/1.1 {} {}\r\nServer: estab\r\nDate: {}\r\n{}", answer.status,
                    reason(answer.status), http::date_text(::time(nullptr)), answer.headers);
    if (answer.status != 304) head += fmt::format("Content-Length: {}\r\n", answer.size());
    head += "\r\n";
    if (!body) answer.pieces.clear();
    for (const Answer::Piece& piece : answer.pieces) {
        head += piece.text;
        if (piece.size == 0) continue;
        if (!co_await write(reactor, stream, head)) co_return false;
        head.clear();
        const auto sent = co_await runtime::send_file(
            reactor, stream, *answer.file,
            {.part = {piece.first, piece.size}, .patience = limits_.idle});
        if (!sent) co_return false;
    }
    co_return co_await write(reactor, stream, head);
}

socket::Task<bool> FileServer::write(socket::Reactor& reactor, socket::Stream& stream,
                                     std::string_view text) {
    const Bytes octets(reinterpret_cast<const std::uint8_t*>(text.data()), text.size());
    const auto sent = co_await stream.async_write_all(octets, after(reactor.now(), limits_.idle));
    co_return sent.has_value();
}

FileServer::Answer FileServer::answer_to(const Request& request) const {
    if (request.status != 200) return Answer::error(request.status);
    if (request.method != "GET" && request.method != "HEAD") return Answer::error(405);
    const std::optional<std::string> path = http::path_of(request.target);
    if (!path) return Answer::error(400);
    drivers::Fd found = open_beneath(*path);
    struct stat status {};
    if (!found || ::fstat(*found, &status) != 0) return Answer::error(errno == EACCES ? 403 : 404);
    if (S_ISREG(status.st_mode)) {
        if (path->ends_with('/')) return Answer::error(404);
        return answer_file(request, *path, std::move(found));
    }
    if (!S_ISDIR(status.st_mode)) return Answer::error(403);
    if (!path->empty() && !path->ends_with('/')) {
        Answer answer = Answer::error(301);
        std::string location = "/";
        for (const char c : *path) location += c == '/' ? "/" : http::percent_encode({&c, 1});
        answer.headers += fmt::format("Location: {}/\r\n", location);
        return answer;
    }
    if (drivers::Fd index = open_beneath(*path + "index.html"); index)
        return answer_file(request, "index.html", std::move(index));
    return answer_folder(*path, std::move(found));
}

// The kernel keeps to the folder: `..` and symbolic links that lead out of it are errors.
drivers::Fd FileServer::open_beneath(const std::string& path) const {
    open_how how{};
    how.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
    how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
    const char* name = path.empty() ? "." : path.c_str();
    return drivers::Fd(static_cast<int>(::syscall(SYS_openat2, *folder_, name, &how, sizeof how)));
}

FileServer::Answer FileServer::answer_file(const Request& request, const std::string& path,
                                           drivers::Fd file) const {
    struct stat status {};
    if (::fstat(*file, &status) != 0 || !S_ISREG(status.st_mode)) return Answer::error(403);
    const auto size = static_cast<std::uint64_t>(status.st_size);
    const std::string etag =
        fmt::format("\"{:x}-{:x}{:08x}\"", size, status.st_mtim.tv_sec, status.st_mtim.tv_nsec);
    const std::string modified = http::date_text(status.st_mtim.tv_sec);
    Answer answer;
    answer.headers =
        fmt::format("ETag: {}\r\nLast-Modified: {}\r\nAccept-Ranges: bytes\r\n", etag, modified);

    // RFC 9110 13.2.2: the ETag decides where there is one.
    const auto since = http::parse_date(request.if_modified_since);
    const bool unchanged = request.if_none_match.empty()
                               ? since && status.st_mtim.tv_sec <= *since
                               : http::has_etag(request.if_none_match, etag);
    if (unchanged) {
        answer.status = 304;
        return answer;
    }
    const bool same =
        request.if_range.empty() || request.if_range == etag || request.if_range == modified;
    const http::Ranges ranges = same ? http::parse_ranges(request.range, size) : http::Ranges{};
    const std::string_view type = http::content_type(path);
    if (ranges.kind == http::Ranges::Kind::unsatisfiable) {
        answer = Answer::error(416);
        answer.headers += fmt::format("Content-Range: bytes */{}\r\n", size);
        return answer;
    }
    answer.file = std::move(file);
    if (ranges.kind == http::Ranges::Kind::none) {
        answer.headers += fmt::format("Content-Type: {}\r\n", type);
        answer.pieces.push_back({.text = {}, .first = 0, .size = size});
        return answer;
    }
    answer.status = 206;
    if (ranges.list.size() == 1) {
        const http::Range range = ranges.list[0];
        answer.headers += fmt::format("Content-Type: {}\r\nContent-Range: bytes {}-{}/{}\r\n", type,
                                      range.first, range.last, size);
        answer.pieces.push_back({.text = {}, .first = range.first, .size = range.size()});
        return answer;
    }
    const std::string boundary = fmt::format("estab-{:x}-{:x}", size, status.st_mtim.tv_nsec);
    answer.headers += fmt::format("Content-Type: multipart/byteranges; boundary={}\r\n", boundary);
    for (const http::Range& range : ranges.list) {
        answer.pieces.push_back(
            {.text = fmt::format(
                 "\r\n--{}\r\nContent-Type: {}\r\nContent-Range: bytes {}-{}/{}\r\n\r\n", boundary,
                 type, range.first, range.last, size),
             .first = range.first,
             .size = range.size()});
    }
    answer.pieces.push_back({.text = fmt::format("\r\n--{}--\r\n", boundary)});
    return answer;
}

FileServer::Answer FileServer::answer_folder(const std::string& path, drivers::Fd folder) const {
    const std::unique_ptr<DIR, int (*)(DIR*)> entries(::fdopendir(*folder), ::closedir);
    if (!entries) return Answer::error(403);
    folder.release();
    std::vector<http::Entry> list;
    while (const dirent* entry = ::readdir(entries.get())) {
        const std::string name = entry->d_name;
        struct stat status {};
        if (name == "." || name == ".." ||
            ::fstatat(::dirfd(entries.get()), name.c_str(), &status, 0) != 0)
            continue;
        list.push_back({name, S_ISDIR(status.st_mode), static_cast<std::uint64_t>(status.st_size)});
    }
    Answer answer;
    answer.headers = "Content-Type: text/html; charset=utf-8\r\n";
    answer.pieces.push_back({.text = http::listing(path, std::move(list))});
    return answer;
}

}  // namespace estab::cli
