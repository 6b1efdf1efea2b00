// A connection told to a learner: what each segment means, which rule made it so, why it has this
// number and why it comes now. It says what the capture shows; what it only suggests is "probably".
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "story/mirror.hpp"

namespace estab::story {

struct Fact {
    std::string text;       // a sentence without its full stop
    const char* rule = "";  // "RFC 9293 3.4", or nothing
};

struct Told {
    std::string headline;     // one line
    std::vector<Fact> facts;  // in the order in which they are worth reading
};

class Teller {
public:
    // The same answer stays valid until the next call.
    const Told& tell(const analysis::Verdict& verdict, const Step& step);
    // What can be said when the connection is over.
    static std::vector<Fact> conclusion(const analysis::Connection& connection, const Step& last,
                                        std::span<const analysis::Note> more = {});

private:
    struct Past {  // of a side, as the sender of its octets
        std::uint32_t unanswered = 0;         // segments since the other's last ACK
        std::uint64_t unanswered_octets = 0;
        std::int64_t asked_ns = 0;            // when the first of them passed
        std::int64_t text_ns = 0;             // when its last octets passed
        std::uint64_t asked_frame = 0, text_frame = 0;
        std::int64_t last_seq = 0;            // of the segment that the next ACK will answer …
        std::uint32_t last_octets = 0;        // … its payload …
        bool timestamps = false;              // its SYN had them
        std::int64_t fin_ns = 0, syn_ns = 0;
        std::uint64_t fin_frame = 0;
        std::uint64_t flight = 0;             // sent before anything of it was acknowledged
        bool flight_over = false;
        std::uint32_t timeouts = 0;           // in a row
        std::int64_t timeout_ns = 0;
        std::int64_t ack_ns = 0;              // when it acknowledged something new
        std::uint64_t ack_frame = 0;
        std::uint32_t window = 0;
        bool window_known = false;
    };

    // tell_open.cpp
    void tell_syn();
    void tell_syn_options();
    void tell_syn_ack();
    void tell_handshake_end();
    // tell_data.cpp
    void tell_data();
    void tell_size();
    void tell_why_now();
    void tell_flight();
    void tell_sent_again();
    void tell_timeout();
    void tell_order();
    void tell_probe();
    // tell_ack.cpp
    void tell_ack();
    void tell_ack_number();
    void tell_ack_time();
    void tell_duplicate();
    void tell_sack();
    void tell_window();
    // tell_close.cpp
    void tell_fin();
    void tell_fin_acknowledged();
    void tell_reset();
    void tell_states();
    void tell_marks();

    void remember();
    void say(std::string text, const char* rule = "") {
        told_.facts.push_back({std::move(text), rule});
    }
    std::string me() const { return v_->side == 0 ? "client" : "server"; }
    std::string peer() const { return v_->side == 0 ? "server" : "client"; }
    const analysis::Segment& segment() const { return *v_->segment; }
    const analysis::Side& my_side() const { return v_->connection->sides[v_->side]; }
    const analysis::Side& peer_side() const { return v_->connection->sides[1 - v_->side]; }
    Past& mine() { return past_[v_->side]; }
    Past& theirs() { return past_[1 - v_->side]; }
    bool has(analysis::Label label) const { return v_->labels.has(label); }
    std::uint32_t payload_max() const;  // of a segment of the sender, 0: not known
    std::int64_t end_of_segment() const { return v_->seq + segment().length(); }

    Told told_;
    std::array<Past, 2> past_{};
    const analysis::Verdict* v_ = nullptr;
    const Step* step_ = nullptr;
    std::int64_t now_ = 0;
};

std::string octets_text(std::uint64_t count);  // "1 octet", "8 octets"

}  // namespace estab::story
