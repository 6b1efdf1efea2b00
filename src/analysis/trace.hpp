// The segments of a connection as columns of numbers: what a page needs to draw them.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "analysis/analyzer.hpp"

namespace estab::analysis {

struct Columns {
    // One entry for each segment. Times are microseconds since the segment before, numbers are
    // relative and taken modulo 2^32.
    std::vector<std::uint32_t> passed_us, frame, seq, ack, length, window, labels, rtt_us;
    std::vector<std::uint16_t> what;  // the nine flags; the highest bit: sent by the server
    // One for each SACK block: of which segment (its index), and from where to where.
    std::vector<std::uint32_t> sack_of, sack_begin, sack_end;
    struct Remark {
        std::uint32_t index;
        std::string text;
    };
    std::vector<Remark> remarks;  // packet comments, at most remarks_max
    std::int64_t first_ns = 0, last_us = 0;
    bool cut = false;  // the budget ended before the connection

    static constexpr std::size_t remarks_max = 5000;
    std::size_t size() const { return frame.size(); }
    // All columns behind one another as little-endian octets, in the order above, each padded to
    // four; before them how many segments and how many blocks there are.
    std::vector<std::uint8_t> bytes() const;
};

// Keeps the columns of every connection until `segments_max` segments are kept in all.
class Trace {
public:
    explicit Trace(std::size_t segments_max) : left_(segments_max) {}

    void add(const Verdict& verdict, std::span<const std::string_view> comments);
    const Columns* find(std::uint32_t connection) const;
    bool is_full() const { return left_ == 0; }

private:
    std::size_t left_;
    std::unordered_map<std::uint32_t, Columns> columns_;
};

}  // namespace estab::analysis
