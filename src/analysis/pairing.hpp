// Which of several packets that look alike is which, when two captures have different numbers of
// them: the one that would have taken about as long as its neighbours did.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace estab::analysis {

// How long packets took, by the time at which they were sent; clocks may differ, and drift.
class Delays {
public:
    void add(std::int64_t sent_ns, std::int64_t delay_ns) {
        points_.push_back({sent_ns, delay_ns});
    }
    void sort();
    bool empty() const { return points_.empty(); }

    struct Range {
        std::int64_t least;  // while the clocks can be taken for equally fast
        std::int64_t usual;  // when the packet was sent
    };
    // Needs one point, and sort().
    Range around(std::int64_t sent_ns) const;

private:
    static constexpr std::size_t neighbours = 4;  // on each side
    static constexpr std::size_t block = 256;
    struct Point {
        std::int64_t sent_ns, delay_ns;
    };
    std::vector<Point> points_;
    std::vector<std::int64_t> least_;  // of each block of points
};

struct Sighting {
    std::int64_t time_ns;
    bool push;  // who sends again may set it otherwise, the network does not
};

inline constexpr std::uint32_t unpaired = 0xffffffff;

// For each received packet which one of the sent it was. Both spans are in the order of time; a
// packet that nobody sent was copied on the way, or its sending was not captured.
std::vector<std::uint32_t> pair_alike(std::span<const Sighting> sent,
                                      std::span<const Sighting> received,
                                      const Delays& delays);

}  // namespace estab::analysis
