// Switching one of an interface's features off, as `ethtool -K` does.
#pragma once

#include <string>

namespace estab::drivers {

// `feature` is the kernel's name for it: "tx-udp-segmentation". False when there is no such feature
// or it cannot be changed.
bool disable_feature(const std::string& interface, const std::string& feature);

}  // namespace estab::drivers
