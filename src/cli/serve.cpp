// estab serve DIR [-- CMD…]: an HTTP/1.1 file server on estab's TCP.
#include <fmt/format.h>

#include "cli/command.hpp"
#include "cli/console.hpp"
#include "cli/http_server.hpp"
#include "cli/network.hpp"

namespace estab::cli {
namespace {

// What a shard serves.
class Site {
public:
    Site(const std::string& folder, bool logs) : server_(folder, logs, {}) {}

    void open(socket::Reactor& reactor, std::uint16_t port) {
        auto listener = socket::Listener::listen(reactor, {.port = port});
        if (!listener)
            throw std::runtime_error(fmt::format("port {}: {}", port, to_string(listener.error())));
        listener_ = std::move(*listener);
        socket::spawn(reactor, server_.run(reactor, listener_));
    }

private:
    FileServer server_;
    socket::Listener listener_;
};

class Serve final : public Command {
public:
    void setup(Options& options) override {
        options.positional({"DIR", "", "the folder"}, folder_);
        options.value({"-p,--port", "PORT", "where to listen (80)"}, port_);
        options.count({"-v,--verbose", "", "a line on standard error for each request"}, verbose_);
        network_.setup_shards(options);
        network_.setup(options);
    }

    int run(const Words& command) override {
        check(command);
        const auto port = static_cast<std::uint16_t>(port_.value_or(80));
        (void)Site(folder_, verbose_ > 0);  // what is wrong with the folder is said first
        const std::unique_ptr<Network> network = Network::open(network_, "estab serve");
        network->serve([this, port](socket::Reactor& reactor) {
            auto site = std::make_shared<Site>(folder_, verbose_ > 0);
            site->open(reactor, port);
            return site;
        });
        if (!command.empty()) return run_command(*network, command);
        if (!network_.quiet) {
            for (const wire::Prefix& own : network->own())
                note("estab serve",
                     fmt::format("http://{}/", wire::Endpoint{own.address, port}.text()));
            note("estab serve", "Ctrl-C ends it");
        }
        return run_until_signal(*network);
    }

private:
    void check(const Words& command) const {
        network_.check();
        if (port_ && (*port_ == 0 || *port_ > 65'535))
            throw UsageError(fmt::format("--port: {} is not between 1 and 65535", *port_));
        if (network_.is_private() && command.empty())
            throw UsageError(
                "nobody could reach the server: give a command to run in its private network "
                "(-- wget http://10.77.0.2/), or --tun NAME");
        if (!network_.is_private() && !command.empty())
            throw UsageError(
                "-- CMD runs in a private network; with --tun or --tap, start it yourself");
        if (network_.pcap == "-" && !command.empty())
            throw UsageError("--pcap -: standard output is the command's; give a file");
    }

    std::string folder_;
    std::optional<std::uint64_t> port_;
    int verbose_ = 0;
    NetworkOptions network_;
};

}  // namespace

std::unique_ptr<Command> make_serve() { return std::make_unique<Serve>(); }

}  // namespace estab::cli
