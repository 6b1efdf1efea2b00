// Two hosts with the textbook's numbers, segments of 1000 octets and a path that one can cut; what
// each of them sent, and when.
#pragma once

#include <optional>
#include <vector>

#include "sim/world.hpp"
#include "wire/ip.hpp"
#include "wire/tcp.hpp"

namespace estab::sim {

class Tutorial final : public Observer, public Owner {
public:
    static constexpr std::uint32_t mss = 1000;
    struct Sent {
        Duration at{};          // since the world began
        bool by_left = false;
        std::uint32_t seq = 0;  // since the SYN's
        std::uint32_t length = 0;
        std::uint32_t ack = 0;  // since the other's SYN
        bool syn = false, fin = false, rst = false;
    };
    struct Terms {
        tcp::Config config = textbook();
        Duration delay = 50ms;  // one way
        link::Direction path{};
    };

    static tcp::Config textbook() {
        tcp::Config c = tcp::profile::tutorial();
        c.timestamps = c.sack = false;
        c.ack_every = 1;        // "one ACK for each segment"
        c.recv_autotune = c.send_autotune = false;
        c.recv_buffer = c.send_buffer = 1 << 20;
        return c;
    }

    Tutorial() : Tutorial(Terms{}) {}
    explicit Tutorial(const Terms& terms)
        : world({.seed = 1}), hosts(pair(world, path(terms), host(terms))) {
        world.watch(this);
        tcp::Config quiet = terms.config;  // keepalives are the left one's business
        quiet.keepalive = false;
        stack::ListenOptions options;
        options.port = 80;
        options.config = &quiet;
        listener = *right().listen(options);
        hosts.right.own(listener, this);
        left().log().store(event::Kind::recovery_end, true);
    }

    stack::Stack& left() { return hosts.left.stack(); }
    stack::Stack& right() { return hosts.right.stack(); }
    Duration now() const { return world.now() - begin; }
    void run_to(Duration at) { world.advance_to(after(begin, at)); }

    void connect() {
        client = *left().connect(world.now(), {hosts.right.v4(), 80}, {});
        hosts.left.own(client, this);
        hosts.left.pump(world.now());
    }
    void write(std::size_t octets) {
        const std::vector<std::uint8_t> text(octets, 'x');
        (void)left().write(world.now(), client, text);
        hosts.left.pump(world.now());
    }
    void cut(bool is_cut) {  // what is on the way still arrives
        link::Direction changed = hosts.link.there->settings().direction;
        changed.loss = is_cut ? ppm_all : 0;
        hosts.link.there->change(changed);
    }
    tcp::Info info() { return left().find(client)->info(world.now()); }
    std::uint64_t cwnd() { return info().cwnd / mss; }
    // Of a packet that `by_left` sent, the n-th with text.
    std::vector<Sent> text_of_left() const {
        std::vector<Sent> out;
        for (const Sent& s : sent)
            if (s.by_left && s.length != 0) out.push_back(s);
        return out;
    }

    void on_notice(Instant now, const stack::Notification&) override {
        if (const auto id = right().accept(listener)) {
            server = *id;
            hosts.right.own(*id, this);
        }
        if (!reads || !server) return;
        for (Bytes text = right().peek(*server); !text.empty(); text = right().peek(*server)) {
            taken += text.size();
            right().consume(now, *server, text.size());
        }
    }
    void on_event(Instant, const Host&, const event::Event& e) override {
        if (e.kind == event::Kind::recovery_end) after_recovery = e.values[0] / mss;
    }
    void on_packet(Instant at, const Host& from, Way way, Bytes packet) override {
        if (way != Way::sent) return;
        const auto ip = wire::IpPacket::parse(packet);
        if (!ip) return;
        const auto tcp = wire::TcpView::parse(ip->payload);
        if (!tcp) return;
        const bool by_left = &from == &hosts.left;
        std::optional<std::uint32_t>& own = by_left ? iss_left : iss_right;
        if (tcp->flags().has(wire::Flags::syn)) own = tcp->seq().raw;
        sent.push_back({.at = at - begin,
                        .by_left = by_left,
                        .seq = tcp->seq().raw - own.value_or(0),
                        .length = static_cast<std::uint32_t>(tcp->payload().size()),
                        .ack = tcp->ack().raw - (by_left ? iss_right : iss_left).value_or(0),
                        .syn = tcp->flags().has(wire::Flags::syn),
                        .fin = tcp->flags().has(wire::Flags::fin),
                        .rst = tcp->flags().has(wire::Flags::rst)});
    }

    World world;
    Pair hosts;
    Instant begin = world.now();
    stack::ListenerId listener{};
    stack::ConnectionId client{};
    std::optional<stack::ConnectionId> server;
    bool reads = true;  // the server takes what comes at once
    std::uint64_t taken = 0;           // octets
    std::uint64_t after_recovery = 0;  // the congestion window when the last one ended
    std::vector<Sent> sent;

private:
    static link::Direction path(const Terms& terms) {
        link::Direction d = terms.path;
        d.delay = terms.delay;
        return d;
    }
    static HostSettings host(const Terms& terms) {
        HostSettings h;
        h.config = terms.config;
        h.mtu = mss + 40;
        return h;
    }
    std::optional<std::uint32_t> iss_left, iss_right;
};

}  // namespace estab::sim
