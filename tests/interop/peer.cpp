// The far end of the interop tests: estab's TCP in a private network. What it does there is said by a
// script on the kernel's side (kernel_peer.py), over a socket that the script finds as its standard input.
//
//   interop_peer [--impair SPEC] [--backend auto|tun|veth] [--seed N] -- CMD...
//
// Messages to us, one command each; TAG names the answers "TAG ...":
//   listen TAG PORT COUNT STEP...            "listening"; then for each of COUNT connections how it went
//   connect TAG ENDPOINT LOCAL_PORT STEP...  how it went: "ok", or the step and its error: "read: reset"
//   go TAG                                   lets a connection pass `wait`
//   set NAME=VALUE...                        of connections and listeners from now on; alone: the defaults
//   pull, plug                               the cable: while it is pulled nothing arrives here
//   counters TAG                             NAME=VALUE of counters, kinds of event and ways between states
// Steps: send N SEED, read N SEED (compares each octet), eof, reset (both wait for it), fin, abort, wait;
// after the last the stream is closed.
// Ends with CMD's status, 77 where no private network can be had.
#include <estab/estab.hpp>
#include <sys/socket.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <map>
#include <set>
#include <sstream>

#include "link/path.hpp"
#include "tcp/config_fields.hpp"

using namespace estab;

namespace {

constexpr int skipped = 77;
constexpr std::size_t block_octets = 65'521;  // a prime: no segment size divides it
using Words = std::vector<std::string>;

struct Arguments {
    link::PathSpec path;
    drivers::Backend backend = drivers::Backend::automatic;
    std::uint64_t seed = 1;
    Words command;
};

[[noreturn]] void wrong(const std::string& what) {
    std::fprintf(stderr, "interop_peer: %s\n", what.c_str());
    std::exit(2);
}

std::uint64_t number(const std::string& text) {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size()) wrong("not a number: " + text);
    return value;
}

std::uint16_t port(const std::string& text) { return static_cast<std::uint16_t>(number(text)); }

Arguments parse(int argc, char** argv) {
    Arguments arguments;
    for (int i = 1; i < argc; i += 2) {
        const std::string option = argv[i];
        if (option == "--") {
            arguments.command.assign(argv + i + 1, argv + argc);
            break;
        }
        if (i + 1 == argc) wrong("nothing follows " + option);
        const std::string value = argv[i + 1];
        if (option == "--seed") {
            arguments.seed = number(value);
        } else if (option == "--backend") {
            const auto backend = drivers::parse_backend(value);
            if (!backend) wrong("no such backend: " + value);
            arguments.backend = *backend;
        } else if (option == "--impair") {
            const auto path = link::parse_path(value);
            if (!path) wrong(path.error().text());
            arguments.path = *path;
        } else {
            wrong("unknown option " + option);
        }
    }
    if (arguments.command.empty()) wrong("no command");
    return arguments;
}

// What is sent with a seed: a block of noise over and over, the same in kernel_peer.py.
class Noise {
public:
    explicit Noise(std::uint64_t seed) : block_(block_octets) {
        for (std::uint8_t& octet : block_) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            octet = static_cast<std::uint8_t>(seed >> 56);
        }
    }
    // As much as is in one piece from there on.
    Bytes from(std::uint64_t offset) const { return Bytes(block_).subspan(offset % block_octets); }
    // How many octets are as they must be.
    std::size_t agree(std::uint64_t offset, Bytes octets) const {
        std::size_t good = 0;
        while (good < octets.size()) {
            const Bytes wanted = from(offset + good);
            const std::size_t run = std::min(wanted.size(), octets.size() - good);
            const auto end = octets.begin() + static_cast<std::ptrdiff_t>(good + run);
            const auto differs = std::mismatch(end - static_cast<std::ptrdiff_t>(run), end, wanted.begin());
            good = static_cast<std::size_t>(differs.first - octets.begin());
            if (differs.first != end) break;
        }
        return good;
    }

private:
    std::vector<std::uint8_t> block_;
};

std::string error_text(Error error) { return to_string(error); }

Task<std::string> send(Stream& stream, std::uint64_t octets, const Noise& noise) {
    for (std::uint64_t sent = 0; sent < octets;) {
        Bytes piece = noise.from(sent);
        if (piece.size() > octets - sent) piece = piece.first(octets - sent);
        const auto done = co_await stream.async_write(piece);
        if (!done) co_return "send: " + error_text(done.error());
        sent += *done;
    }
    co_return "";
}

Task<std::string> read(Stream& stream, std::uint64_t octets, const Noise& noise) {
    std::vector<std::uint8_t> room(64 << 10);
    for (std::uint64_t got = 0; got < octets;) {
        const MutableBytes into = MutableBytes(room).first(std::min<std::uint64_t>(room.size(), octets - got));
        const auto done = co_await stream.async_read(into);
        if (!done) co_return "read: " + error_text(done.error());
        if (*done == 0) co_return "read: the end after " + std::to_string(got);
        const std::size_t good = noise.agree(got, Bytes(into).first(*done));
        got += good;
        if (good != *done) co_return "read: octet " + std::to_string(got) + " differs";
    }
    co_return "";
}

