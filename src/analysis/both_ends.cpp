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
    std::ranges::sort(indices, {}, [&](std::uint32_t i) { return std::pair(kind(end, i), i); });
    return indices;
}

BothEnds::Kind BothEnds::kind(std::size_t end, std::uint32_t i) const {
    const Packet& p = packets_[end][i];
    const auto flags = static_cast<std::uint16_t>(p.flags & ~flag::psh);
    return {p.flow, p.ip_id, p.seq, p.length, flags, p.tsval};
}

// Kinds are told apart by IP ID, numbers, flags and timestamp. Where each end has one packet of a
// kind they belong together. Where there are more, which is whose is decided later.
void BothEnds::pair_up() {
    const std::vector<std::uint32_t> sorted[2] = {order(0), order(1)};
    const auto behind = [&](std::size_t end, std::size_t i) {
        const Kind first = kind(end, sorted[end][i]);
        while (i < sorted[end].size() && kind(end, sorted[end][i]) == first) ++i;
        return i;
    };
    for (std::size_t i = 0, j = 0; i < sorted[0].size() && j < sorted[1].size();) {
        const Kind left = kind(0, sorted[0][i]), right = kind(1, sorted[1][j]);
        const std::size_t i_end = left <= right ? behind(0, i) : i;
        const std::size_t j_end = right <= left ? behind(1, j) : j;
        if (i_end - i == 1 && j_end - j == 1) {
            join(sorted[0][i], sorted[1][j]);
        } else if (left == right) {
            const auto part = [&](std::size_t end, std::size_t from, std::size_t to) {
                return std::vector<std::uint32_t>(
                    sorted[end].begin() + static_cast<std::ptrdiff_t>(from),
                    sorted[end].begin() + static_cast<std::ptrdiff_t>(to));
            };
            alike_.push_back({part(0, i, i_end), part(1, j, j_end)});
        }
        i = i_end;
        j = j_end;
    }
}

void BothEnds::join(std::uint32_t client, std::uint32_t server) {
    packets_[0][client].other = server;
    packets_[1][server].other = client;
}

// Packets that look alike, more than one at an end: by the time that others took then.
void BothEnds::pair_alike_ones() {
    std::vector<Delays> delays(flows_.size());
    const auto sender_of = [this](std::uint32_t flow) -> std::size_t {
        return flows_[flow].from_client ? 0 : 1;
    };
    for (const Packet& p : packets_[0]) {
        if (p.other == none) continue;
        const std::int64_t there = packets_[1][p.other].time_ns;
        const bool out = sender_of(p.flow) == 0;
        delays[p.flow].add(out ? p.time_ns : there, out ? there - p.time_ns : p.time_ns - there);
    }
    for (Delays& d : delays) d.sort();
    for (const Alike& alike : alike_) {
        const std::uint32_t flow = packets_[0][alike.packets[0][0]].flow;
        const std::size_t sender = sender_of(flow);
        std::vector<Sighting> seen[2];
        for (std::size_t end = 0; end < 2; ++end) {
            for (const std::uint32_t i : alike.packets[end]) {
                const Packet& p = packets_[end][i];
                seen[end].push_back({p.time_ns, (p.flags & flag::psh) != 0});
            }
        }
        const auto pairs = pair_alike(seen[sender], seen[1 - sender], delays[flow]);
        for (std::size_t r = 0; r < pairs.size(); ++r) {
            if (pairs[r] == unpaired) continue;
            const std::uint32_t sent = alike.packets[sender][pairs[r]];
            const std::uint32_t received = alike.packets[1 - sender][r];
            sender == 0 ? join(sent, received) : join(received, sent);
        }
    }
    alike_.clear();
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
    pair_alike_ones();
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
