// Reads the packets of a capture one after the other, says of each TCP segment what it is, and of
// each connection what it was. It knows what crossed the place of the capture and nothing else.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "analysis/connection.hpp"
#include "analysis/label.hpp"
#include "analysis/segment.hpp"

namespace estab::analysis {

// What was found out about one frame.
struct Verdict {
    const Connection* connection = nullptr;
    const Segment* segment = nullptr;
    std::uint8_t side = 0;     // who sent it: an index into connection->ends
    Labels labels;
    std::int64_t seq = 0;      // relative: a SYN is 0, the first octet 1
    std::int64_t ack = 0;
    std::uint32_t window = 0;  // scaled, where the scale is known
    std::int64_t in_flight = 0;     // of the sender, behind this segment
    std::uint64_t earlier_frame = 0;  // where the same octets were seen; 0: nowhere
    std::int64_t rtt_ns = 0;        // a sample that this acknowledgment gives; 0: none
    std::uint32_t duplicate = 0;    // which duplicate ACK in a row it is
    // Its sender made it after all that was seen of it before: by its IP ID, or its timestamp.
    bool surely_later = false;
};

class Analyzer {
public:
    struct Settings {
        // Of connections that live. When there are more, the one that was silent longest is
        // ended; should it speak again, it is a new one whose beginning is missing.
        std::uint32_t live_max = 32'768;
        // Of those that have ended, kept for copies of their segments; the oldest goes first.
        std::uint32_t closed_max = 4'096;
    };
    using Ended = std::function<void(const Connection&)>;

    Analyzer(const Settings& settings, Ended ended);

    // The verdict stays valid until the next call; nullptr: no TCP segment.
    const Verdict* on_packet(std::uint64_t frame, Instant time,
                             const observe::NetworkPacket& packet);
    // No more packets come: ends every connection.
    void finish();

    std::uint32_t connections() const { return numbers_; }
    std::uint32_t live() const { return live_.count + closed_.count; }
    std::uint64_t segments() const { return segments_; }
    std::uint64_t forgotten() const { return forgotten_; }  // ended because of live_max

private:
    static constexpr std::uint32_t none = 0xffffffff;
    struct Slot {  // a connection and its places in lists
        Connection connection;
        std::uint32_t older = none, newer = none;
    };
    struct List {  // in the order of the last segment
        std::uint32_t oldest = none, newest = none, count = 0;
    };

    Slot& slot(std::uint32_t index) { return *slots_[index]; }
    std::uint32_t& bucket(const End& a, const End& b);
    std::uint32_t find(const Segment& segment);
    std::uint32_t open(const Segment& segment);
    void end(std::uint32_t index);
    void append(List& list, std::uint32_t index);
    void remove(List& list, std::uint32_t index);
    List& list_of(const Connection& c) { return c.released ? closed_ : live_; }
    void end_old_ones(std::int64_t now_ns);

    Settings settings_;
    Ended ended_;
    std::vector<std::unique_ptr<Slot>> slots_;
    std::vector<std::uint32_t> free_;
    std::vector<std::uint32_t> buckets_;
    List live_, closed_;
    std::uint32_t numbers_ = 0;
    std::uint64_t segments_ = 0, forgotten_ = 0;
    Segment segment_;
    Verdict verdict_;
};

}  // namespace estab::analysis
