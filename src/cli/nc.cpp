// estab nc: standard input to the network, the network to standard output, over estab's TCP or UDP.
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <charconv>

#include "cli/command.hpp"
#include "cli/console.hpp"
#include "cli/dial.hpp"
#include "cli/network.hpp"
#include "socket/listener.hpp"
#include "socket/udp.hpp"

namespace estab::cli {
namespace {

using socket::Stream;
using socket::Task;

constexpr const char* who = "estab nc";
constexpr std::size_t buffer_bytes = 64 << 10;
constexpr std::size_t pipe_bytes =
    4096;  // PIPE_BUF: fits without blocking where poll() says that there is room

struct NcOptions {
    bool listens = false;
    bool udp = false;
    bool verbose = false;
    std::optional<Duration> wait;     // -w
    std::string host;
    std::uint16_t port = 0;
};

class Conversation {
public:
    Conversation(Network& network, Dialer& dialer, const NcOptions& options)
        : reactor_(network.reactor()),
          dialer_(dialer),
          options_(options),
          input_(reactor_, STDIN_FILENO),
          output_(reactor_, STDOUT_FILENO),
          last_(reactor_.now()) {
        struct stat found{};
        output_is_file_ = ::fstat(STDOUT_FILENO, &found) == 0 && S_ISREG(found.st_mode);
    }

    Task<> run() {
        if (options_.wait) socket::spawn(reactor_, watch_silence());
        return options_.udp ? run_udp() : run_tcp();
    }
    // Both directions have ended, or -w has.
    bool is_done() const { return (input_done_ && output_done_) || gave_up_; }
    bool had_peer() const { return has_peer_; }
    // What still waits for the stream ends without a word.
    void close() {
        closed_ = true;
        if (stream_.is_open()) (void)stream_.close();
    }

private:
    Instant patience() const {
        return options_.wait ? after(reactor_.now(), *options_.wait) : never;
    }
    void say(const std::string& line) const {
        if (options_.verbose) note(who, line);
    }

    Task<> run_tcp() {
        if (options_.listens) {
            stream_ = co_await accept();
        } else {
            Target target{options_.host, options_.port};
            stream_ = co_await dialer_.connect(target, patience());
        }
        say(fmt::format("{} {}", options_.listens ? "connection from" : "connected to",
                        stream_.remote().text()));
        begin();
        socket::spawn(reactor_, send_input());
        co_await print_received();
    }

    Task<Stream> accept() {
        stack::ListenOptions listen;
        listen.port = options_.port;
        listen.backlog = 1;
        std::optional<wire::Address> address;
        if (!options_.host.empty()) address = resolve(options_.host).front();
        if (const auto outside = dialer_.let_in(address, options_.port)) {
            say(fmt::format("listening on {} of this host", outside->text()));
        } else {
            if (address) {
                listen.any_address = false;
                listen.address = {*address, static_cast<std::uint8_t>(address->is_v4() ? 32 : 128)};
            }
            say(fmt::format("listening on {} port {}",
                            options_.host.empty() ? "every address" : options_.host,
                            options_.port));
        }
        auto listener = socket::Listener::listen(reactor_, listen);
        if (!listener)
            throw std::runtime_error(fmt::format("cannot listen on port {}: {}", options_.port,
                                                 to_string(listener.error())));
        auto stream = co_await listener->async_accept();
        if (!stream) throw std::runtime_error(to_string(stream.error()));
        co_return std::move(*stream);
    }

    void begin() {
        has_peer_ = true;
        last_ = reactor_.now();
    }

    // 0: the end.
    Task<std::size_t> read_input(MutableBytes into) {
        for (;;) {
            co_await input_.readable();
            const ssize_t n = ::read(input_.fd(), into.data(), into.size());
            if (n < 0 && (errno == EAGAIN || errno == EINTR)) continue;
            last_ = reactor_.now();
            co_return n > 0 ? static_cast<std::size_t>(n) : 0;
        }
    }
    Task<> write_output(Bytes octets) {
        last_ = reactor_.now();
        while (!octets.empty()) {
            pollfd entry{.fd = output_.fd(), .events = POLLOUT, .revents = 0};
            if (::poll(&entry, 1, 0) == 0) {
                co_await output_.writable();
                continue;
            }
            const std::size_t count =
                output_is_file_ ? octets.size() : std::min(octets.size(), pipe_bytes);
            const ssize_t n = ::write(output_.fd(), octets.data(), count);
            if (n >= 0) {
                octets = octets.subspan(static_cast<std::size_t>(n));
            } else if (errno == EPIPE) {
                throw OutputClosed{};
            } else if (errno != EAGAIN && errno != EINTR) {
                drivers::throw_system("cannot write to standard output");
            }
        }
    }

    Task<> send_input() {
        std::vector<std::uint8_t> buffer(buffer_bytes);
        while (const std::size_t count = co_await read_input(buffer)) {
            const auto sent = co_await stream_.async_write_all(Bytes(buffer).first(count));
            last_ = reactor_.now();
            if (!sent && (output_done_ || closed_)) break;  // they have left before us, or we
            if (!sent) throw std::runtime_error(to_string(sent.error()));
        }
        (void)stream_.shutdown_write();
        input_done_ = true;
    }
    Task<> print_received() {
        std::vector<std::uint8_t> buffer(buffer_bytes);
        for (;;) {
            const auto count = co_await stream_.async_read(buffer);
            if (!count && closed_) co_return;
            if (!count) throw std::runtime_error(to_string(count.error()));
            if (*count == 0) break;
            co_await write_output(Bytes(buffer).first(*count));
        }
        output_done_ = true;
        // Nobody wants to press a key only to leave.
        if (::isatty(STDIN_FILENO) == 1) input_done_ = true;
    }

