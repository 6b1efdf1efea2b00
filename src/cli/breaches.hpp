// What a capture proves that an end did against the rules, found by the referee that also judges
// simulated links. From one place not all that it blames is proven: what the capture may have
// missed, or what the network may have put in another order, is not told.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

#include "analysis/analyzer.hpp"
#include "sim/referee_side.hpp"

namespace estab::cli {

class Breaches {
public:
    static constexpr std::size_t watched_max = 2048;   // connections at once; beyond: not judged
    static constexpr std::size_t told_max = 10'000;    // connections with something to tell
    static constexpr std::size_t notes_max = 8;        // of a connection, each with its count
    static constexpr std::size_t kept_bytes_max = 64 << 10;  // of each end, to compare with
    static constexpr std::size_t kept_total_max = 6 << 20;

    void on_packet(const analysis::Verdict& verdict, const observe::NetworkPacket& packet);
    // Of a connection that has ended, or goes on.
    std::span<const analysis::Note> of(const analysis::Connection& connection) const;
    void ended(const analysis::Connection& connection);

private:
    struct Watched {
        sim::Side sides[2];
        bool summed[2] = {false, false};  // its checksums are filled in: some were right
        bool cut[2] = {false, false};     // not all of its octets were captured
        // Segments without timestamps, before some had them again. A trace in print often leaves
        // the options out, and all that follow have none.
        std::vector<analysis::Note> unstamped[2];
        // RFC 7413: what text in a SYN does to the handshake is not judged here.
        bool fast_open = false;
    };
    class Collector;

    Watched* watched(const analysis::Verdict& verdict, const wire::FourTuple& from_client);
    void tell(std::uint32_t connection, const analysis::Note& note);
    void forget(std::uint32_t connection);  // what it was judged by, not what was found

    std::unordered_map<std::uint32_t, std::unique_ptr<Watched>> watched_;
    std::unordered_map<std::uint32_t, std::vector<analysis::Note>> notes_;
    std::vector<std::uint8_t> whole_;  // of a packet that was cut off, with zeros behind
    std::size_t kept_total_ = 0;
};

}  // namespace estab::cli
