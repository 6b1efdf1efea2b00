#include "analysis/label.hpp"

namespace estab::analysis {

std::string_view to_string(Label label) {
    switch (label) {
        case Label::retransmission: return "retransmission";
        case Label::fast: return "fast";
        case Label::timeout: return "timeout";
        case Label::tail_probe: return "tail-probe";
        case Label::spurious: return "spurious";
        case Label::out_of_order: return "out-of-order";
        case Label::network_copy: return "network-copy";
        case Label::gap: return "gap";
        case Label::duplicate_ack: return "duplicate-ack";
        case Label::ack_of_unseen: return "ack-of-unseen";
        case Label::dsack: return "dsack";
        case Label::zero_window: return "zero-window";
        case Label::window_full: return "window-full";
        case Label::window_update: return "window-update";
        case Label::zero_window_probe: return "zero-window-probe";
        case Label::zero_window_probe_ack: return "zero-window-probe-ack";
        case Label::keepalive: return "keepalive";
        case Label::keepalive_ack: return "keepalive-ack";
        case Label::port_reuse: return "port-reuse";
        case Label::refused: return "refused";
        case Label::reset_unread: return "reset-unread";
        case Label::reset_abort: return "reset-abort";
        case Label::reset_stray: return "reset-stray";
        case Label::ce: return "ce";
        case Label::ece: return "ece";
        case Label::cwr: return "cwr";
        case Label::fast_open: return "fast-open";
        case Label::beyond_window: return "beyond-window";
        case Label::challenge_ack: return "challenge-ack";
    }
    return "?";
}

}  // namespace estab::analysis
