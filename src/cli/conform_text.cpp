// Questions of `estab conform`: text and resets that come to the target.
#include "cli/conform_words.hpp"

namespace estab::cli {
namespace {

// --- Text

Finding text_acknowledged(Prober& p, const Asks&) {
    Peer peer(p);
    if (!peer.open()) return no_connection();
    peer.send_text("x");
    const auto answer = peer.receive(500ms);  // MUST-40
    return answer && answer->ack == peer.snd_nxt ? pass() : came(answer);
}

Finding second_segment(Prober& p, const Asks&) {
    Peer peer(p);
    if (!peer.open()) return no_connection();
    const std::string full(1460, 'x');
    peer.send_text(full);
    peer.send_text(full);
    for (int i = 0; i < 3; ++i) {
        const auto answer = peer.receive(moment);
        if (!answer) return fail("two full segments are not acknowledged at once");
        if (answer->ack == peer.snd_nxt) return pass();
    }
    return fail("two full segments are not acknowledged together");
}

Finding checksum(Prober& p, const Asks&) {
    Peer peer(p);
    if (!peer.open()) return no_connection();
    peer.send({.payload = {'x'}, .breaks_checksum = true});
    const auto answer = peer.receive(moment);
    return answer && answer->ack == peer.snd_nxt + 1 ? fail("it takes a broken segment") : pass();
}

Finding out_of_order(Prober& p, const Asks&) {
    Peer peer(p);
    if (!peer.open()) return no_connection();
    peer.send({.seq = peer.snd_nxt + 1, .payload = {'y'}});
    const auto first = peer.receive(moment);
    if (!first || first->ack != peer.snd_nxt) return came(first);
    peer.send({.payload = {'x'}});
    const auto both = peer.receive(moment);
    return both && both->ack == peer.snd_nxt + 2 ? pass() : came(both);
}

Finding sack_block(Prober& p, const Asks&) {
    Peer peer(p);
    if (!peer.open(with({sack_ok}))) return no_connection();
    if (!peer.syn_ack.options.sack_permitted) return unseen("it does not use SACK");
    peer.send({.seq = peer.snd_nxt + 1, .payload = {'y'}});
    const auto answer = peer.receive(moment);
    if (!answer || answer->options.sack_count == 0) return came(answer);
    const auto block = answer->options.sack[0];
    const bool right = block.begin.raw == peer.snd_nxt + 1 && block.end.raw == peer.snd_nxt + 2;
    return right ? pass() : fail("the block is another one");
}

Finding dsack(Prober& p, const Asks&) {
    Peer peer(p);
    if (!peer.open(with({sack_ok}))) return no_connection();
    if (!peer.syn_ack.options.sack_permitted) return unseen("it does not use SACK");
    peer.send_text("x");
    (void)peer.receive(moment);
    peer.send({.seq = peer.snd_nxt - 1, .payload = {'x'}});
    const auto answer = peer.receive(moment);
    if (!answer) return came(answer);
    const bool right = answer->options.sack_count != 0 &&
                       answer->options.sack[0].begin.raw == peer.snd_nxt - 1;
    return right ? pass() : fail("a duplicate is not reported");
}

Finding old_duplicate(Prober& p, const Asks&) {
    Peer peer(p);
    if (!peer.open()) return no_connection();
    peer.send_text("x");
    (void)peer.receive(moment);
    peer.send({.seq = peer.snd_nxt - 1, .payload = {'x'}});
    const auto answer = peer.receive(moment);
    return answer && answer->ack == peer.snd_nxt ? pass() : came(answer);
}

Finding beyond_window(Prober& p, const Asks&) {
    Peer peer(p);
    if (!peer.open()) return no_connection();
    peer.send({.seq = peer.snd_nxt + 0x1000'0000, .payload = {'x'}});
    const auto answer = peer.receive(moment);
    return answer && answer->ack == peer.snd_nxt ? pass() : came(answer);
}

Finding without_ack_bit(Prober& p, const Asks&) {
    Peer peer(p);
    if (!peer.open()) return no_connection();
    peer.send({.flags = Flags::psh, .payload = {'x'}});
    const auto answer = peer.receive(moment);
    return answer && answer->ack == peer.snd_nxt + 1 ? fail("it takes text without ACK") : pass();
}

Finding options_on_text(Prober& p, const Asks&) {
    Peer peer(p);
    if (!peer.open()) return no_connection();
    peer.send({.options = raw_options({{200, 3, 9}, {1}}), .payload = {'x'}});
    const auto answer = peer.receive(500ms);
    return answer && answer->ack == peer.snd_nxt + 1 ? pass() : came(answer);
}

Finding urgent(Prober& p, const Asks&) {
    Peer peer(p);
    if (!peer.open()) return no_connection();
    peer.send({.flags = Flags::ack | Flags::urg | Flags::psh,
               .urgent = 3,
               .payload = {'x', 'y', 'z'}});
    const auto answer = peer.receive(500ms);
    return answer && answer->ack == peer.snd_nxt + 3 ? pass() : came(answer);
}

Finding keepalive(Prober& p, const Asks&) {
    Peer peer(p);
    if (!peer.open()) return no_connection();
    return peer.is_alive() ? pass() : fail("a segment at SEG.SEQ = RCV.NXT - 1 draws no ACK");
}

Finding future_ack(Prober& p, const Asks&) {
    Peer peer(p);
    if (!peer.open()) return no_connection();
    peer.send({.ack = peer.rcv_nxt + 100'000, .payload = {'x'}});
    const auto answer = peer.receive(moment);
    if (!answer) return came(answer);
    return !answer->is_reset() && answer->ack == peer.snd_nxt ? pass() : came(answer);
}

Finding paws(Prober& p, const Asks&) {
    Peer peer(p);
    if (!peer.open(with({timestamp_option(1'000'000, 0)}))) return no_connection();
    if (!peer.syn_ack.options.timestamps) return unseen("it does not use timestamps");
    const std::uint32_t echo = peer.syn_ack.options.timestamps->val;
    peer.every_options = timestamp_option(1'000'010, echo);
    peer.send_text("x");
    (void)peer.receive(moment);
    peer.send({.options = timestamp_option(900'000, echo), .payload = {'y'}});
    const auto answer = peer.receive(moment);
    return answer && answer->ack == peer.snd_nxt ? pass() : came(answer);
}

// --- RFC 5961

Finding rst_exact(Prober& p, const Asks&) {
    Peer peer(p);
    if (!peer.open()) return no_connection();
    peer.send({.flags = Flags::rst, .seq = peer.snd_nxt});
    (void)peer.receive(100ms);
    return peer.is_alive() ? fail("it lives on after an exact RST") : pass();
}

Finding rst_in_window(Prober& p, const Asks&) {
    Peer peer(p);
    if (!peer.open()) return no_connection();
    peer.send({.flags = Flags::rst, .seq = peer.snd_nxt + 10});
    const auto answer = peer.receive(moment);
    if (!answer || answer->is_reset() || answer->ack != peer.snd_nxt) return came(answer);
    return peer.is_alive() ? pass() : fail("a RST inside the window has reset it");
}

Finding rst_outside(Prober& p, const Asks&) {
    Peer peer(p);
    if (!peer.open()) return no_connection();
    peer.send({.flags = Flags::rst, .seq = peer.snd_nxt - 100});
    (void)peer.receive(100ms);
    return peer.is_alive() ? pass() : fail("a RST outside the window has reset it");
}

Finding syn_in_window(Prober& p, const Asks&) {
    Peer peer(p);
    if (!peer.open()) return no_connection();
    peer.send({.flags = Flags::syn, .seq = peer.snd_nxt + 10, .options = mss_option(1460)});
    const auto answer = peer.receive(moment);
    if (!answer || answer->is_reset() || answer->ack != peer.snd_nxt) return came(answer);
    return peer.is_alive() ? pass() : fail("a SYN inside the window has reset it");
}

Finding old_ack(Prober& p, const Asks&) {
    Peer peer(p);
    if (!peer.open()) return no_connection();
    peer.send({.ack = peer.rcv_nxt - 0x4000'0000, .payload = {'x'}});
    const auto answer = peer.receive(moment);
    if (!answer) return came(answer);
    return answer->ack == peer.snd_nxt ? pass() : fail("it takes text with an ACK of the far past");
}

constexpr Check checks[] = {
    {"text.acknowledged", Level::must, "RFC 9293 3.8.6.3 (MUST-40)",
     "text is acknowledged within 0.5 s", text_acknowledged},
    {"text.every-second", Level::should, "RFC 9293 3.8.6.3 (SHLD-19)",
     "two full segments are acknowledged at once", second_segment},
    {"text.checksum", Level::must, "RFC 9293 3.1 (MUST-3)",
     "a segment with a wrong checksum is dropped", checksum},
    {"text.out-of-order", Level::should, "RFC 5681 4.2; RFC 9293 3.10.7.4 (SHLD-31)",
     "text out of order is acknowledged at once, and kept", out_of_order},
    {"text.sack", Level::must, "RFC 2018 4",
     "what came last is in the first SACK block", sack_block},
    {"text.dsack", Level::should, "RFC 2883 4", "a duplicate is reported", dsack},
    {"text.old-duplicate", Level::must, "RFC 9293 3.10.7.4",
     "an old segment draws an ACK", old_duplicate},
    {"text.beyond-window", Level::must, "RFC 9293 3.10.7.4",
     "a segment outside the window draws an ACK and is not taken", beyond_window},
    {"text.no-ack-bit", Level::must, "RFC 9293 3.10.7.4",
     "a segment without ACK is dropped", without_ack_bit},
    {"text.options", Level::must, "RFC 9293 3.1 (MUST-5)",
     "options may be on any segment", options_on_text},
    {"text.urgent", Level::must, "RFC 9293 3.8.5 (MUST-30)", "urgent text is taken", urgent},
    {"text.keepalive", Level::must, "RFC 9293 3.8.4", "a keepalive is answered", keepalive},
    {"text.future-ack", Level::must, "RFC 9293 3.10.7.4",
     "an ACK of what was never sent draws an ACK, and the segment is dropped", future_ack},
    {"text.paws", Level::must, "RFC 7323 5.3",
     "an old timestamp draws an ACK, and the segment is dropped", paws},
    {"reset.exact", Level::must, "RFC 9293 3.10.7.4",
     "a RST of exactly RCV.NXT ends it", rst_exact},
    {"reset.in-window", Level::must, "RFC 5961 3.2",
     "another RST inside the window is challenged", rst_in_window},
    {"reset.outside", Level::must, "RFC 9293 3.5.3",
     "a RST outside the window is ignored", rst_outside},
    {"reset.syn-in-window", Level::must, "RFC 5961 4.2",
     "a SYN in a connection is challenged", syn_in_window},
    {"reset.old-ack", Level::should, "RFC 5961 5.2",
     "text with an ACK of the far past is not taken", old_ack},
};

}  // namespace

std::span<const Check> checks_of_text() { return checks; }

}  // namespace estab::cli
