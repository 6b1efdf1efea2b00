// estab get: an HTTP client on estab's TCP.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <charconv>

#include "cli/command.hpp"
#include "cli/console.hpp"
#include "cli/dial.hpp"
#include "cli/http_response.hpp"
#include "cli/network.hpp"
#include "cli/progress.hpp"
#include "cli/url.hpp"

namespace estab::cli {
namespace {

using socket::Stream;
using socket::Task;

constexpr int redirects_max = 10;
constexpr const char* who = "estab get";

std::optional<std::uint64_t> number(std::string_view text) {
    std::uint64_t value = 0;
    if (std::from_chars(text.data(), text.data() + text.size(), value).ec != std::errc{}) return {};
    return value;
}

// "bytes FIRST-LAST/TOTAL" or "bytes */TOTAL" (RFC 9110 14.4).
struct ContentRange {
    explicit ContentRange(std::string_view text) {
        if (!text.starts_with("bytes ")) return;
        text.remove_prefix(6);
        first = number(text);
        if (const std::size_t slash = text.find('/'); slash != std::string_view::npos)
            total = number(text.substr(slash + 1));
    }
    std::optional<std::uint64_t> first, total;
};

// Where the octets go. Nothing is made or emptied before a response has succeeded.
class Output {
public:
    struct Where {
        std::string path;        // "-": standard output
        bool resume = false;
        bool may_replace = false;
    };
    explicit Output(Where where) : where_(std::move(where)) {
        struct stat found{};
        if (is_standard() || ::stat(where_.path.c_str(), &found) != 0) return;
        if (S_ISDIR(found.st_mode))
            throw std::runtime_error(where_.path + " is a folder; -o FILE names a file");
        if (where_.resume) {
            there_ = static_cast<std::uint64_t>(found.st_size);
        } else if (!where_.may_replace) {
            throw std::runtime_error(where_.path + " exists: -C goes on with it, -o replaces it");
        }
    }

    bool is_standard() const { return where_.path == "-"; }
    const std::string& path() const { return where_.path; }
    std::uint64_t there() const { return there_; }   // octets of an earlier try
    std::uint64_t size() const { return size_; }
    bool is_open() const { return is_standard() || fd_; }

    void open(bool append) {
        size_ = append ? there_ : 0;
        if (is_standard()) return;
        const int how = O_WRONLY | O_CREAT | O_CLOEXEC | (append ? O_APPEND : O_TRUNC);
        fd_.reset(::open(where_.path.c_str(), how, 0666));
        if (!fd_) drivers::throw_system("cannot write " + where_.path);
    }
    void write(Bytes octets) {
        if (is_standard()) {
            print(octets);
        } else if (const int error = write_all(*fd_, octets); error != 0) {
            drivers::throw_system("cannot write " + where_.path, error);
        }
        size_ += octets.size();
    }
    void close() {
        if (fd_ && ::close(fd_.release()) != 0)
            drivers::throw_system("cannot write " + where_.path);
    }

private:
    Where where_;
    drivers::Fd fd_;
    std::uint64_t there_ = 0;
    std::uint64_t size_ = 0;
};

struct HttpOptions {
    Duration timeout{};
    bool quiet = false;
};

class Download {
public:
    Download(Dialer& dialer, runtime::Reactor& reactor, Output& output, const HttpOptions& options)
        : dialer_(dialer),
          reactor_(reactor),
          output_(output),
          options_(options),
          progress_(reactor.now(), !options.quiet && !output.is_standard()) {}

    Task<> run(Url url) {
        for (int hops = 0;; ++hops) {
            std::optional<Url> next = co_await ask(url);
            if (!next) break;
            if (hops == redirects_max)
                throw std::runtime_error(fmt::format("more than {} redirections, the last to {}",
                                                     redirects_max, printable(next->text())));
            url = std::move(*next);
        }
        output_.close();
        progress_.clear();
        done_ = true;
    }
    bool is_done() const { return done_; }
    bool was_complete() const { return was_complete_; }
    void clear() { progress_.clear(); }

private:
    // One request and its response. Where to ask instead, if it says so.
    Task<std::optional<Url>> ask(Url url) {
        Target target{url.host, url.port};
        Stream stream = co_await dialer_.connect(target, after(reactor_.now(), options_.timeout));
        const std::string request = request_for(url);
        const Bytes octets(reinterpret_cast<const std::uint8_t*>(request.data()), request.size());
        const Instant patience = after(reactor_.now(), options_.timeout);
        if (const auto sent = co_await stream.async_write_all(octets, patience); !sent)
            throw std::runtime_error(trouble(url, sent.error()));

        HttpResponse response;
        std::optional<Url> next;
        response.on_header = [&] { next = on_header(response, url); };
        response.on_body = [&](Bytes body) {
            if (is_wanted_) output_.write(body);
        };
        is_wanted_ = was_complete_ = false;
        std::vector<std::uint8_t> buffer(256 << 10);
        while (!response.is_done() && !next && !was_complete_) {
            const auto count =
                co_await stream.async_read(buffer, after(reactor_.now(), options_.timeout));
            if (!count) throw std::runtime_error(trouble(url, count.error()));
            if (*count == 0) {
                response.finish();
                break;
            }
            response.feed(Bytes(buffer).first(*count));
            if (is_wanted_)
                progress_.show(reactor_.now(),
                               {.done = output_.size(), .before = before_, .total = total_});
        }
        co_return next;
    }

