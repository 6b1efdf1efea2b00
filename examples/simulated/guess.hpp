// A protocol of somebody's own: the client finds the server's number by asking, the server answers
// '<', '>' or '='. Both are told what happens to their connections, and when.
#pragma once

#include <estab/sim.hpp>

namespace guess {

using namespace estab;

class Server final : public sim::Owner {
public:
    Server(sim::Host& host, std::uint16_t port, std::uint8_t secret)
        : host_(host), secret_(secret), listener_(host.stack().listen({.port = port}).value()) {
        host.own(listener_, this);
    }
    void on_notice(Instant now, const stack::Notification& what) override {
        for (auto id = host_.stack().accept(listener_); id; id = host_.stack().accept(listener_)) {
            host_.own(*id, this);
            serve(now, *id);  // what has come already is told by nobody else
        }
        if (what.connection.valid()) serve(now, what.connection);
    }

private:
    void serve(Instant now, stack::ConnectionId id) {
        std::uint8_t asked = 0;
        auto octets = host_.stack().read(now, id, {&asked, 1});
        for (; octets && *octets == 1; octets = host_.stack().read(now, id, {&asked, 1})) {
            const char answer = secret_ < asked ? '<' : secret_ > asked ? '>' : '=';
            const auto octet = static_cast<std::uint8_t>(answer);
            (void)host_.stack().write(now, id, {&octet, 1});
        }
        if (octets) host_.stack().close(now, id);  // the client has finished
    }

    sim::Host& host_;
    std::uint8_t secret_;
    stack::ListenerId listener_;
};

class Client final : public sim::Owner {
public:
    Client(sim::Host& host, wire::Endpoint server)
        : host_(host), id_(host.stack().connect(host.world().now(), server, {}).value()) {
        host.own(id_, this);
        host.pump(host.world().now());
    }
    void on_notice(Instant now, const stack::Notification&) override {
        if (!has_asked_) ask(now);  // the connection is open
        std::uint8_t answer = 0;
        for (auto n = host_.stack().read(now, id_, {&answer, 1}); n && *n == 1;
             n = host_.stack().read(now, id_, {&answer, 1})) {
            if (answer == '=') {
                found = guess();
                return host_.stack().close(now, id_);
            }
            (answer == '<' ? high_ : low_) = guess();
            ask(now);
        }
    }
    std::optional<std::uint8_t> found;

private:
    std::uint8_t guess() const { return static_cast<std::uint8_t>((low_ + high_) / 2); }
    void ask(Instant now) {
        const std::uint8_t octet = guess();
        has_asked_ = host_.stack().write(now, id_, {&octet, 1}).has_value();
    }
    sim::Host& host_;
    stack::ConnectionId id_;
    bool has_asked_ = false;
    int low_ = 0, high_ = 256;
};

}  // namespace guess
