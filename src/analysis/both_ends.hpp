// Two captures of the same traffic, one at each end of a path: what the network did to each packet
// is no guess then. Memory grows with the packets that have octets, 48 bytes each.
#pragma once

#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "analysis/pairing.hpp"
#include "analysis/segment.hpp"

namespace estab::analysis {

enum class Fate : std::uint8_t {
    first,           // sent once, came in order
    lost,            // left the one end and did not come to the other
    retransmission,  // sent again, and the receiver did not have it
    spurious,        // sent again, though the receiver had it
    reordered,       // came behind what was sent after it
    copy,            // came twice, sent once
    unmatched,       // came, but the other capture does not have it
};
const char* to_string(Fate fate);

struct FateOfFrame {
    std::uint64_t frame = 0;
    std::uint64_t other_frame = 0;  // in the other capture; 0: none
    std::uint32_t flow = 0;         // a direction of a connection
    std::int64_t delay_ns = 0;      // more than the quickest packet of the direction took
    Fate fate = Fate::first;
    bool sent_here = false;         // the sender is at this end
};

struct FlowFates {
    End source, destination;
    bool from_client = false;  // sent at the end of the client's capture
    std::uint64_t sent = 0, received = 0, lost = 0, retransmissions = 0, spurious = 0;
    std::uint64_t reordered = 0, copies = 0, bytes = 0;
    std::int64_t delay_median_ns = 0, delay_p99_ns = 0, delay_max_ns = 0;  // above the quickest
};

class BothEnds {
public:
    // Of the packets that bring octets (a SYN or FIN is one), in the order of the capture.
    void add_client(const Segment& segment) { add(0, segment); }
    void add_server(const Segment& segment) { add(1, segment); }

    // Both captures are complete.
    void match();

    const std::vector<FateOfFrame>& client() const { return fates_[0]; }
    const std::vector<FateOfFrame>& server() const { return fates_[1]; }
    const std::vector<FlowFates>& flows() const { return flows_; }
    // What has to be added to a time in the server's capture to get the client's, if the quickest
    // packets took equally long both ways.
    std::int64_t clock_offset_ns() const { return clock_offset_ns_; }

private:
    struct Packet {
        std::uint64_t frame;
        std::int64_t time_ns;
        std::uint32_t seq, length, tsval;
        std::uint32_t flow;
        std::uint32_t other;  // index into the other capture's packets, or none
        std::uint16_t ip_id, flags;
    };
    static constexpr std::uint32_t none = unpaired;
    struct Kind {
        std::uint32_t flow;
        std::uint16_t ip_id;
        std::uint32_t seq, length;
        std::uint16_t flags;
        std::uint32_t tsval;
        friend auto operator<=>(const Kind&, const Kind&) = default;
    };
    struct Alike {  // of one kind, at each end, in the order of the capture
        std::vector<std::uint32_t> packets[2];
    };

    Kind kind(std::size_t end, std::uint32_t index) const;
    void join(std::uint32_t client, std::uint32_t server);
    void pair_alike_ones();
    void add(std::size_t end, const Segment& segment);
    std::uint32_t flow_of(const Segment& segment);
    std::vector<std::uint32_t> order(std::size_t end) const;
    void pair_up();
    void find_ends();
    void judge_sender(std::size_t end, std::uint32_t flow, const std::vector<std::uint32_t>& mine);
    void judge_receiver(std::size_t end, std::uint32_t flow,
                        const std::vector<std::uint32_t>& mine);
    void measure(std::uint32_t flow, const std::vector<std::uint32_t>& received, std::size_t end);

    std::vector<Packet> packets_[2];
    std::vector<Alike> alike_;
    std::vector<FateOfFrame> fates_[2];
    std::vector<FlowFates> flows_;
    std::map<std::pair<End, End>, std::uint32_t> numbers_;
    std::int64_t clock_offset_ns_ = 0;
};

}  // namespace estab::analysis
