// What became of all the talks, and whether it could become of them.
#include <algorithm>

#include "sim/talk.hpp"

namespace estab::sim {

Ledger::Ledger(std::uint64_t seed) : pattern_(period + 65'536) {
    Rng rng(seed);
    for (std::size_t i = 0; i < period; ++i)
        pattern_[i] = static_cast<std::uint8_t>(rng.below(256));
    for (std::size_t i = period; i < pattern_.size(); ++i) pattern_[i] = pattern_[i - period];
}

std::uint32_t Ledger::add(const Order& order) {
    entries_.push_back({.order = order, .client = {}, .server = {}});
    return static_cast<std::uint32_t>(entries_.size() - 1);
}

bool Ledger::is_over() const {
    return std::all_of(entries_.begin(), entries_.end(), [](const Entry& e) {
        return e.client.is_over() && e.server.state != Outcome::State::talking;
    });
}

std::vector<std::string> Ledger::complaints() const {
    using State = Outcome::State;
    std::vector<std::string> all;
    for (std::size_t i = 0; i < entries_.size(); ++i) {
        const Entry& entry = entries_[i];
        const auto judge = [&](const Outcome& own, const Outcome& other, const char* who) {
            const std::string name = "talk " + std::to_string(i) + ", " + who + ": ";
            const bool other_left = other.state == State::aborted ||
                                    other.state == State::gave_up || other.state == State::failed ||
                                    other.state == State::not_begun;
            if (!own.complaint.empty()) all.push_back(name + own.complaint);
            if (own.state == State::talking) {
                all.push_back(name + "has not come to an end, with " + std::to_string(own.in) +
                              " octets in and " + std::to_string(own.out) + " out");
            }
            if (own.state == State::gave_up && !other_left)
                all.push_back(name + "nothing happened any more");
            // Somebody must have sent the reset; a peer that is done may have let go too early to
            // know.
            const bool is_reset = own.state == State::failed && own.error == Error::reset;
            if (is_reset && !other_left && !entry.order.server_forgets)
                all.push_back(name + "was reset, and nobody aborted");
        };
        judge(entry.client, entry.server, "client");
        judge(entry.server, entry.client, "server");
    }
    return all;
}

// J. von Neumann (1951): runs of falling uniform numbers; the whole part counts runs of even
// length.
Duration exponential(Rng& rng, Duration mean) {
    for (std::uint64_t whole = 0;; ++whole) {
        const std::uint64_t first = rng.below(1u << 30);
        std::uint64_t last = first;
        for (bool is_odd = true;; is_odd = !is_odd) {
            const std::uint64_t next = rng.below(1u << 30);
            if (next < last) {
                last = next;
                continue;
            }
            if (!is_odd) break;
            const auto units = (whole << 30) + first;
            return Duration(static_cast<std::int64_t>(
                mul_div(static_cast<std::uint64_t>(to_ns(mean)), units, std::uint64_t{1} << 30)));
        }
    }
}

}  // namespace estab::sim
