// What a connection's time was spent on, as every command's JSON has it.
#pragma once

#include <array>
#include <nlohmann/json.hpp>

#include "base/time.hpp"
#include "tcp/limits.hpp"

namespace estab::cli {

inline double json_seconds(Duration d) { return static_cast<double>(to_ns(d)) / 1e9; }

// By what limited the sender; what never did is not there.
inline nlohmann::ordered_json limited_json(const std::array<Duration, tcp::limits>& limited) {
    nlohmann::ordered_json json = nlohmann::ordered_json::object();
    for (std::size_t limit = 0; limit < tcp::limits; ++limit) {
        if (limited[limit] > Duration{})
            json[tcp::to_string(static_cast<tcp::Limit>(limit))] = json_seconds(limited[limit]);
    }
    return json;
}

}  // namespace estab::cli