Task<std::string> end_of_file(Stream& stream) {
    std::uint8_t octet[1];
    const auto done = co_await stream.async_read(octet);
    if (!done) co_return "eof: " + error_text(done.error());
    co_return *done == 0 ? "" : "eof: more octets";
}

// A RST that was lost is sent again only in answer to something.
Task<std::string> reset(Reactor& reactor, Stream& stream) {
    for (;;) {
        std::uint8_t octet[1] = {};
        const auto done = stream.try_read(octet);
        if (done) co_return "reset: octets or the end";
        if (done.error() == Error::reset) co_return "";
        if (done.error() != Error::would_block) co_return "reset: " + error_text(done.error());
        (void)stream.try_write(octet);
        co_await sleep_for(reactor, 200ms);
    }
}

// Between the device and all else: nothing arrives while it is pulled.
class Cable {
public:
    explicit Cable(drivers::AnyDevice& device) : device_(device) {}

    const device::Caps& caps() const { return device_.caps(); }
    std::size_t receive(Instant now, std::span<device::Frame> batch) {
        while (pulled && device_.receive(now, batch) != 0) {
        }
        return pulled ? 0 : device_.receive(now, batch);
    }
    MutableBytes reserve(std::size_t size) { return device_.reserve(size); }
    void commit(Instant now, std::size_t size, const device::Offload& offload) {
        device_.commit(now, size, offload);
    }
    void flush(Instant now) { device_.flush(now); }
    Instant deadline() const { return device_.deadline(); }
    int fd() const { return device_.fd(); }

    bool pulled = false;

private:
    drivers::AnyDevice& device_;
};

class Peer {
public:
    Peer(runtime::Reactor& reactor, Cable& cable, drivers::Fd control)
        : reactor_(reactor), cable_(cable), control_(std::move(control)) {
        for (const std::uint64_t seed : {0, 1, 2, 3}) noises_.emplace_back(seed);
        stack().log().store(event::Kind::state, true);
        reactor_.loop().watch(*control_, {.read = true, .write = false},
                              [this](Instant, runtime::Ready) { on_message(); });
    }

private:
    stack::Stack& stack() { return reactor_.stack(); }

    void answer(const std::string& tag, const std::string& text) {
        const std::string message = tag + ' ' + text;
        // The script reads at all times, so that this waits for a moment at most.
        (void)::send(*control_, message.data(), message.size(), MSG_NOSIGNAL);
    }

    void on_message() {
        char buffer[4096];
        const ssize_t octets = ::recv(*control_, buffer, sizeof buffer, 0);
        if (octets <= 0) return reactor_.loop().forget(*control_);
        std::istringstream text(std::string(buffer, static_cast<std::size_t>(octets)));
        Words words{std::istream_iterator<std::string>(text), {}};
        const std::string& verb = words.at(0);
        if (verb == "listen") spawn(reactor_, listen(std::move(words), config_));
        else if (verb == "connect") spawn(reactor_, connect(std::move(words), config_));
        else if (verb == "go") gone_.insert(words.at(1));
        else if (verb == "set") set(words);
        else if (verb == "pull" || verb == "plug") cable_.pulled = verb == "pull";
        else if (verb == "counters") answer(words.at(1), counters());
        else wrong("unknown command " + verb);
    }

    void set(const Words& words) {
        if (words.size() == 1) config_ = stack().config();
        for (std::size_t i = 1; i < words.size(); ++i)
            if (const auto done = tcp::set_config(config_, words[i]); !done) wrong(done.error());
    }

    Task<> listen(Words words, tcp::Config config) {
        const std::string& tag = words.at(1);
        auto listener = Listener::listen(reactor_, {.port = port(words.at(2)), .config = &config});
        answer(tag, listener ? "listening" : error_text(listener.error()));
        if (!listener) co_return;
        for (std::uint64_t count = number(words.at(3)); count != 0; --count) {
            auto stream = co_await listener->async_accept();
            if (!stream) {
                answer(tag, "accept: " + error_text(stream.error()));
                co_return;
            }
            spawn(reactor_, follow(std::move(*stream), tag, Words(words.begin() + 4, words.end())));
        }
    }

    Task<> connect(Words words, tcp::Config config) {
        const std::string& tag = words.at(1);
        const auto to = Endpoint::parse(words.at(2));
        if (!to) wrong("not an endpoint: " + words.at(2));
        ConnectOptions options;
        options.local_port = port(words.at(3));
        options.config = &config;
        auto stream = co_await Stream::async_connect(reactor_, *to, options);
        if (!stream) {
            answer(tag, "connect: " + error_text(stream.error()));
            co_return;
        }
        spawn(reactor_, follow(std::move(*stream), tag, Words(words.begin() + 4, words.end())));
    }

