#include "stack/path_cache.hpp"

#include <algorithm>

#include "stack/stack.hpp"

namespace estab::stack {

std::vector<PathCache::Entry>::iterator PathCache::place(const wire::Address& host) {
    return std::lower_bound(entries_.begin(), entries_.end(), host,
                            [](const Entry& e, const wire::Address& h) { return e.host < h; });
}

void PathCache::learn(Instant now, const wire::Address& host, const tcp::PathMetrics& metrics,
                      std::size_t limit) {
    if (limit == 0 || metrics == tcp::PathMetrics{}) return;
    auto at = place(host);
    if (at == entries_.end() || at->host != host) {
        if (entries_.size() >= limit) {
            entries_.erase(std::min_element(
                entries_.begin(), entries_.end(),
                [](const Entry& a, const Entry& b) { return a.used < b.used; }));
            at = place(host);
        }
        entries_.insert(at, {.host = host, .metrics = metrics, .learnt = now, .used = now});
        return;
    }
    tcp::PathMetrics& known = at->metrics;
    if (metrics.srtt > 0ns) {
        const bool first = known.srtt == 0ns;
        known.srtt = first ? metrics.srtt : (3 * known.srtt + metrics.srtt) / 4;
        known.rttvar = first ? metrics.rttvar
                             : std::max((3 * known.rttvar + metrics.rttvar) / 4, metrics.rttvar);
    }
    if (metrics.ssthresh != 0) {
        known.ssthresh =
            known.ssthresh == 0 ? metrics.ssthresh : (known.ssthresh + metrics.ssthresh) / 2;
    }
    if (metrics.mtu != 0) known.mtu = metrics.mtu;
    known.reordering = std::max(known.reordering, metrics.reordering);
    at->learnt = at->used = now;
}

std::optional<tcp::PathMetrics> PathCache::find(Instant now, const wire::Address& host,
                                                Duration lifetime) {
    const auto at = place(host);
    if (at == entries_.end() || at->host != host) return {};
    if (now - at->learnt > lifetime) {
        entries_.erase(at);
        return {};
    }
    at->used = now;
    return at->metrics;
}

// A connection is established: it begins with what others know, and its round trip is at once
// theirs, too. When it ends, all that it has learnt.
void Stack::share_path(Instant now, Record& r) {
    tcp::Connection& c = r.connection;
    const tcp::Config& config = c.config();
    const wire::Address& host = c.tuple().remote.address;
    const bool begins = c.state() == tcp::State::established && !r.shared;
    if (begins) {
        r.shared = true;
        if (const auto known = paths_.find(now, host, config.tcb_sharing_lifetime))
            c.begin_with(environment_, now, *known);
    }
    const bool ends = r.shared && (c.state() == tcp::State::time_wait || c.is_finished());
    if (begins || ends) paths_.learn(now, host, c.path_metrics(), config.tcb_sharing_max);
    if (ends) r.shared = false;
}

}  // namespace estab::stack
