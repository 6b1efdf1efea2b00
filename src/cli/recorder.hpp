// What --trace, --pcap, --events and --report leave behind: the sink of a link::Tap, which also
// empties the stack's event log. An event is told about the frame that was made because of it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "device/device.hpp"
#include "drivers/system.hpp"
#include "link/tap.hpp"
#include "observe/dump.hpp"
#include "observe/pcapng_writer.hpp"
#include "runtime/loop.hpp"
#include "stack/stack.hpp"

namespace estab::story {
class Narrator;
}

namespace estab::cli {

class PageFile;
class ReportPage;

struct RecordOptions {
    std::string trace;   // file, "-" for standard error, empty for none
    std::string pcap;    // file, "-" for standard output, empty for none
    std::string events;  // file, empty for none
    std::string report;  // file, empty for none
    bool explain = false;  // a line under each of the trace
    std::string comment;   // about the whole capture
    Duration wall_offset = runtime::Loop::wall_offset();  // from Instant 0 to 1970

    bool is_empty() const {
        return trace.empty() && pcap.empty() && events.empty() && report.empty();
    }
};

// A file that is written when asked to, or when much has gathered. Who reads it being gone is not
// an error; a full disk is told once.
class OutputFile final : public observe::ByteSink {
public:
    OutputFile(const std::string& path, int standard);  // throws SystemError
    void write(Bytes bytes) override;
    void flush();

private:
    std::string path_;
    drivers::Fd own_;
    int fd_ = -1;
    std::vector<std::uint8_t> waiting_;
    bool broken_ = false;
};

class Recorder {
public:
    static constexpr std::size_t events_max =
        1024;  // kept between two turns; beyond: counted as lost

    Recorder(const RecordOptions& options, device::LinkType link);
    // Writes the report.
    ~Recorder();
    Recorder(const Recorder&) = delete;

    // Where the stack keeps events; give it to StackOptions.
    std::span<event::Event> event_room() { return event_room_; }
    void attach(stack::Stack& stack);

    void record(const link::Tapped& frame);  // link::TapSink
    void flush();                            // once a turn

private:
    struct Remark {
        wire::FourTuple tuple;
        std::string text;
    };
    void take_events();
    bool wants_remarks() const { return writer_ || report_; }
    void print_line(const link::Tapped& frame);
    std::string remarks_about(const link::Tapped& frame);

    device::LinkType link_;
    Duration wall_offset_;
    std::vector<event::Event> event_room_;
    stack::Stack* stack_ = nullptr;
    std::unique_ptr<OutputFile> trace_, pcap_, events_;
    observe::SegmentPrinter printer_;
    observe::TextBuffer line_;
    std::unique_ptr<observe::PcapngWriter> writer_;
    std::size_t interface_ = 0;
    std::vector<Remark> remarks_;  // at most remarks_max
    std::uint64_t frames_ = 0;
    std::unique_ptr<story::Narrator> narrator_;
    std::unique_ptr<ReportPage> report_;
    std::unique_ptr<PageFile> report_file_;
};

// Empties the event log once a turn, whether frames pass or not.
template <device::Device D>
class Recorded {
public:
    Recorded(D& below, Recorder& recorder) : below_(below), recorder_(recorder) {}
    const device::Caps& caps() const { return below_.caps(); }
    std::size_t receive(Instant now, std::span<device::Frame> batch) {
        return below_.receive(now, batch);
    }
    MutableBytes reserve(std::size_t size) { return below_.reserve(size); }
    void commit(Instant now, std::size_t size, const device::Offload& offload) {
        below_.commit(now, size, offload);
    }
    void flush(Instant now) {
        below_.flush(now);
        recorder_.flush();
    }
    Instant deadline() const { return below_.deadline(); }

private:
    D& below_;
    Recorder& recorder_;
};

}  // namespace estab::cli
