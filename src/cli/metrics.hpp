// OpenMetrics over HTTP on a socket of the host's: what a running command counts, for Prometheus
// and its like.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "cli/forward_tcp.hpp"
#include "cli/gate.hpp"
#include "link/path.hpp"

namespace estab::cli {

// [ADDR:]PORT, an IPv6 ADDR in []; without ADDR 127.0.0.1; port 0: one that is free. Throws
// UsageError.
wire::Endpoint parse_metrics_address(std::string_view text);

struct MetricsOf {
    stack::Stack& stack;
    std::size_t open;      // connections that are carried
    const Totals& totals;
    const Gate& gate;
    const link::PathLanes* lanes;  // nullptr where nothing is impaired
};
std::string metrics_text(const MetricsOf& of);

// Answers GET /metrics with what `text` returns, until the reactor ends; where it listens. Throws
// SystemError.
wire::Endpoint serve_metrics(runtime::Reactor& reactor, const wire::Endpoint& local,
                             std::function<std::string()> text);

}  // namespace estab::cli
