// A server on a TUN interface for a client on the kernel's TCP: peers/peerbench.py starts it and
// measures. Port 5001 discards until the FIN, 5002 reads a count (8 octets, little-endian) and
// sends so many octets, 5003 echoes. Frames are up to 64 KB where the interface takes them.
#include <poll.h>
#include <time.h>

#include <charconv>
#include <cstdio>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "drivers/tun.hpp"
#include "stack/turn.hpp"

namespace {

using namespace estab;
using stack::ConnectionId;
using stack::Stack;

constexpr std::uint16_t sink_port = 5001, source_port = 5002, echo_port = 5003;

Instant clock_now() {
    timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return Instant(std::chrono::seconds(t.tv_sec) + std::chrono::nanoseconds(t.tv_nsec));
}

class Server {
public:
    Server(Stack& stack) : stack_(stack) {
        for (const std::uint16_t port : {sink_port, source_port, echo_port}) {
            listeners_.push_back(stack_.listen({.port = port}).value());
        }
    }

    void serve(Instant now) {
        while (const auto news = stack_.next_notification()) {
            if (news->listener.valid()) {
                while (const auto id = stack_.accept(news->listener)) {
                    stack_.find(*id)->set_nodelay(true);
                    work(now, *id);
                }
            } else {
                work(now, news->connection);
            }
        }
    }

private:
    struct Source {
        std::size_t have = 0;  // octets of the count
        std::uint64_t left = 0;
    };

    void work(Instant now, ConnectionId id) {
        tcp::Connection* c = stack_.find(id);
        if (c == nullptr) return;
        bool open = !c->has_failed();
        if (open) {
            switch (c->tuple().local.port) {
            case sink_port: discard(now, id); break;
            case source_port: open = send(now, id, sources_[id.index]); break;
            default: echo(now, id); break;
            }
        }
        if (open && !(c->peer_finished() && c->unread() == 0)) return;
        sources_.erase(id.index);
        stack_.close(now, id);
    }
    void discard(Instant now, ConnectionId id) {
        for (Bytes there = stack_.peek(id); !there.empty(); there = stack_.peek(id)) {
            stack_.consume(now, id, there.size());
        }
    }
    // False when all has been written.
    bool send(Instant now, ConnectionId id, Source& s) {
        static constexpr std::uint8_t page[1 << 20] = {};
        while (s.have < sizeof s.left) {
            auto* to = reinterpret_cast<std::uint8_t*>(&s.left) + s.have;
            const auto n = stack_.read(now, id, {to, sizeof s.left - s.have});
            if (!n || *n == 0) return true;
            s.have += *n;
        }
        while (s.left != 0) {  // lent, not copied, as lwIP's server beside us does
            const auto n = stack_.write_external(
                now, id, {page, std::min<std::uint64_t>(sizeof page, s.left)}, [](void*) {},
                nullptr);
            if (!n) return true;
            s.left -= *n;
        }
        return false;
    }
    void echo(Instant now, ConnectionId id) {
        for (Bytes there = stack_.peek(id); !there.empty(); there = stack_.peek(id)) {
            const auto n = stack_.write(now, id, there);
            if (!n) return;
            stack_.consume(now, id, *n);
        }
    }

    Stack& stack_;
    std::vector<stack::ListenerId> listeners_;
    std::unordered_map<std::uint32_t, Source> sources_;
};

struct Settings {
    std::string name, address;
    bool offloads = true, uring = true;
    Duration spin{};  // how long to look again and again before sleeping
};

class Waiter {
public:
    Waiter(const drivers::TunDevice& device, Duration spin) : device_(device), spin_(spin) {}

    // `busy`: something came in the last turn.
    void wait(const Stack& stack, Instant now, bool busy) {
        if (busy) last_busy_ = now;
        // With a full device the stack has output and nothing can be done about it before the
        // device says.
        const Instant at =
            device_.deadline() != never ? device_.deadline() : stack.deadline();
        if (at <= now || now - last_busy_ < spin_) return;
        pollfd fd{.fd = device_.fd(), .events = POLLIN, .revents = 0};
        const auto left = at == never ? Duration(1s) : std::min<Duration>(at - now, 1s);
        const timespec timeout{.tv_sec = static_cast<time_t>(left.count() / 1'000'000'000),
                               .tv_nsec = static_cast<long>(left.count() % 1'000'000'000)};
        ::ppoll(&fd, 1, &timeout, nullptr);
    }

private:
    const drivers::TunDevice& device_;
    Duration spin_;
    Instant last_busy_{};
};

int run(const Settings& settings) {
    auto device = drivers::TunDevice::open(
        {.name = settings.name, .offloads = settings.offloads, .uring = settings.uring});
    Stack stack(clock_now(), {.memory_bytes = std::size_t{1} << 30, .seed = 1});
    stack.attach(device.caps());
    const auto own = wire::Prefix::parse(settings.address + "/24");
    if (!own || !stack.routes().add_address(*own)) {
        std::fprintf(stderr, "perf_server_bench: not an address: %s\n", settings.address.c_str());
        return 2;
    }
    Server server(stack);
    Waiter waiter(device, settings.spin);
    for (;;) {
        const Instant now = clock_now();
        const bool busy = turn(stack, device, now) != 0;
        server.serve(now);
        flush(stack, device, now);
        waiter.wait(stack, clock_now(), busy);
    }
}

std::optional<Settings> parse(int argc, char** argv) {
    if (argc < 3) return {};
    Settings settings{.name = argv[1], .address = argv[2]};
    for (int i = 3; i < argc; ++i) {
        const std::string_view word = argv[i];
        unsigned microseconds = 0;
        if (word == "--no-offloads") {
            settings.offloads = false;
        } else if (word == "--no-uring") {
            settings.uring = false;
        } else if (word.starts_with("--spin=") &&
                   std::from_chars(word.data() + 7, word.data() + word.size(), microseconds).ec ==
                       std::errc()) {
            settings.spin = std::chrono::microseconds(microseconds);
        } else {
            return {};
        }
    }
    return settings;
}

}  // namespace

int main(int argc, char** argv) {
    const std::optional<Settings> settings = parse(argc, argv);
    if (!settings) {
        std::fprintf(stderr,
                     "usage: perf_server_bench TUN ADDRESS [--no-offloads] [--no-uring] "
                     "[--spin=MICROSECONDS] (peers/peerbench.py starts it)\n");
        return 2;
    }
    try {
        return run(*settings);
    } catch (const drivers::SystemError& e) {
        std::fprintf(stderr, "perf_server_bench: %s\n", e.what());
        return 1;
    }
}
