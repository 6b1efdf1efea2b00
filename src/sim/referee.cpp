#include "sim/referee.hpp"

#include <algorithm>

#include "wire/checksum.hpp"

namespace estab::sim {
namespace {

class Collector final : public Side::Report {
public:
    Collector(std::vector<Violation>& to, std::size_t most, std::uint64_t& count)
        : to_(to), most_(most), count_(count) {}
    void blame(Violation violation) override {
        ++count_;
        if (to_.size() < most_) to_.push_back(std::move(violation));
    }

private:
    std::vector<Violation>& to_;
    std::size_t most_;
    std::uint64_t& count_;
};

}  // namespace

void Referee::observe(const Observation& seen) {
    const auto packet = wire::IpPacket::parse(seen.packet);
    if (!packet || packet->protocol != wire::protocol_tcp || packet->fragment) {
        ++counters_.ignored;
        return;
    }
    const auto tcp = wire::TcpView::parse(packet->payload);
    if (!tcp) {
        ++counters_.ignored;
        return;
    }
    const bool is_sound =
        seen.intact || tcp->checksum_is_valid(packet->source, packet->destination);
    const wire::TcpOptions options = tcp->options();
    const Side::Seen what{.at = seen.at, .packet = *packet, .tcp = *tcp, .options = options,
                          .is_sound = is_sound};
    ++counters_.packets;
    ++serial_;
    const wire::Endpoint source{packet->source, tcp->source_port()};
    const wire::Endpoint destination{packet->destination, tcp->destination_port()};
    if (seen.point != Point::arrives) {
        Side& side = side_of({source, destination});
        Collector report(violations_, settings_.violations_max, counters_.violations);
        report.may_grow = kept_total_ < settings_.kept_total_max;
        const std::size_t before = side.kept_bytes();
        side.on_leaving(what, report);
        kept_total_ += side.kept_bytes() - before;
        counters_.compared += report.compared;
        counters_.uncompared += report.uncompared;
    }
    if (seen.point != Point::leaves) {
        if (!is_sound) {
            ++counters_.ignored;
            return;
        }
        side_of({destination, source}).on_arriving(what);
    }
}

Side& Referee::side_of(const wire::FourTuple& tuple) {
    for (Side* side : last_) {
        if (side != nullptr && side->self() == tuple) {
            side->used_last = serial_;
            return *side;
        }
    }
    auto found = sides_.find(tuple);
    if (found == sides_.end()) {
        if (sides_.size() >= settings_.flows_max) forget_oldest();
        const Side::Settings settings{.kept_bytes_max = settings_.kept_bytes_max,
                                      .window_retreat_by_scale = settings_.window_retreat_by_scale};
        found = sides_.emplace(tuple, Side(tuple, settings)).first;
    }
    std::swap(last_[0], last_[1]);
    last_[0] = &found->second;
    last_[0]->used_last = serial_;
    return *last_[0];
}

void Referee::forget_oldest() {
    const auto oldest = std::min_element(
        sides_.begin(), sides_.end(),
        [](const auto& a, const auto& b) { return a.second.used_last < b.second.used_last; });
    last_[0] = last_[1] = nullptr;
    kept_total_ -= oldest->second.kept_bytes();
    sides_.erase(oldest);
    ++counters_.forgotten;
}

std::string text(const Violation& violation) {
    const std::int64_t ns = to_ns(violation.at.time_since_epoch());
    const std::string fraction = std::to_string(ns % 1'000'000'000);
    return std::to_string(ns / 1'000'000'000) + "." + std::string(9 - fraction.size(), '0') +
           fraction + " " + violation.flow.local.text() + ">" + violation.flow.remote.text() + " " +
           violation.clause + ": " + violation.sentence;
}

}  // namespace estab::sim
