#include "cli/recorder.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

#include "cli/console.hpp"
#include "cli/page_file.hpp"
#include "cli/report_page.hpp"
#include "observe/event_text.hpp"
#include "observe/link_layer.hpp"
#include "story/explain.hpp"
#include "story/narrator.hpp"
#include "wire/ip.hpp"
#include "wire/tcp.hpp"

namespace estab::cli {
namespace {

constexpr std::size_t waiting_max = 256u << 10;
constexpr std::size_t remarks_max = 64;

Bytes bytes_of(std::string_view text) {
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

observe::LinkType link_type(device::LinkType link) {
    return link == device::LinkType::ip ? observe::LinkType::raw : observe::LinkType::ethernet;
}

// What is worth a comment in a capture.
bool is_remarkable(event::Kind kind) {
    using enum event::Kind;
    constexpr event::Kind kinds[] = {retransmit,      retransmit_timeout, fast_retransmit,
                                     recovery_start,  recovery_end,       recovery_undone,
                                     tail_loss_probe, reordering,         window_probe,
                                     keepalive_probe, challenge_ack,      zero_window,
                                     path_mtu,        reset_sent,         syn_cookie_sent};
    return std::ranges::find(kinds, kind) != std::end(kinds);
}

}  // namespace

OutputFile::OutputFile(const std::string& path, int standard) : path_(path), fd_(standard) {
    if (path == "-") return;
    own_.reset(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
    if (!own_) drivers::throw_system("cannot write " + path);
    fd_ = *own_;
}

void OutputFile::write(Bytes bytes) {
    waiting_.insert(waiting_.end(), bytes.begin(), bytes.end());
    if (waiting_.size() > waiting_max) flush();
}

void OutputFile::flush() {
    if (waiting_.empty()) return;
    const int error = broken_ ? 0 : write_all(fd_, waiting_);
    waiting_.clear();
    if (error == 0) return;
    broken_ = true;
    if (error != EPIPE) note("estab", "cannot write " + path_ + ": " + drivers::error_text(error));
}

Recorder::Recorder(const RecordOptions& options, device::LinkType link)
    : link_(link), wall_offset_(options.wall_offset) {
    if (!options.trace.empty()) trace_ = std::make_unique<OutputFile>(options.trace, STDERR_FILENO);
    if (!options.events.empty()) {
        events_ = std::make_unique<OutputFile>(options.events, STDOUT_FILENO);
        line_.clear();
        observe::add_events_header(line_);
        line_.add('\n');
        events_->write(bytes_of(line_.view()));
    }
    if (!options.pcap.empty()) {
        pcap_ = std::make_unique<OutputFile>(options.pcap, STDOUT_FILENO);
        writer_ = std::make_unique<observe::PcapngWriter>(
            *pcap_, observe::PcapngWriter::Settings{.comment = options.comment,
                                                    .origin_unix_ns = to_ns(wall_offset_),
                                                    .ip_framing = observe::IpFraming::raw});
        interface_ = writer_->add_interface("estab", link);
        writer_->finish();
        pcap_->flush();
    }
    if (!options.report.empty()) {
        report_file_ = std::make_unique<PageFile>(options.report);
        report_ = std::make_unique<ReportPage>(options.comment, ReportPage::segments_usual);
    }
    if (trace_ && options.explain) narrator_ = std::make_unique<story::Narrator>();
    if (events_ || wants_remarks()) event_room_.resize(events_max);
}

Recorder::~Recorder() {
    if (!report_) return;
    try {
        report_->write([this](std::string_view text) { report_file_->write(text); });
        report_file_->finish();
    } catch (const std::exception& e) {
        note("estab", e.what());
    }
}

void Recorder::attach(stack::Stack& stack) {
    stack_ = &stack;
    for (std::size_t i = 0; i < event::kinds; ++i) {
        const auto kind = static_cast<event::Kind>(i);
        if (events_ || (wants_remarks() && is_remarkable(kind))) stack.log().store(kind, true);
    }
}

void Recorder::record(const link::Tapped& frame) {
    take_events();
    ++frames_;
    if (trace_) print_line(frame);
    if (!wants_remarks()) return;
    const std::string comment = remarks_about(frame);
    if (report_) {
        const std::string_view comments[] = {comment};
        report_->add({.number = frames_,
                      .time = frame.at + wall_offset_,
                      .link = link_type(link_),
                      .bytes = frame.bytes,
                      .original_bytes = static_cast<std::uint32_t>(frame.bytes.size()),
                      .comments = std::span(comments, comment.empty() ? 0 : 1)});
    }
    if (!writer_) return;
    writer_->write({.interface = interface_,
                    .at = frame.at,
                    .way = frame.way,
                    .bytes = frame.bytes,
                    .comment = comment});
}

void Recorder::print_line(const link::Tapped& frame) {
    const auto size = static_cast<std::uint32_t>(frame.bytes.size());
    const Instant time = frame.at + wall_offset_;
    line_.clear();
    printer_.print_frame(line_, time, link_type(link_), frame.bytes, size);
    line_.add('\n');
    const auto packet = observe::network_packet(link_type(link_), frame.bytes, size);
    if (narrator_ && packet) {
        const auto said = narrator_->on_packet(frames_, time, *packet);
        if (said.told != nullptr) {
            line_.add("    ");
            line_.add(story::explain_line(*said.step, *said.told));
            line_.add('\n');
        }
    }
    trace_->write(bytes_of(line_.view()));
}

void Recorder::flush() {
    take_events();
    for (OutputFile* file : {trace_.get(), pcap_.get(), events_.get()})
        if (file != nullptr) file->flush();
}

void Recorder::take_events() {
    if (stack_ == nullptr || event_room_.empty()) return;
    event::Log& log = stack_->log();
    for (const event::Event* event = log.front(); event != nullptr;
         log.pop(), event = log.front()) {
        if (events_) {
            event::Event dated = *event;
            dated.at += wall_offset_;
            line_.clear();
            observe::add_event_json(line_, dated);
            line_.add('\n');
            events_->write(bytes_of(line_.view()));
        }
        if (!wants_remarks() || !is_remarkable(event->kind)) continue;
        line_.clear();
        event::Event bare = *event;  // time and addresses are the packet's
        bare.tuple = {};
        observe::add_event_text(line_, bare);
        std::string_view text = line_.view();
        text.remove_prefix(std::min(text.find(' ') + 1, text.size()));
        // "retransmit seq=1 …" becomes "estab: event=retransmit seq=1 …".
        if (remarks_.size() == remarks_max) remarks_.erase(remarks_.begin());
        remarks_.push_back({event->tuple, "estab: event=" + std::string(text)});
    }
}

// Remarks wait for the next frame that we send on their connection.
std::string Recorder::remarks_about(const link::Tapped& frame) {
    if (remarks_.empty() || frame.way != link::Way::sent) return {};
    const auto network = observe::network_packet(link_type(link_), frame.bytes,
                                                 static_cast<std::uint32_t>(frame.bytes.size()));
    if (!network) return {};
    const auto packet = wire::IpPacket::parse(network->bytes);
    if (!packet || packet->payload.size() < 4) return {};
    const wire::FourTuple tuple{
        .local = {packet->source, load_be16(packet->payload.data())},
        .remote = {packet->destination, load_be16(packet->payload.data() + 2)}};
    std::string comment;
    std::erase_if(remarks_, [&](const Remark& remark) {
        if (remark.tuple != tuple) return false;
        comment += (comment.empty() ? "" : "\n") + remark.text;
        return true;
    });
    return comment;
}

}  // namespace estab::cli
