// What the questions of `estab conform` have in common.
#pragma once

#include "base/time.hpp"
#include "cli/conform_checks.hpp"

namespace estab::cli {

using wire::Flags;
// Longer than any delayed ACK's usual wait.
inline constexpr auto moment = std::chrono::milliseconds(400);

inline Finding pass() { return {}; }
inline Finding fail(std::string why) { return {Verdict::fail, std::move(why)}; }
inline Finding unseen(std::string why) { return {Verdict::not_observable, std::move(why)}; }
inline Finding no_connection() { return unseen("no connection came about"); }
inline Finding came(const std::optional<Seen>& seen) {
    return fail(seen ? "came: " + seen->text() : "nothing came");
}

inline const std::vector<std::uint8_t> sack_ok = {4, 2};
inline const std::vector<std::uint8_t> wscale = {3, 3, 7};

inline Peer::Opening with(std::initializer_list<std::vector<std::uint8_t>> more) {
    Peer::Opening opening;
    const auto extra = raw_options(more);
    opening.options.insert(opening.options.end(), extra.begin(), extra.end());
    return opening;
}

}  // namespace estab::cli
