// What `estab sim run --out DIR` keeps while it runs: the capture as the senders see it, their
// events, and for the page how each sender and the shared queue were at every moment.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "cli/recorder.hpp"
#include "cli/report_page.hpp"
#include "observe/text.hpp"
#include "sim/dumbbell.hpp"

namespace estab::cli {

class SimRecord final : public sim::Observer {
public:
    SimRecord(const std::filesystem::path& folder, sim::Dumbbell& dumbbell);

    void on_packet(Instant at, const sim::Host& host, Way way, Bytes packet) override;
    void on_event(Instant at, const sim::Host& host, const event::Event& e) override;
    void on_drop(Instant at, const sim::Wire& wire, Bytes packet) override;

    Duration sample_every(Duration whole) const;
    void sample();  // as things are now
    // Ends the files, and writes summary.json and report.html.
    void finish(const std::string& summary);

private:
    static constexpr std::size_t samples_max = 2'000'000;     // of all flows together

    struct Series {  // page.js reads its columns in this order
        std::vector<std::uint32_t> at_us, cwnd, ssthresh, in_flight, rtt_us, pacing_kbit, delivered;
        std::vector<std::uint32_t> queue;
        std::vector<std::uint32_t> lost_at_us, lost_seq, lost_length;
        std::uint64_t delivered_before = 0;
        std::string local;                 // the sender's end, as the page names it
        std::optional<std::uint32_t> iss;  // of its SYN
        std::vector<std::uint8_t> bytes() const;
    };

    std::uint32_t since_begin_us(Instant at) const;
    void flush_line();

    std::filesystem::path folder_;
    sim::Dumbbell& dumbbell_;
    Instant begin_;
    OutputFile capture_, events_;
    observe::PcapngWriter writer_;
    observe::TextBuffer line_;
    std::vector<std::size_t> interfaces_;
    ReportPage page_;
    std::uint64_t packets_ = 0;
    std::vector<Series> flows_;
};

}  // namespace estab::cli
