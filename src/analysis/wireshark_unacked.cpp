#include <algorithm>

#include "analysis/wireshark.hpp"

namespace estab::analysis::wireshark {
void UnackedList::add(const Unacked& entry) {
    if (entries_.size() - first_ >= entries_max) return;
    if (empty()) {
        entries_.clear();
        first_ = 0;
        ordered_ = true;
    } else if (below(entry.seq, entries_.back().next)) {
        ordered_ = false;
    }
    if (entries_.size() == entries_.capacity() && first_ * 2 >= entries_.size()) compact();
    entries_.push_back(entry);
}

void UnackedList::compact() {
    entries_.erase(entries_.begin(), entries_.begin() + static_cast<std::ptrdiff_t>(first_));
    first_ = 0;
}

std::optional<Unacked> UnackedList::acknowledge(std::uint32_t ack) {
    std::optional<Unacked> out;
    if (ordered_) {
        // What lies above the ACK stays, so the rest need not be looked at.
        while (!empty() && !below(ack, entries_[first_].next)) {
            if (entries_[first_].next == ack) out = entries_[first_];
            ++first_;
        }
        if (!empty() && below(entries_[first_].seq, ack)) {
            out = entries_[first_];
            entries_[first_].seq = ack;
        }
        return out;
    }
    bool in_order = true;
    std::size_t kept = first_;
    for (std::size_t i = first_; i < entries_.size(); ++i) {
        Unacked& entry = entries_[i];
        const bool exact = entry.next == ack;
        const bool part = !exact && below(entry.seq, ack) && below(ack, entry.next);
        if ((exact || part) && !out) out = entry;
        if (part) entry.seq = ack;
        if (!below(ack, entry.next)) continue;
        in_order = in_order && (kept == first_ || !below(entry.seq, entries_[kept - 1].next));
        entries_[kept++] = entry;
    }
    entries_.resize(kept);
    ordered_ = in_order;
    return out;
}

std::uint32_t UnackedList::span() const {
    if (empty()) return 0;
    std::uint32_t low = entries_[first_].seq, high = entries_.back().next;
    if (!ordered_) {
        for (std::size_t i = first_; i < entries_.size(); ++i) {
            if (below(entries_[i].seq, low)) low = entries_[i].seq;
            if (below(high, entries_[i].next)) high = entries_[i].next;
        }
    }
    return high - low;
}

}  // namespace estab::analysis::wireshark
