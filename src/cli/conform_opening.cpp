// Questions of `estab conform`: opening a connection, and where there is none.
#include "cli/conform_words.hpp"

namespace estab::cli {
namespace {

// --- Opening

Finding syn_ack(Prober& p, const Asks&) {
    Peer peer(p);
    const auto answer = peer.syn({});
    if (!answer || !answer->has(Flags::syn) || !answer->has(Flags::ack)) return came(answer);
    return answer->ack == peer.iss + 1 ? pass() : came(answer);
}

Finding syn_ack_mss(Prober& p, const Asks&) {
    Peer peer(p);
    const auto answer = peer.syn({});
    if (!answer || !answer->has(Flags::syn)) return no_connection();
    return answer->options.mss ? pass() : fail("its SYN-ACK has no MSS option");
}

Finding nothing_unasked(Prober& p, const Asks&) {
    Peer peer(p);
    const auto answer = peer.syn({});
    if (!answer || !answer->has(Flags::syn)) return no_connection();
    const auto& o = answer->options;
    return o.window_scale || o.sack_permitted || o.timestamps
               ? fail("its SYN-ACK has options that were not offered")
               : pass();
}

Finding timestamps_echo(Prober& p, const Asks&) {
    Peer peer(p);
    const auto answer = peer.syn(with({timestamp_option(0x12345678, 0)}));
    if (!answer || !answer->has(Flags::syn)) return no_connection();
    if (!answer->options.timestamps) return unseen("it does not use timestamps");
    return answer->options.timestamps->ecr == 0x12345678 ? pass() : fail("it echoes another value");
}

Finding unknown_option(Prober& p, const Asks&) {
    Peer peer(p);
    return peer.open(with({{200, 4, 1, 2}})) && peer.is_alive() ? pass() : came(peer.syn_ack);
}

Finding illegal_option(Prober& p, const Asks&) {
    {
        Peer peer(p);
        (void)peer.syn(with({{200, 0, 1, 1}}));  // whatever the answer is
    }
    Peer next(p);
    return next.open() && next.is_alive() ? pass() : fail("it does not take connections any more");
}

Finding unaligned_option(Prober& p, const Asks&) {
    Peer peer(p);
    const auto answer = peer.syn({.options = {1, 2, 4, 2, 0, 0, 0, 0}});  // nop, mss 512, end
    return answer && answer->has(Flags::syn) ? pass() : came(answer);
}

Finding syn_again(Prober& p, const Asks&) {
    Peer peer(p);
    const auto first = peer.syn({});
    if (!first || !first->has(Flags::syn)) return no_connection();
    peer.send({.flags = Flags::syn, .seq = peer.iss, .options = mss_option(1460)});
    const auto again = peer.receive();
    if (!again || again->is_reset()) return came(again);
    return again->ack == peer.iss + 1 ? pass() : came(again);
}

Finding wrong_ack(Prober& p, const Asks&) {
    Peer peer(p);
    const auto answer = peer.syn({});
    if (!answer || !answer->has(Flags::syn)) return no_connection();
    const std::uint32_t wrong = answer->seq + 1000;
    peer.send({.ack = wrong});
    const auto reset = peer.receive();
    if (!reset) return came(reset);
    return reset->is_reset() && reset->seq == wrong ? pass() : came(reset);
}

Finding open_without_options(Prober& p, const Asks&) {
    Peer peer(p);
    return peer.open({.options = {}}) && peer.is_alive() ? pass() : came(peer.syn_ack);
}

Finding ecn_answer(Prober& p, const Asks&) {
    Peer peer(p);
    const auto answer = peer.syn({.flags = Flags::syn | Flags::ece | Flags::cwr});
    if (!answer || !answer->has(Flags::syn)) return no_connection();
    if (answer->has(Flags::cwr)) return fail("its SYN-ACK has CWR: it reflects what was sent");
    return answer->has(Flags::ece) ? pass() : unseen("it does not use ECN");
}

// --- Nobody there

// What a segment to a port draws, without a connection.
std::optional<Seen> stray(Prober& p, std::uint16_t to, Sends what) {
    const std::uint16_t port = p.fresh_port();
    p.send(port, what, to);
    return p.receive(port, moment);
}

Finding closed_syn(Prober& p, const Asks& asks) {
    const auto reset = stray(p, asks.closed_port, {.flags = Flags::syn, .seq = 5000});
    if (!reset) return unseen("nothing came: perhaps a packet filter");
    const bool right = reset->is_reset() && reset->has(Flags::ack) && reset->seq == 0 &&
                       reset->ack == 5001;
    return right ? pass() : came(reset);
}

Finding closed_ack(Prober& p, const Asks& asks) {
    const auto reset = stray(p, asks.closed_port, {.seq = 5000, .ack = 7000});
    if (!reset) return unseen("nothing came: perhaps a packet filter");
    return reset->is_reset() && reset->seq == 7000 ? pass() : came(reset);
}

Finding closed_rst(Prober& p, const Asks& asks) {
    const auto answer = stray(p, asks.closed_port, {.flags = Flags::rst, .seq = 5000});
    return answer ? came(answer) : pass();
}

Finding listen_ack(Prober& p, const Asks&) {
    const auto reset = stray(p, p.target().port, {.seq = 5000, .ack = 7000});
    if (!reset) return unseen("nothing came: perhaps a packet filter");
    return reset->is_reset() && reset->seq == 7000 ? pass() : came(reset);
}

Finding listen_rst(Prober& p, const Asks&) {
    const auto answer = stray(p, p.target().port, {.flags = Flags::rst, .seq = 5000});
    return answer ? came(answer) : pass();
}

Finding simultaneous_open(Prober&, const Asks&) {
    return unseen("a target that listens opens nothing itself");
}

constexpr Check checks[] = {
    {"open.syn-ack", Level::must, "RFC 9293 3.5",
     "a SYN is answered by a SYN-ACK of its number", syn_ack},
    {"open.mss", Level::must, "RFC 9293 3.7.1 (MUST-14)", "the SYN-ACK says an MSS", syn_ack_mss},
    {"open.nothing-unasked", Level::must, "RFC 7323 2.2, 3.2; RFC 2018 2",
     "the SYN-ACK has no option that the SYN did not offer", nothing_unasked},
    {"open.no-options", Level::must, "RFC 9293 3.1",
     "a SYN without options opens a connection", open_without_options},
    {"open.timestamp-echo", Level::must, "RFC 7323 3.2",
     "the SYN-ACK echoes the SYN's timestamp", timestamps_echo},
    {"open.unknown-option", Level::must, "RFC 9293 3.1 (MUST-6)",
     "an unknown option is skipped", unknown_option},
    {"open.illegal-length", Level::must, "RFC 9293 3.1 (MUST-7)",
     "an option of length 0 does no harm", illegal_option},
    {"open.unaligned-option", Level::must, "RFC 9293 3.1 (MUST-64)",
     "options may begin at any octet", unaligned_option},
    {"open.syn-again", Level::must, "RFC 9293 3.10.7.4",
     "a repeated SYN is not refused", syn_again},
    {"open.wrong-ack", Level::must, "RFC 9293 3.10.7.4",
     "a wrong ACK in SYN-RECEIVED is reset with its number", wrong_ack},
    {"open.ecn", Level::must, "RFC 3168 6.1.1", "ECE and CWR are not reflected", ecn_answer},
    {"open.simultaneous", Level::must, "RFC 9293 3.5 (MUST-10)",
     "SYNs that cross make one connection", simultaneous_open},
    {"closed.syn", Level::must, "RFC 9293 3.10.7.1",
     "a SYN to nobody is reset: SEQ 0, its number acknowledged", closed_syn},
    {"closed.ack", Level::must, "RFC 9293 3.10.7.1",
     "an ACK to nobody is reset with its own number", closed_ack},
    {"closed.rst", Level::must, "RFC 9293 3.10.7.1", "a RST is never answered", closed_rst},
    {"listen.ack", Level::must, "RFC 9293 3.10.7.2",
     "an ACK to a listener is reset with its own number", listen_ack},
    {"listen.rst", Level::must, "RFC 9293 3.10.7.2", "a RST to a listener is ignored", listen_rst},
};

}  // namespace

std::span<const Check> checks_of_opening() { return checks; }

}  // namespace estab::cli
