// Where the examples run: on a TUN interface of this host, or in a private network that needs no
// permission, with a command inside to talk to.
#pragma once

#include <estab/runtime.hpp>

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace example {

// PROGRAM [WORD...] [--tun NAME --addr A/len... --host-addr B/len...] [-- CMD...]
struct Arguments {
    std::vector<std::string> words;
    std::string tun;
    std::vector<estab::Prefix> own, host;
    std::vector<std::string> command;

    // Ends the program with 2 when they make no sense.
    static Arguments parse(int argc, char** argv, const char* usage);
};

class Network {
public:
    // Throws drivers::SystemError. Addresses without --tun: ours 10.77.0.2, CMD's 10.77.0.100.
    explicit Network(const Arguments& arguments);

    estab::runtime::Reactor& reactor() { return *reactor_; }
    // Starts CMD inside, if there is one. When it ends, or at an interrupt, the reactor stops.
    void start_command();
    // Runs until stopped; CMD's exit code, 128 + n after signal n.
    int run();

private:
    Arguments arguments_;
    std::optional<estab::drivers::PrivateNetwork> private_;
    std::optional<estab::drivers::AnyDevice> device_;
    std::unique_ptr<estab::Stack> stack_;
    std::unique_ptr<estab::runtime::Reactor> reactor_;
    std::optional<estab::drivers::Child> child_;
    int exit_code_ = 0;
};

// Lines of standard input, read without keeping the network waiting.
class Lines {
public:
    explicit Lines(estab::runtime::Reactor& reactor);
    ~Lines();
    // Drives the reactor; nothing at the end of the input or when the reactor stops.
    std::optional<std::string> next();

private:
    void read();

    estab::runtime::Reactor& reactor_;
    std::string text_;
    bool ended_ = false;
};

}  // namespace example
