#include "analysis/both_ends.hpp"

#include <algorithm>
#include <limits>
#include <map>
#include <optional>
#include <tuple>

namespace estab::analysis {
namespace {

bool is_below(std::uint32_t a, std::uint32_t b) { return static_cast<std::int32_t>(a - b) < 0; }

}  // namespace

const char* to_string(Fate fate) {
    switch (fate) {
        case Fate::first: return "first";
        case Fate::lost: return "lost";
        case Fate::retransmission: return "retransmission";
        case Fate::spurious: return "retransmission-spurious";
        case Fate::reordered: return "reordered";
        case Fate::copy: return "duplicate";
        case Fate::unmatched: return "unmatched";
    }
    return "?";
}

std::uint32_t BothEnds::flow_of(const Segment& s) {
    const auto [at, fresh] = numbers_.try_emplace({s.source, s.destination},
                                                  static_cast<std::uint32_t>(flows_.size()));
    if (fresh) {
        FlowFates flow;
        flow.source = s.source;
        flow.destination = s.destination;
        flows_.push_back(flow);
    }
    return at->second;
}

void BothEnds::add(std::size_t end, const Segment& s) {
    if (s.length() == 0 || s.has(flag::rst)) return;
    packets_[end].push_back({.frame = s.frame,
                             .time_ns = to_ns(s.time.time_since_epoch()),
                             .seq = s.seq,
                             .length = s.length(),
                             .tsval = s.tsval,
                             .flow = flow_of(s),
                             .other = none,
                             .ip_id = s.ip_id,
                             .flags = s.flags});
}

// The packets of one end, like beside like, each kind in the order in which it was captured.
std::vector<std::uint32_t> BothEnds::order(std::size_t end) const {
    std::vector<std::uint32_t> indices(packets_[end].size());
    for (std::uint32_t i = 0; i < indices.size(); ++i) indices[i] = i;
    const auto key = [&](std::uint32_t i) {
        const Packet& p = packets_[end][i];
        return std::tuple(p.flow, p.ip_id, p.seq, p.length, p.flags & ~flag::psh, p.tsval, i);
    };
    std::ranges::sort(indices, {}, key);
    return indices;
}

// The k-th packet of a kind at the one end is the k-th of that kind at the other. Kinds are told
// apart by IP ID, numbers, flags and timestamp; what is left over came twice, or not at all.
void BothEnds::pair_up() {
    const std::vector<std::uint32_t> a = order(0), b = order(1);
    const auto kind = [&](std::size_t end, std::uint32_t i) {
        const Packet& p = packets_[end][i];
        return std::tuple(p.flow, p.ip_id, p.seq, p.length, p.flags & ~flag::psh, p.tsval);
    };
    for (std::size_t i = 0, j = 0; i < a.size() && j < b.size();) {
        const auto left = kind(0, a[i]), right = kind(1, b[j]);
        if (left < right) {
            ++i;
        } else if (right < left) {
            ++j;
        } else {
            packets_[0][a[i]].other = b[j];
            packets_[1][b[j]].other = a[i];
            ++i;
            ++j;
        }
    }
}

// The sender is at that end where its packets are seen first. The clocks may differ, but by the
// same in both directions: the direction with the larger difference goes from client to server.
void BothEnds::find_ends() {
    std::map<std::pair<Host, Host>, std::int64_t> least;
    for (const Packet& p : packets_[0]) {
        if (p.other == none) continue;
        const FlowFates& flow = flows_[p.flow];
        const std::int64_t apart = packets_[1][p.other].time_ns - p.time_ns;
        const auto [at, fresh] =
            least.try_emplace({flow.source.host, flow.destination.host}, apart);
        if (!fresh) at->second = std::min(at->second, apart);
    }
    for (FlowFates& flow : flows_) {
        const auto there = least.find({flow.source.host, flow.destination.host});
        const auto back = least.find({flow.destination.host, flow.source.host});
        const std::int64_t out = there == least.end() ? 0 : there->second;
        if (there != least.end() && back != least.end()) {
            flow.from_client = out > back->second;
            clock_offset_ns_ = -(out + back->second) / 2;
        } else {
            flow.from_client = out >= 0;
        }
    }
}

void BothEnds::judge_sender(std::size_t end, std::uint32_t number,
                            const std::vector<std::uint32_t>& mine) {
    FlowFates& flow = flows_[number];
    std::optional<std::uint32_t> high;
    const std::int64_t last_there =
        packets_[1 - end].empty() ? 0 : packets_[1 - end].back().time_ns;
    const std::int64_t offset = end == 0 ? -clock_offset_ns_ : clock_offset_ns_;
    for (const std::uint32_t i : mine) {
        const Packet& p = packets_[end][i];
        const bool again = high && is_below(p.seq, *high);
        FateOfFrame& fate = fates_[end][i];
        fate.sent_here = true;
        fate.fate = again ? Fate::retransmission : Fate::first;
        flow.retransmissions += again ? 1 : 0;
        ++flow.sent;
        flow.bytes += p.length;
        // A packet at the very end may have been on its way when the other capture stopped.
        if (p.other == none && p.time_ns + offset <= last_there) {
            ++flow.lost;
            if (!again) fate.fate = Fate::lost;
        }
        if (!high || is_below(*high, p.seq + p.length)) high = p.seq + p.length;
    }
}

void BothEnds::judge_receiver(std::size_t end, std::uint32_t number,
                              const std::vector<std::uint32_t>& mine) {
    FlowFates& flow = flows_[number];
    std::optional<std::uint32_t> high;
    std::map<std::uint32_t, std::uint32_t> had;  // where octets begin, and the furthest they went
    for (const std::uint32_t i : mine) {
        const Packet& p = packets_[end][i];
        const std::uint32_t behind = p.seq + p.length;
        FateOfFrame& fate = fates_[end][i];
        ++flow.received;
        const auto known = had.find(p.seq);
        const bool had_it = known != had.end() && !is_below(known->second, behind);
        if (p.other == none) {
            // A second one of its kind, or one that the sender's capture has missed.
            fate.fate = had_it ? Fate::copy : Fate::unmatched;
            flow.copies += had_it ? 1 : 0;
        } else if (fates_[1 - end][p.other].fate == Fate::retransmission) {
            fate.fate = had_it ? Fate::spurious : Fate::retransmission;
            flow.spurious += had_it ? 1 : 0;
        } else if (high && is_below(p.seq, *high)) {
            fate.fate = Fate::reordered;
            ++flow.reordered;
        }
        std::uint32_t& furthest = had.try_emplace(p.seq, behind).first->second;
        if (is_below(furthest, behind)) furthest = behind;
        if (!high || is_below(*high, behind)) high = behind;
    }
}

void BothEnds::measure(std::uint32_t number, const std::vector<std::uint32_t>& received,
                       std::size_t end) {
    std::vector<std::int64_t> delays;
    for (const std::uint32_t i : received) {
        const Packet& p = packets_[end][i];
        if (p.other != none) delays.push_back(p.time_ns - packets_[1 - end][p.other].time_ns);
    }
    if (delays.empty()) return;
    const std::int64_t least = std::ranges::min(delays);
    for (const std::uint32_t i : received) {
        const Packet& p = packets_[end][i];
        if (p.other == none) continue;
        const std::int64_t delay = p.time_ns - packets_[1 - end][p.other].time_ns - least;
        fates_[end][i].delay_ns = fates_[1 - end][p.other].delay_ns = delay;
    }
    std::ranges::sort(delays);
    FlowFates& flow = flows_[number];
    flow.delay_median_ns = delays[delays.size() / 2] - least;
    flow.delay_p99_ns = delays[(delays.size() * 99 - 1) / 100] - least;
    flow.delay_max_ns = delays.back() - least;
}

void BothEnds::match() {
    pair_up();
    find_ends();
    std::vector<std::vector<std::uint32_t>> by_flow[2];
    for (std::size_t end = 0; end < 2; ++end) {
        by_flow[end].resize(flows_.size());
        fates_[end].resize(packets_[end].size());
        for (std::uint32_t i = 0; i < packets_[end].size(); ++i) {
            const Packet& p = packets_[end][i];
            by_flow[end][p.flow].push_back(i);
            fates_[end][i].frame = p.frame;
            fates_[end][i].flow = p.flow;
            if (p.other != none) fates_[end][i].other_frame = packets_[1 - end][p.other].frame;
        }
    }
    for (std::uint32_t flow = 0; flow < flows_.size(); ++flow) {
        const std::size_t sender = flows_[flow].from_client ? 0 : 1;
        judge_sender(sender, flow, by_flow[sender][flow]);
        judge_receiver(1 - sender, flow, by_flow[1 - sender][flow]);
        measure(flow, by_flow[1 - sender][flow], 1 - sender);
    }
}

}  // namespace estab::analysis
