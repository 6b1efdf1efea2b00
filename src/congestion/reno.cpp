#include "congestion/reno.hpp"

#include <algorithm>

namespace estab::congestion {
namespace {

std::uint64_t halved(std::uint64_t in_flight, std::uint32_t mss) {  // RFC 5681 (4)
    return std::max<std::uint64_t>(in_flight / 2, 2 * std::uint64_t{mss});
}

}  // namespace

void Reno::on(const Start& e) {
    cwnd_ = std::max<std::uint64_t>(e.cwnd, e.mss);
    ssthresh_ = e.ssthresh;
    acked_ = 0;
}

void Reno::on(const Acked& e) {
    if (e.in_recovery || !e.cwnd_limited) return;
    std::uint64_t bytes = e.bytes;
    if (cwnd_ < ssthresh_) {  // slow start ends at ssthresh; the rest counts for avoidance
        const std::uint64_t grown = std::min(cwnd_ + bytes, ssthresh_);
        bytes -= grown - cwnd_;
        cwnd_ = grown;
        if (bytes == 0) return;
    }
    acked_ += bytes;
    while (acked_ >= cwnd_) {
        acked_ -= cwnd_;
        cwnd_ += e.mss;
    }
    cwnd_ = std::min(cwnd_, infinite);
}

void Reno::on(const Congested& e) {
    ssthresh_ = halved(e.in_flight, e.mss);
    cwnd_ = ssthresh_;
    acked_ = 0;
}

void Reno::on(const TimedOut& e) {
    if (!e.repeated) ssthresh_ = halved(e.in_flight, e.mss);
    cwnd_ = e.mss;  // the loss window
    acked_ = 0;
}

void Reno::on(const Recovered&) { cwnd_ = std::min(cwnd_, ssthresh_); }

void Reno::on(const Undone& e) {
    cwnd_ = std::max(cwnd_, e.cwnd);
    ssthresh_ = e.ssthresh;
}

void Reno::on(const Restarted& e) { cwnd_ = std::min(cwnd_, e.restart_window); }

void Reno::on(const MssChanged& e) { cwnd_ = std::max<std::uint64_t>(cwnd_, e.to); }

const Table* find(std::string_view name) {
    static constexpr const Table* tables[] = {&table_of<Reno>, &table_of<Fixed>};
    for (const Table* table : tables) {
        if (table->name == name) return table;
    }
    return nullptr;
}

}  // namespace estab::congestion
