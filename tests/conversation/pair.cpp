#include "conversation/pair.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace estab::conversation {

namespace {

constexpr std::uint32_t iss[2] = {0xffff'f000, 0xffff'e000};  // both streams wrap soon

wire::FourTuple tuple_of(Pair::Side side) {
    const wire::Endpoint a{wire::Address::v4(192, 0, 2, 1), 40'000};
    const wire::Endpoint b{wire::Address::v4(192, 0, 2, 2), 8080};
    return side == Pair::client ? wire::FourTuple{a, b} : wire::FourTuple{b, a};
}

}  // namespace

Pair::Pair(const PairTerms& terms) : terms_(terms) {
    for (const Side side : {client, server}) {
        const tcp::Config& config = side == client ? terms.client : terms.server;
        machines_[side] = std::make_unique<Machine>(config, tuple_of(side), 1500, 0);
    }
    for (const Side side : {client, server}) {
        tcp::Connection& c = connection(side);
        tcp::Environment& env = machine(side).env();
        if (terms.simultaneous_open) {
            c.open(env, now_, {iss[side]}, 1000);
            continue;
        }
        c.resume(env, now_,
                 {.iss = tcp::Seq::initial({iss[side]}),
                  .irs = tcp::Seq::initial({iss[1 - side]}),
                  .peer_mss = terms.mss,
                  .snd_shift = terms.scale,
                  .rcv_shift = terms.scale,
                  .scaling = terms.scale != 0,
                  .sack = terms.sack,
                  .timestamps = terms.timestamps,
                  .ts_recent = static_cast<std::uint32_t>(to_ms(now_.time_since_epoch())),
                  .syn_window = terms.window,
                  .rcv_window = terms.window});
        tcp::Segment last;  // of the handshake
        last.seq = tcp::Seq::initial({iss[1 - side]}) + 1;
        last.ack = tcp::Seq::initial({iss[side]}) + 1;
        last.flags = {wire::Flags::ack};
        last.wnd = terms.window;
        c.on_segment(env, now_, now_, last);
        (void)c.take_notice();
    }
    for (const Side side : {client, server}) speak(side);
}

void Pair::drop(Side from, std::set<std::uint32_t> segments) {
    drop_if(from, [which = std::move(segments)](std::uint32_t n, const Frame&) {
        return which.contains(n);
    });
}

void Pair::drop_if(Side from, std::function<bool(std::uint32_t, const Frame&)> which) {
    drops_[from] = std::move(which);
}

void Pair::hold_up(Side from, std::uint32_t segment, Duration by) { held_up_[from][segment] = by; }

void Pair::speak(Side side) {
    Machine& m = machine(side);
    if (reads_[side] && m.connection.unread() != 0) (void)m.read(now_, m.connection.unread());
    while (to_write_[side] != 0 && m.connection.write_room() != 0) {
        const auto taken = m.write(now_, std::min(to_write_[side], m.connection.write_room()));
        if (!taken) break;
        to_write_[side] -= *taken;
    }
    std::vector<Frame> frames;
    m.pull(now_, frames);
    for (Frame& frame : frames) put_on_the_link(side, std::move(frame));
}

void Pair::put_on_the_link(Side from, Frame frame) {
    const std::uint32_t number = sent_[from]++;
    Heard heard{.at = now_,
                .from = from,
                .number = number,
                .dropped = cut_[from],
                .segment = {},
                .octets = 0};
    tcp::Tcb{}.read(frame.view(), frame.ecn, heard.segment);
    heard.octets = heard.segment.payload.size();
    heard.segment.payload.clear();
    if (drops_[from] && drops_[from](number, frame)) heard.dropped = true;
    heard_.push_back(heard);
    if (heard.dropped) return;
    const auto late = held_up_[from].find(number);
    const Duration extra = late != held_up_[from].end() ? late->second : 0ms;
    flying_.insert({now_ + terms_.delay + extra, {static_cast<Side>(1 - from), std::move(frame)}});
}

bool Pair::run_for(Duration time, const std::function<bool()>& done) {
    const Instant until = now_ + time;
    for (int events = 0;; ++events) {
        if (done && done()) return true;
        if (events == 2'000'000) {
            ADD_FAILURE() << "it does not come to rest";
            return false;
        }
        Instant next = std::min(connection(client).deadline(), connection(server).deadline());
        if (!flying_.empty()) next = std::min(next, flying_.begin()->first);
        if (next > until) break;
        now_ = std::max(now_, next);
        if (!flying_.empty() && flying_.begin()->first <= now_) {
            const Flying flying = std::move(flying_.begin()->second);
            flying_.erase(flying_.begin());
            std::vector<Frame> reset;
            machine(flying.to).receive(now_, flying.frame, reset);
            for (Frame& frame : reset) put_on_the_link(flying.to, std::move(frame));
            speak(flying.to);
            continue;
        }
        for (const Side side : {client, server}) {
            if (connection(side).deadline() > now_) continue;
            connection(side).on_deadline(machine(side).env(), now_);
            connection(side).check_invariants();
            speak(side);
        }
    }
    now_ = until;
    return done && done();
}

}  // namespace estab::conversation
