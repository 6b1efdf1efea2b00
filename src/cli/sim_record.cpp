#include "cli/sim_record.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "observe/event_text.hpp"
#include "observe/link_layer.hpp"
#include "wire/ip.hpp"
#include "wire/tcp.hpp"

namespace estab::cli {
namespace {

std::uint32_t clamped(std::uint64_t value) {
    return static_cast<std::uint32_t>(std::min<std::uint64_t>(value, UINT32_MAX));
}

Bytes octets_of(std::string_view text) {
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

struct Parsed {
    wire::IpPacket ip;
    wire::TcpView tcp;
};

std::optional<Parsed> parse(Bytes bytes) {
    const auto ip = wire::IpPacket::parse(bytes);
    if (!ip || ip->protocol != wire::protocol_tcp) return {};
    const auto tcp = wire::TcpView::parse(ip->payload);
    if (!tcp) return {};
    return Parsed{*ip, *tcp};
}

}  // namespace

SimRecord::SimRecord(const std::filesystem::path& folder, sim::Dumbbell& dumbbell)
    : folder_(folder),
      dumbbell_(dumbbell),
      begin_(dumbbell.world().now()),
      capture_((folder / "capture.pcapng").string(), -1),
      events_((folder / "events.jsonl").string(), -1),
      writer_(capture_, {.comment = "estab sim run", .snaplen = 128}),
      page_("estab sim run", ReportPage::segments_usual) {
    observe::add_events_header(line_);
    flush_line();
    for (const auto& host : dumbbell.world().hosts()) {
        interfaces_.push_back(writer_.add_interface(host->name(), device::LinkType::ip));
        if (!dumbbell.flow_of_sender(*host)) continue;
        host->stack().log().store_all(true);
        flows_.emplace_back();
    }
    dumbbell.world().watch(this);
}

void SimRecord::on_packet(Instant at, const sim::Host& host, Way way, Bytes bytes) {
    const auto sender_of = dumbbell_.flow_of_sender(host);
    if (!sender_of) return;
    writer_.write({.interface = interfaces_[host.number() - 1],
                   .at = at,
                   .way = way == Way::sent ? link::Way::sent : link::Way::received,
                   .bytes = bytes});
    page_.add({.number = ++packets_,
               .time = at,
               .link = observe::LinkType::raw,
               .bytes = bytes,
               .original_bytes = static_cast<std::uint32_t>(bytes.size()),
               .comments = {}});
    Series& flow = flows_[*sender_of];
    if (flow.iss || way != Way::sent) return;
    const auto first = parse(bytes);
    if (!first) return;
    flow.iss = first->tcp.seq().raw;
    flow.local = wire::Endpoint{first->ip.source, first->tcp.source_port()}.text();
}

void SimRecord::on_event(Instant, const sim::Host&, const event::Event& e) {
    observe::add_event_json(line_, e);
    flush_line();
}

void SimRecord::on_drop(Instant at, const sim::Wire&, Bytes bytes) {
    const auto lost = parse(bytes);
    if (!lost || lost->tcp.payload().empty()) return;
    const auto& [ip, tcp] = *lost;
    for (const auto& host : dumbbell_.world().hosts()) {
        if (host->v4() != ip.source && host->v6() != ip.source) continue;
        const auto sender_of = dumbbell_.flow_of_sender(*host);
        if (!sender_of) return;
        Series& flow = flows_[*sender_of];
        if (!flow.iss || flow.lost_seq.size() >= samples_max) return;
        flow.lost_at_us.push_back(since_begin_us(at));
        flow.lost_seq.push_back(tcp.seq().raw - *flow.iss);
        flow.lost_length.push_back(static_cast<std::uint32_t>(tcp.payload().size()));
        return;
    }
}

// Fine enough to be zoomed into, and no more samples than the page can carry.
Duration SimRecord::sample_every(Duration whole) const {
    const auto most = static_cast<std::int64_t>(
        std::clamp<std::size_t>(samples_max / flows_.size(), 100, 12'000));
    return std::max<Duration>(whole / most, 1ms);
}

void SimRecord::sample() {
    const std::uint32_t queue = clamped(dumbbell_.shared().there->lane().queued_bytes());
    for (std::size_t i = 0; i < flows_.size(); ++i) {
        const auto now = dumbbell_.sample(i);
        if (!now) continue;
        Series& flow = flows_[i];
        flow.at_us.push_back(since_begin_us(dumbbell_.world().now()));
        flow.cwnd.push_back(clamped(now->cwnd));
        flow.ssthresh.push_back(clamped(now->ssthresh));
        flow.in_flight.push_back(clamped(now->in_flight));
        flow.rtt_us.push_back(now->rtt_us);
        flow.pacing_kbit.push_back(clamped(now->pacing_bits / 1000));
        flow.delivered.push_back(clamped(now->delivered - flow.delivered_before));
        flow.delivered_before = now->delivered;
        flow.queue.push_back(queue);
    }
}

void SimRecord::finish(const std::string& summary) {
    OutputFile told((folder_ / "summary.json").string(), -1);
    told.write(octets_of(summary + "\n"));
    told.flush();
    writer_.finish();
    capture_.flush();
    events_.flush();
    nlohmann::ordered_json known = {
        {"summary", nlohmann::ordered_json::parse(summary)},
        {"begin_unix_s", static_cast<double>(to_ns(begin_.time_since_epoch())) / 1e9},
        {"queue_max_bytes", dumbbell_.shared().there->lane().queue_bytes_max()},
        {"flows", nlohmann::json::array()}};
    std::vector<std::vector<std::uint8_t>> series;
    for (const Series& flow : flows_) {
        known["flows"].push_back(flow.local);
        series.push_back(flow.bytes());
    }
    page_.simulated(known.dump(), std::move(series));
    OutputFile page((folder_ / "report.html").string(), -1);
    const auto write = [&page](std::string_view text) { page.write(octets_of(text)); };
    page_.write(write);
    page.flush();
}

std::uint32_t SimRecord::since_begin_us(Instant at) const {
    return clamped(static_cast<std::uint64_t>(to_us(at - begin_)));
}

void SimRecord::flush_line() {
    line_.add('\n');
    events_.write(octets_of(line_.view()));
    line_.clear();
}

std::vector<std::uint8_t> SimRecord::Series::bytes() const {
    std::vector<std::uint8_t> out;
    const auto append = [&out](const std::vector<std::uint32_t>& column) {
        for (const std::uint32_t value : column) {
            for (int shift = 0; shift < 32; shift += 8) {
                out.push_back(static_cast<std::uint8_t>(value >> shift));
            }
        }
    };
    append({clamped(at_us.size()), clamped(lost_seq.size())});
    for (const auto* column : {&at_us, &cwnd, &ssthresh, &in_flight, &rtt_us, &pacing_kbit,
                               &delivered, &queue, &lost_at_us, &lost_seq, &lost_length}) {
        append(*column);
    }
    return out;
}

}  // namespace estab::cli
