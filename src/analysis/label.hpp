// What can be said of one frame. docs/LABELS.md has the rule behind each.
#pragma once

#include <cstdint>
#include <string_view>

namespace estab::analysis {

enum class Label : std::uint8_t {
    retransmission,   // the same octets were sent before
    fast,             // … because later ones were acknowledged or duplicate ACKs came
    timeout,          // … because nothing came back in time
    tail_probe,       // … to make the receiver say what it has (RFC 8985 7)
    spurious,         // … though the receiver had acknowledged them
    out_of_order,     // sent once, overtaken on the way
    network_copy,     // the same packet twice, made by the network or by the capture
    gap,              // octets before this frame are missing
    duplicate_ack,
    ack_of_unseen,    // acknowledges what the capture does not have
    dsack,            // reports octets that came twice (RFC 2883)
    zero_window,
    window_full,      // uses the last octet of the receiver's window
    window_update,
    zero_window_probe,
    zero_window_probe_ack,
    keepalive,
    keepalive_ack,
    port_reuse,       // a SYN for a pair of ports that was in use before
    refused,          // a RST that answers a SYN
    reset_unread,     // a RST by a side that had closed, at data that came later
    reset_abort,      // a RST in the middle
    reset_stray,      // a RST of a connection that the capture does not have
    ce,               // the network marked congestion
    ece,
    cwr,
    fast_open,
    beyond_window,    // sends what the receiver has no room for
    challenge_ack,    // answers a SYN or RST in an established connection (RFC 5961)
};
inline constexpr unsigned label_count = static_cast<unsigned>(Label::challenge_ack) + 1;

class Labels {
public:
    constexpr Labels() = default;
    constexpr void add(Label label) { bits_ |= bit(label); }
    constexpr bool has(Label label) const { return (bits_ & bit(label)) != 0; }
    constexpr bool empty() const { return bits_ == 0; }
    constexpr std::uint32_t bits() const { return bits_; }

private:
    static constexpr std::uint32_t bit(Label label) {
        return std::uint32_t{1} << static_cast<unsigned>(label);
    }
    std::uint32_t bits_ = 0;
};
static_assert(label_count <= 32);

std::string_view to_string(Label label);  // "retransmission", "zero-window-probe-ack"

}  // namespace estab::analysis
