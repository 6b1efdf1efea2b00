// One end of one TCP connection, as the referee knows it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "base/interval_set.hpp"
#include "base/time.hpp"
#include "wire/ip.hpp"
#include "wire/tcp.hpp"

namespace estab::sim {

struct Violation {
    Instant at{};
    wire::FourTuple flow{};       // local: who did it
    const char* clause = "";      // "RFC 9293 3.8.6"
    std::string sentence;
};

// The octets sent last, to compare retransmissions with, in pages that come and go. Grows up to a
// limit; then the oldest go.
class KeptBytes {
public:
    static constexpr std::size_t page_bytes = 16 * 1024;

    explicit KeptBytes(std::size_t limit) : pages_max_(limit / page_bytes) {}
    // Appends; `at` is where the last append ended, or a new beginning.
    void append(std::uint64_t at, Bytes octets, bool may_grow);
    void forget_below(std::uint64_t floor);
    struct Comparison {
        std::uint64_t equal = 0, unknown = 0;
        std::optional<std::uint64_t> differs_at;
    };
    Comparison compare(std::uint64_t at, Bytes octets) const;
    std::size_t capacity() const { return pages_.size() * page_bytes; }

private:
    using Page = std::unique_ptr<std::uint8_t[]>;
    bool add_page(bool may_grow);
    std::size_t pages_max_;
    std::deque<Page> pages_;          // the first has the octet `begin_`, unless there are none
    Page spare_;
    std::uint64_t begin_ = 0, end_ = 0;
};

class Side {
public:
    struct Settings {
        std::size_t kept_bytes_max = 0;
        bool window_retreat_by_scale = false;
    };
    struct Seen {
        Instant at{};
        const wire::IpPacket& packet;
        const wire::TcpView& tcp;
        const wire::TcpOptions& options;
        bool is_sound = true;  // the checksum is right
    };
    class Report {
    public:
        virtual ~Report() = default;
        virtual void blame(Violation violation) = 0;
        bool may_grow = true;              // keep more octets than now
        std::uint64_t compared = 0, uncompared = 0;
    };

    Side(const wire::FourTuple& self, const Settings& settings)
        : self_(self), settings_(settings), kept_(settings.kept_bytes_max) {}

    void on_leaving(const Seen& seen, Report& report);   // judged
    void on_arriving(const Seen& seen);                  // learnt; sound

    const wire::FourTuple& self() const { return self_; }
    std::uint64_t used_last = 0;
    std::size_t kept_bytes() const { return kept_.capacity(); }

private:
    struct PeerSyn {  // one that arrived
        std::uint32_t seq = 0;
        bool is_answer = false;
        std::optional<std::uint8_t> shift;
        bool timestamps = false, sack = false, ecn = false;
        std::uint16_t mss = 0;
        // RFC 7413: it brought a cookie, and perhaps text.
        std::uint32_t early_window = 0, text = 0;
        bool is_acknowledged_by(std::uint32_t ack) const { return ack - seq - 1 <= text; }
    };

    void blame(Report& report, const char* clause, std::string sentence) const;
    void begin_anew();
    bool answers_heard_syn(std::uint32_t ack);
    void adopt(const PeerSyn& syn);
    void hear_syn(const Seen& seen);
    void hear_ack(const Seen& seen);
    void hear_text(std::uint64_t begin, std::uint64_t end);
    void note_twice(std::uint64_t begin, std::uint64_t end);
    void judge_syn(const Seen& seen, Report& report);
    void judge_syn_answer(const Seen& seen, Report& report);
    void judge_options(const Seen& seen, Report& report) const;
    void judge_timestamps(const Seen& seen, Report& report);
    void judge_ecn(const Seen& seen, bool is_new, Report& report) const;
    void judge_reset(const Seen& seen, Report& report);
    void judge_numbers(const Seen& seen, std::uint64_t seq, Report& report);
    void judge_text(std::uint64_t seq, Bytes text, Report& report);
    void judge_ack(const Seen& seen, Report& report);
    void judge_delay(Report& report);
    void judge_sack(const Seen& seen, std::uint64_t ack, Report& report) const;
    bool has_arrived(std::uint64_t begin, std::uint64_t end) const;
    bool has_arrived_twice(std::uint64_t begin, std::uint64_t end) const;
    bool is_scaling() const { return shift_ && peer_shift_; }
    bool has_timestamps() const { return ts_offered_ && peer_ts_offered_; }

    wire::FourTuple self_;
    Settings settings_;
    Instant now_{};

    // What it sent.
    bool open_ = false;               // its SYN has been seen
    bool beyond_syn_ = false;         // and something after it
    bool partial_ = false;            // came upon in the middle: nothing is known of its handshake
    std::uint64_t iss_ = 0;  // numbers are extended to 64 bits; the SYN's is 2^32 + its number
    std::uint64_t nxt_ = 0;           // one past the highest number sent
    std::optional<std::uint64_t> fin_;
    bool reset_ = false;              // it gave up with a RST of its own
    std::array<std::uint32_t, 8>
        other_iss_{};  // of other SYN-ACKs for the same SYN: cookies change
    std::size_t other_iss_count_ = 0;
    std::optional<std::uint8_t> shift_;
    bool ts_offered_ = false, sack_offered_ = false, ecn_offered_ = false;
    std::optional<std::uint32_t> tsval_;
    std::optional<std::uint64_t> ack_;        // highest sent
    std::optional<std::uint64_t> edge_;       // highest right edge offered
    KeptBytes kept_;

    // What has reached it.
    bool peer_open_ = false;
    bool peer_answered_ = false;      // by a SYN with ACK
    std::uint64_t irs_ = 0;
    std::uint32_t syn_text_ = 0;      // octets that came with the peer's SYN (RFC 7413)
    std::uint64_t rcv_ = 0;           // one past what has arrived in order
    std::vector<Interval> beyond_;    // arrived out of order, ascending; at most beyond_max
    bool beyond_lost_ = false;        // there were more
    std::array<Interval, 64> twice_{};  // what arrived again, the latest; touching ones are one
    std::uint64_t twice_count_ = 0;
    std::optional<Instant> owes_ack_since_;  // text or a FIN has arrived in order
    static constexpr std::size_t beyond_max = 16'384;
    std::optional<std::uint8_t> peer_shift_;
    bool peer_ts_offered_ = false, peer_sack_offered_ = false, peer_ecn_offered_ = false;
    std::uint16_t peer_mss_ = 0;      // 0: it said none
    std::optional<std::uint32_t> peer_tsval_;  // the newest
    std::optional<std::uint64_t> peer_edge_;   // highest right edge that arrived
    std::uint32_t early_window_ = 0;  // what may be sent before any ACK has arrived (RFC 7413)
    std::uint64_t una_ = 0;           // highest acknowledgment that arrived
    std::array<std::uint32_t, 128> heard_acks_{};  // of the latest segments
    std::uint64_t heard_acks_count_ = 0;
    std::array<PeerSyn, 8> heard_syns_{};
    std::uint64_t heard_syns_count_ = 0;
};

}  // namespace estab::sim
