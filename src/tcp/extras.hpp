// The parts of a connection that few have: borrowed together, when the first of them is used.
#pragma once

#include <optional>

#include "tcp/accecn.hpp"
#include "tcp/fast_open.hpp"
#include "tcp/plpmtud.hpp"
#include "tcp/records.hpp"

namespace estab::tcp {

struct Extras {
    std::optional<FastOpen> fast_open;
    std::optional<AccEcn> accecn;
    MtuSearch mtu;
    RecordEnds records;
};

}  // namespace estab::tcp
