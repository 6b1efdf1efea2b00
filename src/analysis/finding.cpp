#include "analysis/finding.hpp"

namespace estab::analysis {

const char* to_string(Finding finding) {
    switch (finding) {
        case Finding::syn_lost: return "syn-lost";
        case Finding::syn_ack_lost: return "syn-ack-lost";
        case Finding::no_answer: return "no-answer";
        case Finding::refused: return "refused";
        case Finding::timeout: return "timeout";
        case Finding::tail_timeout: return "tail-timeout";
        case Finding::tail_probe: return "tail-probe";
        case Finding::fast_recovery: return "fast-recovery";
        case Finding::spurious: return "spurious-retransmission";
        case Finding::zero_window: return "zero-window";
        case Finding::window_full: return "window-full";
        case Finding::delayed_ack_and_nagle: return "delayed-ack-and-nagle";
        case Finding::reordering: return "reordering";
        case Finding::network_copies: return "network-copies";
        case Finding::loss_before_capture: return "loss-before-capture";
        case Finding::capture_incomplete: return "capture-incomplete";
        case Finding::keepalive_unanswered: return "keepalive-unanswered";
        case Finding::reset_unread: return "reset-unread";
        case Finding::reset_abort: return "reset-abort";
        case Finding::congestion_marks: return "congestion-marks";
        case Finding::beyond_window: return "beyond-window";
        case Finding::half_open: return "half-open";
        case Finding::unexplained: return "unexplained-retransmission";
        case Finding::breach: return "protocol-violation";
    }
    return "?";
}

Note& Notes::add(Finding finding, std::size_t side, std::uint64_t frame, std::int64_t cost_ns) {
    Note* note = nullptr;
    for (Note& known : notes_) {
        if (known.finding == finding && known.side == side) note = &known;
    }
    if (note == nullptr) {
        Note fresh{};
        fresh.finding = finding;
        fresh.side = static_cast<std::uint8_t>(side);
        note = &notes_.emplace_back(fresh);
    }
    if (note->count < Note::frames_max) note->frames[note->count] = frame;
    ++note->count;
    note->cost_ns += cost_ns;
    return *note;
}

const Note* Notes::find(Finding finding, std::size_t side) const {
    for (const Note& known : notes_) {
        if (known.finding == finding && known.side == side) return &known;
    }
    return nullptr;
}

void Notes::remove(Finding finding) {
    std::erase_if(notes_, [&](const Note& note) { return note.finding == finding; });
}

}  // namespace estab::analysis
