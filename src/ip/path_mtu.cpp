#include "ip/path_mtu.hpp"

#include <algorithm>

namespace estab::ip {
namespace {

// RFC 1191 7.1, for routers that do not say what they could have passed.
constexpr std::uint32_t plateaus[] = {65535, 32000, 17914, 8166, 4352, 2002,
                                      1492,  1006,  508,   296,  68};

std::uint32_t plateau_below(std::uint32_t tried_bytes) {
    for (const std::uint32_t plateau : plateaus) {
        if (plateau < tried_bytes) return plateau;
    }
    return 68;
}

}  // namespace

std::optional<std::uint32_t> PathMtu::learn(Instant now, const wire::Address& destination,
                                            std::uint32_t mtu, std::uint32_t tried_bytes) {
    const std::uint32_t least = destination.is_v4() ? limits_.v4_min : limits_.v6_min;
    if (mtu == 0) mtu = plateau_below(tried_bytes);
    // A value not below what was sent explains nothing and may be forged. RFC 1191 5, RFC 8201 4.
    mtu = std::max(mtu, least);
    if (mtu >= find(now, destination, tried_bytes)) return std::nullopt;

    auto entry = place(destination);
    if (entry == entries_.end() || entry->destination != destination) {
        if (limits_.entries_max == 0) return std::nullopt;
        make_room();
        entry = entries_.insert(place(destination), Entry{destination, 0, {}, {}});
    }
    entry->mtu = mtu;
    entry->ends = after(now, limits_.lifetime);
    entry->used = now;
    return mtu;
}

std::uint32_t PathMtu::find(Instant now, const wire::Address& destination, std::uint32_t link_mtu) {
    const auto entry = place(destination);
    if (entry == entries_.end() || entry->destination != destination || entry->ends <= now) {
        return link_mtu;
    }
    entry->used = now;
    return std::min(entry->mtu, link_mtu);
}

Instant PathMtu::deadline() const {
    Instant first = never;
    for (const Entry& entry : entries_) first = std::min(first, entry.ends);
    return first;
}

void PathMtu::expire(Instant now) {
    std::erase_if(entries_, [now](const Entry& entry) { return entry.ends <= now; });
}

std::vector<PathMtu::Entry>::iterator PathMtu::place(const wire::Address& destination) {
    return std::lower_bound(
        entries_.begin(), entries_.end(), destination,
        [](const Entry& entry, const wire::Address& a) { return entry.destination < a; });
}

void PathMtu::make_room() {
    if (entries_.size() < limits_.entries_max) return;
    entries_.erase(
        std::min_element(entries_.begin(), entries_.end(),
                         [](const Entry& a, const Entry& b) { return a.used < b.used; }));
}

}  // namespace estab::ip
