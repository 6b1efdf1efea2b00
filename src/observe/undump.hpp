// From tcpdump's lines back to packets: text to a capture. What a line does not say is made up so
// that it would print the same: payload is zeros unless -x, -X or -A show it, checksums are right.
//
//   Undump undump({}, [&](Instant time, Bytes packet) { … });
//   for (each line) if (!undump.add_line(line)) …undump.error()…
//   undump.finish();
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "observe/dump_line.hpp"

namespace estab::observe {

class Undump {
public:
    struct Settings {
        // -S: all numbers are absolute. Else each connection's own numbers tell, as its relative
        // ones lie near nothing that was sent.
        bool absolute_numbers = false;
        bool differences = false;  // -ttt: times count from the line before
    };
    // An IP packet, and when it passed, counted from 1970 or from midnight of its first day.
    using Sink = std::function<void(Instant, Bytes)>;
    // Of connections that numbers are kept for; beyond it one is forgotten, as if it were new.
    static constexpr std::size_t connections_max = 65'536;

    Undump(const Settings& settings, Sink sink);

    // One line without its end. False: it is wrong, see error(); nothing more is read.
    bool add_line(std::string_view line);
    // No more lines come. False: the last packet was wrong.
    bool finish();

    struct Wrong {
        std::uint64_t line = 0;
        std::size_t column = 0;
        std::string what;
    };
    const std::optional<Wrong>& error() const { return wrong_; }
    std::uint64_t packets() const { return packets_; }
    std::uint64_t other_packets() const { return other_packets_; }  // left out: no TCP
    std::uint64_t first_other_line() const { return first_other_line_; }

private:
    using Key = std::tuple<wire::Endpoint, wire::Endpoint>;  // the lower port, or address, first
    struct Known {
        enum class Mode : std::uint8_t { unknown, relative, absolute } mode = Mode::unknown;
        bool fixed = false;             // base is: a segment with ACK was seen
        std::uint32_t base[2] = {};     // what was subtracted, of the key's first and second end
        std::optional<std::uint32_t> next[2];  // behind what an end has sent
    };
    struct Numbers {
        std::uint32_t seq, ack, sack_base;
    };

    bool take_segment();
    Numbers resolve(const DumpLine& line);
    static bool looks_absolute(const Known& known, const DumpLine& line, std::size_t from);
    bool emit();
    bool fail(std::uint64_t line, std::size_t column, std::string what);
    void set_time();
    bool set_lengths();
    std::vector<std::uint8_t> build(const Numbers& numbers) const;
    std::vector<std::uint8_t> payload() const;
    bool packet_from_hex(std::vector<std::uint8_t>& packet) const;

    Settings settings_;
    Sink sink_;
    DumpLine line_;
    bool behind_header_ = false;  // the line before was the first one of -v
    std::optional<DumpLine> segment_;  // not made yet: its octets may follow
    std::uint64_t segment_line_ = 0;
    std::vector<std::uint8_t> hex_;
    std::optional<std::string> text_;  // of -A
    bool skipping_ = false;            // the octets of another packet
    std::map<Key, Known> known_;
    Duration time_{};
    bool timed_ = false;
    std::uint64_t lines_ = 0, packets_ = 0, other_packets_ = 0, first_other_line_ = 0;
    std::optional<Wrong> wrong_;
};

}  // namespace estab::observe
