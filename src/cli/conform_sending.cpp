// Questions of `estab conform`: what the target sends, and how it closes.
#include <fmt/format.h>

#include <algorithm>

#include "cli/conform_words.hpp"

namespace estab::cli {
namespace {

// --- Its own text

// Opens, asks, and gives the first segment with text.
std::optional<Seen> answer_of(Peer& peer, const Asks& asks, Duration patience = 3s) {
    peer.send_text(asks.request);
    for (int i = 0; i < 50; ++i) {
        auto seen = peer.receive(patience);
        if (!seen || seen->is_reset()) return {};
        if (!seen->payload.empty()) return seen;
    }
    return {};
}
Finding no_answer() { return unseen("it answers the request with no text (--request)"); }

Finding segments_fit(Prober& p, const Asks& asks, const Peer::Opening& opening,
                     std::uint32_t most) {
    Peer peer(p);
    if (!peer.open(opening)) return no_connection();
    auto seen = answer_of(peer, asks);
    if (!seen) return no_answer();
    for (int i = 0; seen && i < 20; ++i) {
        if (seen->segment > most)
            return fail(fmt::format("{} octets in one segment, {} allowed", seen->segment, most));
        peer.acknowledge(*seen);
        seen = peer.receive(100ms);
    }
    return pass();
}

Finding heeds_mss(Prober& p, const Asks& asks) {
    return segments_fit(p, asks, {.options = mss_option(200)}, 200);
}
Finding default_mss(Prober& p, const Asks& asks) {
    return segments_fit(p, asks, {.options = {}}, p.own().is_v4() ? 536 : 1220);
}

Finding heeds_window(Prober& p, const Asks& asks) {
    Peer peer(p);
    if (!peer.open({.window = 100})) return no_connection();
    const auto first = answer_of(peer, asks);
    if (!first) return no_answer();
    std::uint32_t end = first->seq + static_cast<std::uint32_t>(first->payload.size());
    while (const auto more = peer.receive(100ms)) {
        const std::uint32_t until = more->seq + static_cast<std::uint32_t>(more->payload.size());
        if (static_cast<std::int32_t>(until - end) > 0) end = until;
    }
    const std::uint32_t sent = end - peer.rcv_nxt;
    return sent <= 100 ? pass() : fail(fmt::format("{} octets into a window of 100", sent));
}

Finding probes(Prober& p, const Asks& asks) {
    Peer peer(p);
    if (!peer.open()) return no_connection();
    peer.window = 0;
    peer.send_text(asks.request);
    for (int i = 0; i < 20; ++i) {
        const auto seen = peer.receive(4s);
        if (!seen) return fail("it does not probe a closed window");
        if (seen->is_reset()) return no_answer();
        const auto before = static_cast<std::int32_t>(seen->seq - peer.rcv_nxt);
        if (seen->payload.size() > 1 && before >= 0)
            return fail("it sends text into a closed window");
        if (seen->payload.size() == 1 || before < 0) return pass();
    }
    return unseen("only ACKs came");
}

Finding retransmits(Prober& p, const Asks& asks) {
    Peer peer(p);
    if (!peer.open()) return no_connection();
    const auto first = answer_of(peer, asks);
    if (!first) return no_answer();
    for (int i = 0; i < 50; ++i) {
        const auto again = peer.receive(4s);
        if (!again) return fail("what is not acknowledged is not sent again");
        if (again->payload.empty() || again->seq != first->seq) continue;
        const std::size_t both = std::min(again->payload.size(), first->payload.size());
        return std::ranges::equal(Bytes(again->payload).first(both),
                                  Bytes(first->payload).first(both))
                   ? pass()
                   : fail("other octets are sent under the same numbers");
    }
    return unseen("too much came");
}

Finding pushes(Prober& p, const Asks& asks) {
    Peer peer(p);
    if (!peer.open()) return no_connection();
    auto seen = answer_of(peer, asks);
    if (!seen) return no_answer();
    bool pushed = false;
    for (int i = 0; seen && i < 200; ++i) {
        if (!seen->payload.empty()) pushed = seen->has(Flags::psh) || seen->has(Flags::fin);
        peer.acknowledge(*seen);
        seen = peer.receive(300ms);
    }
    return pushed ? pass() : fail("the last segment of its answer has no PSH");
}

// --- Closing

Finding fin_acknowledged(Prober& p, const Asks&) {
    Peer peer(p);
    if (!peer.open()) return no_connection();
    peer.send({.flags = Flags::fin | Flags::ack});
    const auto answer = peer.receive(500ms);
    return answer && answer->ack == peer.snd_nxt + 1 ? pass() : came(answer);
}

Finding fin_behind_hole(Prober& p, const Asks&) {
    Peer peer(p);
    if (!peer.open()) return no_connection();
    peer.send({.flags = Flags::fin | Flags::ack, .seq = peer.snd_nxt + 1});
    const auto first = peer.receive(moment);
    if (!first || first->ack != peer.snd_nxt) return came(first);
    peer.send({.payload = {'x'}});
    for (int i = 0; i < 3; ++i) {
        const auto both = peer.receive(500ms);
        if (!both) return came(both);
        if (both->ack == peer.snd_nxt + 2) return pass();
    }
    return fail("the FIN that waited is not acknowledged");
}

// Lets the target close first: asks, takes all, and acknowledges its FIN.
bool take_all(Peer& peer, const Asks& asks) {
    auto seen = answer_of(peer, asks);
    for (int i = 0; seen && i < 2000; ++i) {
        const bool ends = seen->has(Flags::fin) && seen->seq == peer.rcv_nxt;
        peer.acknowledge(*seen);
        if (ends) return true;
        seen = peer.receive(1s);
    }
    return false;
}

Finding half_close(Prober& p, const Asks& asks) {
    Peer peer(p);
    if (!peer.open()) return no_connection();
    peer.send({.flags = Flags::ack | Flags::psh | Flags::fin,
               .payload = {asks.request.begin(), asks.request.end()}});
    peer.snd_nxt += static_cast<std::uint32_t>(asks.request.size()) + 1;
    for (int i = 0; i < 20; ++i) {
        const auto seen = peer.receive(2s);
        if (!seen) return unseen("it answers nothing after our FIN");
        if (seen->is_reset()) return fail("our FIN makes it reset");
        if (!seen->payload.empty()) return pass();
        if (seen->has(Flags::fin)) return unseen("it closes, too, without an answer");
    }
    return unseen("only ACKs came");
}

Finding time_wait(Prober& p, const Asks& asks) {
    Peer peer(p);
    if (!peer.open()) return no_connection();
    if (!take_all(peer, asks)) return unseen("it does not close after its answer (--request)");
    peer.send({.flags = Flags::fin | Flags::ack});
    peer.snd_nxt += 1;
    (void)peer.receive(moment);
    // The FIN once more: whoever lingers acknowledges it, whoever does not resets.
    peer.send({.flags = Flags::fin | Flags::ack, .seq = peer.snd_nxt - 1});
    const auto answer = peer.receive(moment);
    if (!answer || answer->is_reset()) return came(answer);
    return answer->ack == peer.snd_nxt ? pass() : came(answer);
}

Finding reset_is_valid(Prober& p, const Asks& asks) {
    Peer peer(p);
    if (!peer.open()) return no_connection();
    if (!take_all(peer, asks)) return unseen("it does not close after its answer (--request)");
    peer.send_text("x");  // to whoever has gone
    const auto answer = peer.receive(moment);
    if (!answer) return unseen("nothing came");
    if (!answer->is_reset()) return unseen("it still reads");
    return answer->seq == peer.rcv_nxt ? pass() : came(answer);
}

constexpr Check checks[] = {
    {"send.mss", Level::must, "RFC 9293 3.7.1 (MUST-16)",
     "its segments are no larger than our MSS", heeds_mss},
    {"send.default-mss", Level::must, "RFC 9293 3.7.1 (MUST-15)",
     "without our MSS they have 536 octets (1220 with IPv6)", default_mss},
    {"send.window", Level::must, "RFC 9293 3.8.6",
     "it sends no more than our window", heeds_window},
    {"send.probes", Level::must, "RFC 9293 3.8.6.1 (MUST-36)", "a closed window is probed", probes},
    {"send.retransmits", Level::must, "RFC 9293 3.8.1",
     "what is not acknowledged is sent again, unchanged", retransmits},
    {"send.push", Level::must, "RFC 9293 3.9.1.2 (MUST-61)",
     "the last of what it sends has PSH", pushes},
    {"close.fin", Level::must, "RFC 9293 3.10.7.4", "a FIN is acknowledged", fin_acknowledged},
    {"close.fin-behind-hole", Level::must, "RFC 9293 3.10.7.4",
     "a FIN behind a hole waits for what is missing", fin_behind_hole},
    {"close.half", Level::must, "RFC 9293 3.6", "after our FIN it may still send", half_close},
    {"close.time-wait", Level::must, "RFC 9293 3.6.1 (MUST-13)",
     "whoever closed first answers the last FIN again", time_wait},
    {"close.reset-number", Level::must, "RFC 9293 3.5.2",
     "text to whoever has gone is reset with our ACK's number", reset_is_valid},
};

}  // namespace

std::span<const Check> checks_of_sending() { return checks; }

}  // namespace estab::cli