    std::string request_for(const Url& url) const {
        std::string text = fmt::format(
            "GET {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: estab/{}\r\nAccept: */*\r\n"
            "Accept-Encoding: identity\r\nConnection: close\r\n",
            url.target, url.authority(), ESTAB_VERSION);
        if (output_.there() != 0) text += fmt::format("Range: bytes={}-\r\n", output_.there());
        return text + "\r\n";
    }

    std::optional<Url> on_header(const HttpResponse& response, const Url& url) {
        const int status = response.status();
        const ContentRange range(response.field("Content-Range"));
        const std::string_view location = response.field("Location");
        const bool redirects =
            status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
        if (redirects && !location.empty()) return url.resolve(location);
        const std::uint64_t there = output_.there();
        if (status == 416 && there != 0) {
            if (range.total != there)
                throw std::runtime_error(
                    fmt::format("{} has {} octets, the server's file does not; without -C it "
                                "is fetched anew",
                                output_.path(), there));
            was_complete_ = true;
            return {};
        }
        if (status == 206 && (there == 0 || range.first != there))
            throw std::runtime_error("the server sent another part of the file than was asked for");
        if (status != 200 && status != 206)
            throw std::runtime_error(fmt::format(
                "HTTP {} {}: {}", status, printable(response.reason()), printable(url.text())));
        if (status == 200 && there != 0 && !options_.quiet)
            note(who, "the server cannot go on in the middle; beginning anew");
        output_.open(status == 206);
        is_wanted_ = true;
        before_ = output_.size();
        total_ = range.total;
        if (const auto body = response.body_bytes(); !total_ && body) total_ = before_ + *body;
        return {};
    }

    static std::string trouble(const Url& url, Error error) {
        return fmt::format("{} port {}: {}", printable(url.host), url.port, to_string(error));
    }

    Dialer& dialer_;
    runtime::Reactor& reactor_;
    Output& output_;
    const HttpOptions options_;
    Progress progress_;
    std::optional<std::uint64_t> total_;
    std::uint64_t before_ = 0;
    bool is_wanted_ = false;
    bool was_complete_ = false;
    bool done_ = false;
};

class Get final : public Command {
public:
    void setup(Options& options) override {
        options.positional({"URL", "", "http://HOST[:PORT]/PATH"}, url_);
        options.value(
            {"-o,--output", "FILE", "where to; - is standard output (default: as in the URL)"},
            output_);
        options.flag({"-C,--continue", "", "go on with a file that is there in part"}, resume_);
        options.value({"--timeout", "SECONDS", "of silence, until it gives up (30)"}, timeout_);
        dial_.setup(options);
        network_.setup(options);
    }

    int run(const Words& command) override {
        const Url url = given_url();
        const std::string path = output_.empty() ? url.file_name() : output_;
        if (path.empty()) throw UsageError("the URL names no file; -o FILE does");
        if (path == "-" && resume_) throw UsageError("-C needs a file, not standard output");
        Output output({.path = path, .resume = resume_, .may_replace = !output_.empty()});

        const std::unique_ptr<Network> network = Network::open(network_, who);
        runtime::Reactor& reactor = network->reactor();
        const drivers::Fd nothing(::open("/dev/null", O_RDONLY | O_CLOEXEC));
        Dialer dialer(*network, command, dial_, {*nothing, path == "-" ? STDERR_FILENO : -1, -1});
        Download download(dialer, reactor, output,
                          {.timeout = std::chrono::seconds(
                               std::min<std::uint64_t>(timeout_.value_or(30), 86'400)),
                           .quiet = network_.quiet});
        const Instant begin = reactor.now();
        socket::spawn(reactor, download.run(url));
        try {
            if (const int signal = dialer.run_until([&] { return download.is_done(); });
                signal != 0) {
                download.clear();
                tell_partial(output);
                return 128 + signal;
            }
        } catch (const std::exception&) {
            download.clear();
            tell_partial(output);
            dialer.drain(500ms);
            throw;
        }
        if (!network_.quiet) summary(output, download.was_complete(), reactor.now() - begin);
        dialer.drain(1s);
        return exit_status::done;
    }

private:
    // One that a server names is a failure; one that the user names is wrong usage.
    Url given_url() const {
        try {
            return Url::parse(url_);
        } catch (const std::runtime_error& e) {
            throw UsageError(e.what());
        }
    }
    void tell_partial(const Output& output) const {
        if (!output.is_open() || output.is_standard()) return;
        note(who, fmt::format("{} octets are in {}; -C goes on from there", output.size(),
                              output.path()));
    }
    static void summary(const Output& output, bool was_complete, Duration took) {
        if (was_complete) return note(who, output.path() + " was complete already");
        if (output.is_standard()) return;
        note(who, fmt::format("{}: {} octets in {:.3f} s", output.path(), output.size(),
                              static_cast<double>(to_ns(took)) / 1e9));
    }

    std::string url_, output_;
    bool resume_ = false;
    std::optional<std::uint64_t> timeout_;
    DialOptions dial_;
    NetworkOptions network_;
};

}  // namespace

std::unique_ptr<Command> make_get() { return std::make_unique<Get>(); }

}  // namespace estab::cli
