// What connections have learnt of the paths to hosts, for those that come (RFC 9040). At most
// `limit` hosts: when it is full the one that was unused for longest goes. What is older than its
// lifetime says nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/time.hpp"
#include "tcp/path_metrics.hpp"
#include "wire/address.hpp"

namespace estab::stack {

class PathCache {
public:
    // A connection to `host` ends, or knows something for the first time. What it does not know
    // stays as it was; times are averaged with those before (RFC 9040 8).
    void learn(Instant now, const wire::Address& host, const tcp::PathMetrics& metrics,
               std::size_t limit);
    std::optional<tcp::PathMetrics> find(Instant now, const wire::Address& host,
                                         Duration lifetime);
    void clear() { entries_.clear(); }
    std::size_t size() const { return entries_.size(); }

private:
    struct Entry {
        wire::Address host;
        tcp::PathMetrics metrics;
        Instant learnt, used;
    };
    std::vector<Entry>::iterator place(const wire::Address& host);

    std::vector<Entry> entries_;  // by host
};

}  // namespace estab::stack
