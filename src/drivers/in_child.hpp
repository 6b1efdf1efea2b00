// Doing something that changes the process (its namespaces) in a child that lives no longer than
// that.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "drivers/system.hpp"

namespace estab::drivers {

struct Answer {
    std::string text;
    std::vector<Fd> fds;
};

// Runs `work` in a forked child, waits for its end and gives its answer. A SystemError thrown there
// is thrown here. The child dies with us and holds none of our standard streams.
Answer in_child(const std::function<Answer()>& work);

}  // namespace estab::drivers