    Task<> follow(Stream stream, std::string tag, Words steps) {
        std::string trouble;
        for (std::size_t i = 0; i < steps.size() && trouble.empty(); ++i) {
            const std::string step = steps[i];
            if (step == "send" || step == "read") {
                const std::uint64_t octets = number(steps.at(i + 1));
                const Noise& noise = noises_.at(number(steps.at(i + 2)));
                i += 2;
                if (step == "send") trouble = co_await send(stream, octets, noise);
                else trouble = co_await read(stream, octets, noise);
            } else if (step == "eof") {
                trouble = co_await end_of_file(stream);
            } else if (step == "reset") {
                trouble = co_await reset(reactor_, stream);
            } else if (step == "fin") {
                if (const auto done = stream.shutdown_write(); !done) trouble = error_text(done.error());
            } else if (step == "abort") {
                stream.abort();
            } else if (step == "wait") {
                while (!gone_.contains(tag)) co_await sleep_for(reactor_, 2ms);
            } else {
                wrong("unknown step " + step);
            }
        }
        answer(tag, trouble.empty() ? "ok" : trouble);
    }

    std::string counters() {
        event::Log& log = stack().log();
        for (; const event::Event* event = log.front(); log.pop()) {
            const auto name = [&](std::size_t i) { return tcp::to_string(static_cast<tcp::State>(event->values[i])); };
            ++ways_[std::string(name(0)) + '>' + name(1)];
        }
        std::ostringstream text;
        text << "events_lost=" << log.lost();
        for (const auto& [way, count] : ways_) text << ' ' << way << '=' << count;
        for (std::size_t i = 0; i < event::kinds; ++i) {
            const auto kind = static_cast<event::Kind>(i);
            text << ' ' << event::describe(kind).name << '=' << log.counted(kind);
        }
        const event::Counters& counted = stack().counters();
#define INTEROP_COUNTER(group, name) text << " " #name "=" << counted.group##_##name;
        ESTAB_COUNTERS(INTEROP_COUNTER)
#undef INTEROP_COUNTER
        return text.str();
    }

    runtime::Reactor& reactor_;
    Cable& cable_;
    drivers::Fd control_;
    tcp::Config config_{};
    std::vector<Noise> noises_;    // by seed
    std::set<std::string> gone_;   // tags that may pass `wait`
    std::map<std::string, std::uint64_t> ways_;  // connections that went from one state to another
};

template <class Device>
int serve(drivers::PrivateNetwork& network, Device& device, Cable& cable, const StackOptions& options,
          const Words& command) {
    Stack stack(runtime::Loop::now(), options);
    for (const Prefix& own : network.addresses().own) (void)stack.routes().add_address(own);
    for (const wire::Address& gateway : network.addresses().gateways) {
        const std::uint8_t whole = gateway.is_v4() ? 32 : 128;
        (void)stack.neighbours().answer_for({gateway, whole});
    }
    runtime::Reactor reactor(stack, device, cable.fd());
    drivers::SocketPair control = drivers::packet_socket_pair();
    drivers::Child child = network.spawn(command, {*control.theirs, -1, -1});
    control.theirs.reset();
    Peer peer(reactor, cable, std::move(control.ours));
    reactor.loop().watch(child.pidfd(), {.read = true, .write = false}, [](Instant, runtime::Ready) {});
    std::optional<int> status;
    reactor.run_until([&] { return (status = child.poll()).has_value(); });
    return drivers::exit_code(status ? *status : child.wait());
}

int run(const Arguments& arguments) {
    std::optional<drivers::PrivateNetwork> network;
    try {
        network = drivers::PrivateNetwork::start({.backend = arguments.backend});
    } catch (const drivers::SystemError& e) {
        std::printf("skipped: %s\n", e.what());
        return skipped;
    }
    std::printf("%s %s seed=%llu\n", network->reason().c_str(), link::print(arguments.path).c_str(),
                static_cast<unsigned long long>(arguments.seed));
    std::fflush(stdout);
    drivers::AnyDevice device = network->take_device();
    std::vector<event::Event> event_room(1 << 14);
    const StackOptions options{.seed = arguments.seed,
                               .event_room = event_room,
                               .mac = device.mac().value_or(wire::Mac{})};
    Cable cable(device);
    if (arguments.path == link::PathSpec{})
        return serve(*network, cable, cable, options, arguments.command);
    link::PathSpec spec = arguments.path;
    spec.seed = arguments.seed;
    link::Path<Cable> path(cable, {.spec = spec});
    return serve(*network, path, cable, options, arguments.command);
}

}  // namespace

int main(int argc, char** argv) try {
    return run(parse(argc, argv));
} catch (const std::exception& e) {
    std::fprintf(stderr, "interop_peer: %s\n", e.what());
    return 1;
}
