#include "sim/swarm.hpp"

#include <algorithm>
#include <array>
#include <deque>

#include "observe/dump.hpp"
#include "sim/swarm_world.hpp"

namespace estab::sim {
namespace {

// The last packets that crossed the edge of a host.
class Trace final : public Observer {
public:
    explicit Trace(std::size_t most) : most_(most * 16) {}
    void on_packet(Instant at, const Host& host, Way way, Bytes packet) override {
        if (most_ == 0) return;
        if (packets_.size() < most_) {
            packets_.emplace_back();
        } else {
            packets_.push_back(std::move(packets_.front()));
            packets_.pop_front();
        }
        Packet& p = packets_.back();
        p.at = at;
        p.host = host.number();
        p.way = way;
        p.bytes.assign(packet.begin(), packet.end());
    }
    // Those of one flow, where it is known which matters.
    std::vector<std::string> lines(const wire::FourTuple* flow) const {
        std::vector<std::string> all;
        observe::SegmentPrinter printer(
            {.time = observe::DumpTime::epoch, .absolute_numbers = true});
        for (const Packet& p : packets_) {
            if (flow != nullptr && !is_of(*flow, p.bytes)) continue;
            const char* way = p.way == Way::sent ? " sends    " : " receives ";
            all.push_back("h" + std::to_string(p.host) + way +
                          std::string(printer.line_ip(p.at, p.bytes)));
        }
        const std::size_t most = most_ / 16;
        if (all.size() > most)
            all.erase(all.begin(), all.end() - static_cast<std::ptrdiff_t>(most));
        return all;
    }

private:
    struct Packet {
        Instant at{};
        std::uint32_t host = 0;
        Way way{};
        std::vector<std::uint8_t> bytes;
    };
    static bool is_of(const wire::FourTuple& flow, Bytes bytes) {
        const auto packet = wire::IpPacket::parse(bytes);
        if (!packet || packet->protocol != wire::protocol_tcp || packet->payload.size() < 4)
            return false;
        const wire::Endpoint from{packet->source, load_be16(packet->payload.data())};
        const wire::Endpoint to{packet->destination, load_be16(packet->payload.data() + 2)};
        return (from == flow.local && to == flow.remote) ||
               (from == flow.remote && to == flow.local);
    }

    std::size_t most_;
    std::deque<Packet> packets_;
};

class Run {
public:
    Run(std::uint64_t seed, const SwarmSettings& settings)
        : settings_(settings), trace_(settings.trace_packets), world_(seed) {
        result_.seed = seed;
        world_.world().watch(&trace_);
        if (settings.observer != nullptr) world_.world().watch(settings.observer);
    }

    SwarmResult go() {
        World& w = world_.world();
        const Instant began = w.now();
        result_.ok = until([&] { return w.now() >= world_.calm_at(); }, world_.calm_at()) &&
                     finish_talks() && finish_connections() && hear_complaints();
        result_.world = world_.description();
        if (!result_.ok) {
            const auto& violations = w.referee().violations();
            result_.trace = trace_.lines(violations.empty() ? nullptr : &violations.front().flow);
        }
        result_.hash = w.hash();
        result_.packets = w.packets();
        result_.steps = w.steps();
        result_.virtual_time = w.now() - began;
        for (const Ledger::Entry& e : world_.ledger().entries()) {
            ++result_.talks;
            result_.done += e.client.state == Outcome::State::done;
            result_.failed += e.client.state == Outcome::State::failed;
        }
        return result_;
    }

private:
    bool fail(std::string reason) {
        if (result_.reason.empty()) result_.reason = std::move(reason);
        return false;
    }

    // Runs to `is_done` with all checks on the way. False: a check failed. Not being done in time
    // is none.
    template <class Done>
    bool until(const Done& is_done, Instant limit) {
        World& w = world_.world();
        while (!is_done()) {
            const Instant next = std::min(w.deadline(), world_.next_change());
            if (next > limit || next == never) {
                w.advance_to(limit);
                break;
            }
            if (world_.next_change() <= w.deadline()) {
                w.advance_to(world_.next_change());
                world_.change(w.now());
            } else {
                w.step();
            }
            const bool is_time =
                w.steps() % settings_.check_every == 0 || !w.referee().is_content();
            if (is_time && !check()) return false;
        }
        return check();
    }

    bool check() {
        World& w = world_.world();
        w.check();
        if (!w.referee().is_content()) return fail(text(w.referee().violations().front()));
        if (w.steps() > settings_.steps_max)
            return fail("more than " + std::to_string(settings_.steps_max) + " steps");
        return true;
    }

    bool finish_talks() {
        const Instant limit = after(world_.world().now(), 4h);
        return until([&] { return world_.ledger().is_over(); }, limit) && hear_complaints();
    }

    // Again at the very end: a client that let go at once may have been ahead of its server.
    bool hear_complaints() {
        const auto complaints = world_.ledger().complaints();
        return complaints.empty() || fail(complaints.front());
    }

    // Everybody has let go: what is left must end by itself.
    bool finish_connections() {
        World& w = world_.world();
        const auto left = [&] {
            std::size_t all = 0;
            for (const auto& host : w.hosts()) {
                const stack::Stack& s = host->stack();
                all += s.connections() + s.half_open() + s.time_waits();
            }
            return all;
        };
        if (!until([&] { return left() == 0; }, after(w.now(), 2h))) return false;
        if (left() == 0) return true;
        std::string who;
        for (const auto& host : w.hosts()) {
            for (const stack::Row& row : host->stack().table(w.now())) {
                if (row.state == tcp::State::listen) continue;
                who += " " + host->name() + " " + tcp::to_string(row.state) + " " +
                       row.tuple.local.text() + ">" + row.tuple.remote.text();
            }
        }
        return fail("connections do not end:" + who);
    }

    SwarmSettings settings_;
    Trace trace_;
    SwarmWorld world_;
    SwarmResult result_;
};

}  // namespace

SwarmResult run_seed(std::uint64_t seed, const SwarmSettings& settings) {
    return Run(seed, settings).go();
}

std::string replay_command(std::uint64_t seed) {
    return "estab sim swarm --seeds " + std::to_string(seed);
}

}  // namespace estab::sim
