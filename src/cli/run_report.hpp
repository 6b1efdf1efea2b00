// Why a connection was slow, in a sentence.
#pragma once

#include <string>
#include <vector>

#include "cli/forward_tcp.hpp"

namespace estab::cli {

struct LinkRates {  // bits per second, 0: unlimited
    std::uint64_t up = 0, down = 0;
};

// What held it back, with shares of its time; refused ones have no such reason.
std::string reason(const Forwarded& connection, const LinkRates& link);

// One line for each slow connection, the slowest first, at most `most` and a line about the rest.
std::vector<std::string> reasons(std::vector<Forwarded> connections, const LinkRates& link,
                                 std::size_t most);

}  // namespace estab::cli
