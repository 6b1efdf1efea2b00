#include "analysis/pairing.hpp"

#include <algorithm>

namespace estab::analysis {
namespace {

constexpr std::int64_t us = 1000;
// A loss and a copy each explain less than an arrival in time does, but more than a delay that
// none of the neighbours had.
constexpr std::int64_t loss_cost = 300 * us, copy_cost = 300 * us;
// Clocks of captures are not better than that.
constexpr std::int64_t clock_noise = 200 * us;
// A card that cuts or merges moves the flag at times.
constexpr std::int64_t push_cost = 20'000 * us;
constexpr std::int64_t impossible = INT64_MAX / 4;
// Of one step, so that sums of them stay far below that.
constexpr std::int64_t cost_max = impossible / (1 << 14);
// Above this many pairs to weigh, the k-th is taken for the k-th.
constexpr std::size_t pairs_max = 4096;

std::int64_t match_cost(const Sighting& sent, const Sighting& received, const Delays& delays) {
    const Delays::Range range = delays.around(sent.time_ns);
    const std::int64_t took = received.time_ns - sent.time_ns;
    if (took < range.least - clock_noise) return impossible;
    const std::int64_t late = took > range.usual ? std::min(took - range.usual, cost_max) : 0;
    return sent.push == received.push ? late : late + push_cost;
}

std::vector<std::uint32_t> in_order(std::size_t sent, std::size_t received) {
    std::vector<std::uint32_t> out(received, unpaired);
    for (std::uint32_t i = 0; i < std::min(sent, received); ++i) out[i] = i;
    return out;
}

}  // namespace

void Delays::sort() {
    std::ranges::sort(points_, {}, &Point::sent_ns);
    for (std::size_t i = 0; i < points_.size(); ++i) {
        if (i % block == 0) least_.push_back(points_[i].delay_ns);
        least_.back() = std::min(least_.back(), points_[i].delay_ns);
    }
}

Delays::Range Delays::around(std::int64_t sent_ns) const {
    const auto at = static_cast<std::size_t>(
        std::ranges::lower_bound(points_, sent_ns, {}, &Point::sent_ns) - points_.begin());
    const std::size_t from = at > neighbours ? at - neighbours : 0;
    const std::size_t to = std::min(at + neighbours, points_.size());
    std::vector<std::int64_t> near;
    for (std::size_t i = from; i < to; ++i) near.push_back(points_[i].delay_ns);
    std::ranges::sort(near);
    const std::size_t here = std::min(at, points_.size() - 1) / block;
    std::int64_t least = least_[here];
    if (here > 0) least = std::min(least, least_[here - 1]);
    if (here + 1 < least_.size()) least = std::min(least, least_[here + 1]);
    return {least, near[near.size() / 2]};
}

std::vector<std::uint32_t> pair_alike(std::span<const Sighting> sent,
                                      std::span<const Sighting> received,
                                      const Delays& delays) {
    const std::size_t n = sent.size(), m = received.size();
    if (delays.empty() || n * m > pairs_max) return in_order(n, m);
    // The cheapest story of the first i sent and the first j received: each sent one arrived as the
    // next received or was lost, each received one was sent or is a copy of the one before.
    std::vector<std::int64_t> cost((n + 1) * (m + 1), impossible);
    const auto at = [m](std::size_t i, std::size_t j) { return i * (m + 1) + j; };
    const auto copied = [&](std::size_t j) {
        // Nothing is there to be a copy of: the sender's capture has a gap.
        if (j == 0) return cost_max;
        return copy_cost + std::min(received[j].time_ns - received[j - 1].time_ns, cost_max);
    };
    enum : std::uint8_t { lost, arrived, copy };
    std::vector<std::uint8_t> how(cost.size(), lost);
    const auto offer = [&](std::size_t place, std::int64_t sum, std::uint8_t what) {
        if (sum >= cost[place]) return;
        cost[place] = sum;
        how[place] = what;
    };
    cost[0] = 0;
    for (std::size_t i = 0; i <= n; ++i) {
        for (std::size_t j = 0; j <= m; ++j) {
            const std::int64_t here = cost[at(i, j)];
            if (here >= impossible) continue;
            if (i < n) offer(at(i + 1, j), here + loss_cost, lost);
            if (j < m) offer(at(i, j + 1), here + copied(j), copy);
            if (i == n || j == m) continue;
            const std::int64_t match = match_cost(sent[i], received[j], delays);
            if (match < impossible) offer(at(i + 1, j + 1), here + match, arrived);
        }
    }
    std::vector<std::uint32_t> out(m, unpaired);
    for (std::size_t i = n, j = m; i > 0 || j > 0;) {
        const std::uint8_t what = how[at(i, j)];
        if (what == arrived) out[j - 1] = static_cast<std::uint32_t>(i - 1);
        if (what != copy) --i;
        if (what != lost) --j;
    }
    return out;
}

}  // namespace estab::analysis
