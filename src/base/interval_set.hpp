// Disjoint half-open ranges [begin, end) of 64-bit numbers, in order, in a fixed number of places.
// Used for what has arrived out of order (RFC 9293 SHLD-31). Touching ranges are one range.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/check.hpp"

namespace estab {

struct Interval {
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
    std::uint64_t size() const { return end - begin; }
    friend bool operator==(const Interval&, const Interval&) = default;
};

template <std::size_t Max>  // policy when full: add() refuses a range that would need one place
                            // more
                            class IntervalSet {
public:
    // The merged range that now contains [begin, end), or nothing (size() == 0) when there was no
    // place.
    Interval add(std::uint64_t begin, std::uint64_t end) {
        CHECK(begin < end);
        Interval* const used_end = ranges_.data() + count_;
        Interval* first =
            std::lower_bound(ranges_.data(), used_end, begin,
                             [](const Interval& i, std::uint64_t b) { return i.end < b; });
        Interval* last = first;
        while (last != used_end && last->begin <= end) {
            begin = std::min(begin, last->begin);
            end = std::max(end, last->end);
            ++last;
        }
        if (first == last) {
            if (count_ == Max) return {};
            std::move_backward(first, used_end, used_end + 1);
            ++count_;
        } else {
            std::move(last, used_end, first + 1);
            count_ -= static_cast<std::size_t>(last - first) - 1;
        }
        *first = {begin, end};
        return *first;
    }

    // Forgets everything below `floor`.
    void remove_below(std::uint64_t floor) {
        std::size_t gone = 0;
        while (gone != count_ && ranges_[gone].end <= floor) ++gone;
        std::move(ranges_.data() + gone, ranges_.data() + count_, ranges_.data());
        count_ -= gone;
        if (count_ != 0 && ranges_[0].begin < floor) ranges_[0].begin = floor;
    }
    void clear() { count_ = 0; }

    bool covers(std::uint64_t begin, std::uint64_t end) const {
        for (const Interval& i : *this) {
            if (i.begin <= begin && end <= i.end) return true;
        }
        return false;
    }
    bool empty() const { return count_ == 0; }
    std::size_t size() const { return count_; }
    const Interval& operator[](std::size_t i) const { return ranges_[i]; }
    const Interval* begin() const { return ranges_.data(); }
    const Interval* end() const { return ranges_.data() + count_; }

private:
    std::array<Interval, Max> ranges_;
    std::size_t count_ = 0;
};

}  // namespace estab
