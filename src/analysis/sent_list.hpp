// What one side has sent and the capture has seen: non-overlapping runs in the order of their
// sequence numbers, from a little below what was acknowledged up to the highest.
#pragma once

#include <cstdint>
#include <vector>

namespace estab::analysis {

struct Sent {
    std::int64_t begin = 0;    // relative to the side's first number
    std::int64_t time_ns = 0;  // when the last copy was seen
    std::uint64_t frame = 0;   // of the last copy
    std::uint32_t length = 0;
    std::uint32_t tsval = 0;
    std::uint16_t ip_id = 0;
    std::uint8_t copies = 1;  // at most 255
    bool sacked = false;
    bool late = false;  // came behind what was sent after it

    std::int64_t end() const { return begin + length; }
};

// At most `runs_max`; when full the lowest is forgotten, and a copy of it is taken for one that
// was never seen.
class SentList {
public:
    static constexpr std::size_t runs_max = 16'384;
    static constexpr std::size_t kept_below_una = 48;

    std::size_t size() const { return count_; }
    Sent& operator[](std::size_t i) { return runs_[(first_ + i) & (runs_.size() - 1)]; }
    const Sent& operator[](std::size_t i) const {
        return runs_[(first_ + i) & (runs_.size() - 1)];
    }
    // The first run that ends above `seq`; size(): there is none.
    std::size_t find(std::int64_t seq) const;
    // Must not overlap what is there.
    void insert(const Sent& run);
    // Forgets what ends at or below `una`, but for the last few.
    void acknowledge(std::int64_t una);
    // How many of the runs end at or below the highest `una` given.
    std::size_t acknowledged() const { return acknowledged_; }
    void release() { *this = {}; }

private:
    void drop_front();
    void grow();

    std::vector<Sent> runs_;  // a ring; its size is a power of two, or nothing
    std::size_t first_ = 0, count_ = 0;
    std::size_t acknowledged_ = 0;
};

}  // namespace estab::analysis
