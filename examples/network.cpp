#include "network.hpp"

#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <random>

namespace example {

using namespace estab;

Arguments Arguments::parse(int argc, char** argv, const char* usage) {
    Arguments a;
    const auto wrong = [&](const std::string& what) {
        std::fprintf(stderr, "%s: %s\nusage: %s %s\n", argv[0], what.c_str(), argv[0], usage);
        std::exit(2);
    };
    const auto prefix = [&](const std::string& text) {
        const auto parsed = Prefix::parse(text);
        if (!parsed) wrong("not an address: " + text);
        return *parsed;
    };
    for (int i = 1; i < argc; ++i) {
        const std::string word = argv[i];
        if (word == "--") {
            a.command.assign(argv + i + 1, argv + argc);
            break;
        }
        if (!word.starts_with("--")) {
            a.words.push_back(word);
            continue;
        }
        if (i + 1 == argc) wrong("unknown, or nothing follows: " + word);
        const std::string value = argv[++i];
        if (word == "--tun") a.tun = value;
        else if (word == "--addr") a.own.push_back(prefix(value));
        else if (word == "--host-addr") a.host.push_back(prefix(value));
        else wrong("unknown option " + word);
    }
    if (!a.tun.empty() && a.own.empty()) wrong("--tun needs --addr");
    return a;
}

Network::Network(const Arguments& arguments) : arguments_(arguments) {
    std::vector<Prefix> own = arguments.own;
    if (arguments.tun.empty()) {
        private_ = drivers::PrivateNetwork::start({});
        device_ = private_->take_device();
        own = private_->addresses().own;
    } else {
        drivers::HostTunOptions options;
        options.name = arguments.tun;
        options.own = own;
        options.host = arguments.host;
        device_ = drivers::AnyDevice(drivers::open_host_tun(options));
    }
    StackOptions options;
    options.seed = std::uint64_t{std::random_device{}()} << 32 | std::random_device{}();
    options.mac = device_->mac().value_or(wire::Mac{});
    stack_ = std::make_unique<Stack>(runtime::Loop::now(), options);
    for (const Prefix& address : own) {
        if (const auto added = stack_->routes().add_address(address); !added) {
            throw drivers::SystemError(address.text() + ": " + to_string(added.error()), 0);
        }
    }
    reactor_ = std::make_unique<runtime::Reactor>(*stack_, *device_, device_->fd());
    for (const int number : {SIGINT, SIGTERM}) {
        reactor_->loop().on_signal(number, [this](Instant, int n) {
            exit_code_ = 128 + n;
            reactor_->stop();
        });
    }
}

void Network::start_command() {
    if (arguments_.command.empty()) return;
    child_ =
        private_ ? private_->spawn(arguments_.command) : drivers::spawn(arguments_.command, {});
    reactor_->loop().watch(child_->pidfd(), {.read = true, .write = false},
                           [this](Instant, runtime::Ready) {
        reactor_->loop().forget(child_->pidfd());
        exit_code_ = drivers::exit_code(child_->wait());
        // What it has just closed is still to be seen by whoever talks to it.
        reactor_->after(100ms, [this] { reactor_->stop(); });
    });
}

int Network::run() {
    reactor_->run();
    return exit_code_;
}

Lines::Lines(runtime::Reactor& reactor) : reactor_(reactor) {
    reactor_.loop().watch(STDIN_FILENO, {.read = true, .write = false},
                          [this](Instant, runtime::Ready) { read(); });
}

Lines::~Lines() {
    if (!ended_) reactor_.loop().forget(STDIN_FILENO);
}

void Lines::read() {
    char buffer[4096];
    const ssize_t octets = ::read(STDIN_FILENO, buffer, sizeof buffer);
    if (octets > 0) {
        text_.append(buffer, static_cast<std::size_t>(octets));
    } else if (octets == 0 || (errno != EINTR && errno != EAGAIN)) {
        ended_ = true;
        reactor_.loop().forget(STDIN_FILENO);
    }
}

std::optional<std::string> Lines::next() {
    const auto has_line = [this] { return text_.find('\n') != std::string::npos || ended_; };
    if (!reactor_.run_until(has_line) || text_.empty()) return std::nullopt;
    const std::size_t end = text_.find('\n');
    std::string line = text_.substr(0, end);
    text_.erase(0, end == std::string::npos ? end : end + 1);
    return line;
}

}  // namespace example