    Task<> run_udp() {
        udp::Options own;
        if (options_.listens) own.local.port = options_.port;
        if (options_.listens && !options_.host.empty())
            own.local.address = resolve(options_.host).front();
        auto bound = socket::Udp::bind(reactor_, own);
        if (!bound)
            throw std::runtime_error(fmt::format("cannot bind: {}", to_string(bound.error())));
        udp_ = std::move(*bound);
        if (options_.listens) {
            say(fmt::format("listening on UDP port {}", options_.port));
            const auto first = co_await udp_.async_recv();
            if (!first) throw std::runtime_error(to_string(first.error()));
            speak_with(first->from);
            co_await write_output(first->payload);
        } else {
            speak_with({resolve(options_.host).front(), options_.port});
        }
        socket::spawn(reactor_, send_datagrams());
        for (;;) {
            const auto datagram = co_await udp_.async_recv();
            if (!datagram) throw std::runtime_error(to_string(datagram.error()));
            co_await write_output(datagram->payload);
        }
    }
    void speak_with(const wire::Endpoint& remote) {
        if (const auto done = udp_.connect(remote); !done)
            throw std::runtime_error(
                fmt::format("cannot reach {}: {}", remote.text(), to_string(done.error())));
        say(fmt::format("speaking with {}", remote.text()));
        begin();
    }
    // A read is a datagram. The end is not told to the other side: there is no way.
    Task<> send_datagrams() {
        std::vector<std::uint8_t> buffer(1400);
        while (const std::size_t count = co_await read_input(buffer)) {
            for (;;) {
                const auto sent = udp_.send(Bytes(buffer).first(count));
                if (sent) break;
                if (sent.error() != Error::would_block)
                    throw std::runtime_error(to_string(sent.error()));
                co_await socket::sleep_for(reactor_, 1ms);
            }
        }
        input_done_ = true;
    }

    Task<> watch_silence() {
        for (;;) {
            co_await socket::sleep_until(reactor_, after(last_, *options_.wait));
            if (reactor_.now() < after(last_, *options_.wait)) continue;
            if (!has_peer_ && options_.listens) {
                last_ = reactor_.now();  // -w does not limit listening, as in other netcats
                continue;
            }
            gave_up_ = true;
            co_return;
        }
    }

    runtime::Reactor& reactor_;
    Dialer& dialer_;
    const NcOptions options_;
    Descriptor input_, output_;
    Instant last_;
    Stream stream_;
    socket::Udp udp_;
    bool output_is_file_ = false;
    bool has_peer_ = false;
    bool input_done_ = false, output_done_ = false, gave_up_ = false, closed_ = false;
};

class Nc final : public Command {
public:
    void setup(Options& options) override {
        options.rest({"HOST PORT", "", "where to; with -l: [HOST] PORT to listen on"}, words_);
        options.flag({"-l,--listen", "", "wait for one connection instead of making it"},
                     options_.listens);
        options.flag({"-u,--udp", "", "datagrams; each read is one"}, options_.udp);
        options.flag({"-N", "", "half-close at the end of the input: the default here"},
                     half_close_);
        options.flag({"-v,--verbose", "", "say who is connected"}, options_.verbose);
        options.value({"-w,--wait", "SECONDS", "give up connecting, and end after so much silence"},
                      wait_);
        dial_.setup(options);
        network_.setup(options);
    }

    int run(const Words& command) override {
        take_words();
        if (options_.udp && network_.is_private() && command.empty())
            throw UsageError(
                "-u needs --tun, --tap or -- CMD: datagrams do not go through the relay");
        const std::unique_ptr<Network> network = Network::open(network_, who);
        runtime::Reactor& reactor = network->reactor();
        const drivers::Fd nothing(::open("/dev/null", O_RDONLY | O_CLOEXEC));
        Dialer dialer(*network, command, dial_, {*nothing, -1, -1});
        Conversation conversation(*network, dialer, options_);
        socket::spawn(reactor, conversation.run());
        const auto is_over = [&] {
            return conversation.is_done()
                   || (dialer.command_status() && (options_.udp || !conversation.had_peer()));
        };
        if (const int signal = dialer.run_until(is_over); signal != 0) {
            conversation.close();
            dialer.drain(300ms);
            return 128 + signal;
        }
        if (!conversation.is_done() && !conversation.had_peer())
            throw std::runtime_error(fmt::format(
                "the command ended with status {} without a connection", *dialer.command_status()));
        conversation.close();
        dialer.drain(5s);
        return dialer.wait_command(after(reactor.now(), 5s)).value_or(exit_status::done);
    }

private:
    void take_words() {
        if (words_.empty() || words_.size() > 2 || (words_.size() == 1 && !options_.listens))
            throw UsageError(options_.listens ? "-l needs [HOST] PORT" : "HOST PORT are needed");
        if (words_.size() == 2) options_.host = words_[0];
        const std::string& port = words_.back();
        const auto parsed = std::from_chars(port.data(), port.data() + port.size(), options_.port);
        if (parsed.ec != std::errc{} || parsed.ptr != port.data() + port.size() ||
            options_.port == 0)
            throw UsageError(fmt::format("'{}' is not a port (1 to 65535)", printable(port)));
        if (wait_) options_.wait = std::chrono::seconds(std::min<std::uint64_t>(*wait_, 1'000'000));
    }

    NcOptions options_;
    std::vector<std::string> words_;
    std::optional<std::uint64_t> wait_;
    bool half_close_ = true;
    DialOptions dial_;
    NetworkOptions network_;
};

}  // namespace

std::unique_ptr<Command> make_nc() { return std::make_unique<Nc>(); }

}  // namespace estab::cli
