// What is worth telling about a connection, counted while it goes on, with the frames that show it.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace estab::analysis {

enum class Finding : std::uint8_t {
    syn_lost,
    syn_ack_lost,
    no_answer,
    refused,
    timeout,
    tail_timeout,
    tail_probe,
    fast_recovery,
    spurious,
    zero_window,
    window_full,
    delayed_ack_and_nagle,
    reordering,
    network_copies,
    loss_before_capture,
    capture_incomplete,
    keepalive_unanswered,
    reset_unread,
    reset_abort,
    congestion_marks,
    beyond_window,
    half_open,
    unexplained,
    breach,  // of a rule: whoever looks at the rules says which
};
inline constexpr std::size_t finding_count = static_cast<std::size_t>(Finding::breach) + 1;
const char* to_string(Finding finding);

struct Note {
    static constexpr std::size_t frames_max = 4;
    Finding finding;
    std::uint8_t side = 0;  // whose octets or doing
    std::uint32_t count = 0;
    std::int64_t cost_ns = 0;
    std::uint64_t bytes = 0;
    std::array<std::uint64_t, frames_max> frames{};  // the first ones; 0: none
    const char* clause = "";  // of a breach: "RFC 9293 3.8.6"
    std::string said{};       // … and what was done, the first time
};

class Notes {
public:
    Note& add(Finding finding, std::size_t side, std::uint64_t frame, std::int64_t cost_ns = 0);
    const std::vector<Note>& all() const { return notes_; }
    const Note* find(Finding finding, std::size_t side) const;
    void remove(Finding finding);

private:
    std::vector<Note> notes_;  // at most one of each finding and side
};

}  // namespace estab::analysis
