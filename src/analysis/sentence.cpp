// Findings in words.
#include <charconv>
#include <cmath>

#include "analysis/frame_text.hpp"
#include "analysis/summary.hpp"

namespace estab::analysis {
namespace {

// With so many digits behind the point, whatever the locale.
std::string fixed(double value, int digits) {
    char room[64];
    const auto end =
        std::to_chars(room, room + sizeof room, value, std::chars_format::fixed, digits);
    return {room, end.ptr};
}

std::string times(std::uint64_t count) {
    if (count == 1) return "once";
    if (count == 2) return "twice";
    return std::to_string(count) + " times";
}

std::string plural(std::uint64_t count, const char* one) {
    return std::to_string(count) + " " + one + (count == 1 ? "" : "s");
}

std::string percent(double share) {
    return fixed(share * 100, share < 0.0995 && share > 0 ? 1 : 0) + " %";
}

const char* who(std::size_t side) { return side == 0 ? "client" : "server"; }

double part_of(std::int64_t ns, const Summary& s) {
    const std::int64_t whole = std::max<std::int64_t>(s.duration_ns(), 1);
    return static_cast<double>(ns) / static_cast<double>(whole);
}

std::string retransmitted(const Summary& s, const Note& note) {
    const SideSummary& side = s.sides[note.side];
    const double share = side.segments == 0 ? 0
                                            : static_cast<double>(side.retransmitted) /
                                                  static_cast<double>(side.segments);
    return percent(share) + " of the " + who(note.side) + "'s segments were sent again";
}

// The recovery of losses: what it took to get going again.
std::string recovery(const Summary& s, const Note& note) {
    const std::string cost = duration_text(note.cost_ns);
    const std::string from = who(note.side);
    if (note.finding == Finding::timeout) {
        return plural(note.count, "retransmission timeout") + " of the " + from + ": " + cost +
               " in which nothing moved; " + retransmitted(s, note);
    }
    if (note.finding == Finding::tail_timeout) {
        return "tail loss: the last of what the " + from + " had sent was lost, and only a timeout"
               " told, " + times(note.count) + ", " + cost;
    }
    if (note.finding == Finding::tail_probe) {
        return plural(note.count, "tail probe") + " of the " + from + " after " + cost +
               " without an acknowledgment";
    }
    return plural(note.count, "episode") + " of fast retransmission by the " + from + ", about " +
           cost + "; " + retransmitted(s, note);
}

std::string windows(const Summary& s, const Note& note) {
    if (note.finding == Finding::zero_window) {
        return std::string("the ") + who(note.side) + "'s receive window was closed for " +
               duration_text(note.cost_ns) + " (" + percent(part_of(note.cost_ns, s)) +
               " of the time): its application did not read";
    }
    const SideSummary& receiver = s.sides[1 - note.side];
    return std::string("the ") + who(1U - note.side) + "'s receive window was full " +
           percent(part_of(note.cost_ns, s)) + " of the time (" + duration_text(note.cost_ns) +
           "): raise its buffer well above the " + bytes_text(receiver.window_max) +
           " it offered, or read faster";
}

std::string beginnings(const Summary& s, const Note& note) {
    const std::string cost = duration_text(note.cost_ns);
    const Finding what = note.finding;
    if (what == Finding::syn_lost) {
        return "SYN lost " + times(note.count) + ": " + cost + " before the connection";
    }
    if (what == Finding::syn_ack_lost) {
        return "SYN-ACK sent again " + times(note.count) + ", " + cost +
               ": it or the ACK of it was lost";
    }
    if (what == Finding::refused) {
        return "refused: a RST answers the SYN; nothing listens on port " +
               std::to_string(s.ends[1].port);
    }
    if (what == Finding::half_open) return "never opened: the SYN-ACK was not acknowledged";
    return "no answer to the SYN in " + cost + ": nobody there, or a filter drops it";
}

std::string of_segments(const Note& note) {
    const std::string from = who(note.side);
    const std::uint32_t n = note.count;
    const Finding what = note.finding;
    if (what == Finding::spurious) {
        return plural(n, "needless retransmission") + " of the " + from +
               ": the octets had arrived";
    }
    if (what == Finding::delayed_ack_and_nagle) {
        return "delayed ACK and Nagle waited for each other, " +
               duration_text(n == 0 ? 0 : note.cost_ns / n) + " x " + std::to_string(n) +
               ": write once, or set TCP_NODELAY at the " + from;
    }
    if (what == Finding::reordering) {
        return plural(n, "segment") + " of the " + from + " came out of order";
    }
    if (what == Finding::network_copies) {
        return plural(n, "packet") + " of the " + from +
               " came twice, copied by the network or the capture";
    }
    if (what == Finding::loss_before_capture) {
        return plural(n, "segment") + " of the " + from + " lost between it and the capture";
    }
    if (what == Finding::unexplained) {
        return plural(n, "retransmission") + " of the " + from + " for no reason that shows here";
    }
    if (what == Finding::capture_incomplete) {
        return "the capture lacks packets of the " + from + " that were acknowledged, " + times(n);
    }
    return "the network marked congestion on packets of the " + from + " (ECN), " + times(n) +
           ": it slows down without a loss";
}

std::string of_ends(const Note& note) {
    const std::string from = who(note.side);
    const Finding what = note.finding;
    if (what == Finding::keepalive_unanswered) {
        return plural(note.count, "keepalive") + " without an answer of the " + from;
    }
    if (what == Finding::reset_unread) {
        return "the " + from + " closed with unread data, or before its peer was done: RST";
    }
    if (what == Finding::reset_abort) return "the " + from + " aborted the connection: RST";
    if (what == Finding::breach) {
        return "the " + from + " " + note.said + (note.count > 1 ? ", and so on, " : "") +
               (note.count > 1 ? times(note.count) : "") + ": against " + note.clause;
    }
    return "the " + from + " sent beyond the window " + times(note.count) +
           ", against RFC 9293 3.8.6";
}

}  // namespace

std::string duration_text(std::int64_t ns) {
    const double s = static_cast<double>(ns) / 1e9;
    if (ns < 0) return "-" + duration_text(-ns);
    if (s >= 100) return fixed(s, 0) + " s";
    if (s >= 1) return fixed(s, 1) + " s";
    if (s >= 0.0995) return fixed(s, 2) + " s";
    if (s >= 0.001) return fixed(s * 1e3, s >= 0.01 ? 0 : 1) + " ms";
    return fixed(s * 1e6, 0) + " us";
}

std::string bytes_text(std::uint64_t bytes) {
    const auto b = static_cast<double>(bytes);
    if (b < 1e4) return std::to_string(bytes) + " bytes";
    if (b < 1e6) return fixed(b / 1e3, b < 1e5 ? 1 : 0) + " kB";
    if (b < 1e9) return fixed(b / 1e6, b < 1e8 ? 1 : 0) + " MB";
    return fixed(b / 1e9, 1) + " GB";
}

std::string rate_text(double rate) {
    if (rate < 1e3) return fixed(rate, 0) + " bit/s";
    if (rate < 1e6) return fixed(rate / 1e3, rate < 1e5 ? 1 : 0) + " kbit/s";
    if (rate < 1e9) return fixed(rate / 1e6, rate < 1e8 ? 1 : 0) + " Mbit/s";
    return fixed(rate / 1e9, 2) + " Gbit/s";
}

std::string sentence(const Summary& s, const Note& note) {
    switch (note.finding) {
        case Finding::syn_lost:
        case Finding::syn_ack_lost:
        case Finding::no_answer:
        case Finding::refused:
        case Finding::half_open: return beginnings(s, note);
        case Finding::timeout:
        case Finding::tail_timeout:
        case Finding::tail_probe:
        case Finding::fast_recovery: return recovery(s, note);
        case Finding::zero_window:
        case Finding::window_full: return windows(s, note);
        case Finding::spurious:
        case Finding::delayed_ack_and_nagle:
        case Finding::reordering:
        case Finding::network_copies:
        case Finding::loss_before_capture:
        case Finding::capture_incomplete:
        case Finding::unexplained:
        case Finding::congestion_marks: return of_segments(note);
        case Finding::keepalive_unanswered:
        case Finding::reset_unread:
        case Finding::reset_abort:
        case Finding::breach:
        case Finding::beyond_window: return of_ends(note);
    }
    return {};
}

}  // namespace estab::analysis
