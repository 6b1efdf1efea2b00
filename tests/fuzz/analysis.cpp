// The analyser: packets of two hosts in any order, with any numbers. The input is cut into pieces of
// 16 octets that steer well-formed segments, so that the rules are reached and not only the parser;
// and once more it is taken as a capture of its own.
#include <cstdlib>

#include "analysis/analyzer.hpp"
#include "analysis/both_ends.hpp"
#include "analysis/frame_text.hpp"
#include "analysis/summary.hpp"
#include "analysis/wireshark_fields.hpp"
#include "observe/capture_reader.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

using namespace estab;

class Judged {
public:
    Judged()
        : analyzer_({.live_max = 4, .closed_max = 2},
                    [this](const analysis::Connection& c) { overview_.add(c); }) {}

    void packet(Instant time, const observe::NetworkPacket& packet) {
        const analysis::Verdict* v = analyzer_.on_packet(++frame_, time, packet);
        if (v == nullptr) return;
        analysis::add_frame_line(out_, *v, Instant{});
        analysis::add_frame_json(out_, *v, Instant{});
        if (v->in_flight < 0) std::abort();
        frame_ % 2 == 0 ? ends_.add_client(*v->segment) : ends_.add_server(*v->segment);
        if (analyzer_.live() > 6) std::abort();
        say_as_wireshark(*v->segment, packet);
    }
    void finish() {
        analyzer_.finish();
        if (overview_.connections() != analyzer_.connections()) std::abort();
        for (const analysis::Summary& s : overview_.kept()) {
            for (const analysis::Note& note : s.notes) {
                if (analysis::sentence(s, note).empty()) std::abort();
            }
        }
        ends_.match();
    }

private:
    void say_as_wireshark(const analysis::Segment& segment, const observe::NetworkPacket& packet) {
        const observe::CapturedFrame frame{
            .number = frame_, .time = segment.time, .bytes = {}, .comments = {}};
        for (const analysis::wireshark::Field& field : analysis::wireshark::fields()) {
            chosen_.push_back(&field);
        }
        const analysis::wireshark::FrameView view{.frame = &frame,
                                                  .packet = &packet,
                                                  .segment = &segment,
                                                  .remarks = &wireshark_.on_segment(segment)};
        analysis::wireshark::add_line(out_, chosen_, view);
        analysis::wireshark::add_json(out_, chosen_, view);
        chosen_.clear();
        out_.clear();
    }

    analysis::wireshark::Analysis wireshark_{2};
    std::vector<const analysis::wireshark::Field*> chosen_;
    analysis::Overview overview_;
    analysis::Analyzer analyzer_;
    analysis::BothEnds ends_;
    observe::TextBuffer out_;
    std::uint64_t frame_ = 0;
};

// Two bits each of who, ports, flags and so on: small numbers, so that they meet.
void steered(Bytes data) {
    Judged judged;
    std::int64_t now = 0;
    std::uint8_t packet[80] = {};
    while (data.size() >= 16) {
        const std::uint8_t* d = data.data();
        const std::uint32_t options = d[15] % 2 == 0 ? 0 : 12;
        const std::uint32_t text = load_be16(d + 12) % 3000;
        packet[0] = 0x45;
        packet[1] = d[0] & 3;
        store_be16(packet + 2, static_cast<std::uint16_t>(40 + options + text));
        store_be16(packet + 4, d[1]);
        packet[9] = 6;
        const bool back = (d[0] & 4) != 0;
        store_be32(packet + 12, back ? 2 : 1);
        store_be32(packet + 16, back ? 1 : 2);
        const std::uint16_t port = 1000 + (d[0] >> 3 & 7);
        store_be16(packet + 20, back ? 80 : port);
        store_be16(packet + 22, back ? port : 80);
        store_be32(packet + 24, static_cast<std::uint32_t>(load_be16(d + 2) - 3000));
        store_be32(packet + 28, static_cast<std::uint32_t>(load_be16(d + 4) - 3000));
        packet[32] = static_cast<std::uint8_t>((5 + options / 4) << 4);
        packet[33] = d[6];
        store_be16(packet + 34, load_be16(d + 7));
        packet[40] = packet[41] = 1;
        packet[42] = 5;
        packet[43] = 10;
        store_be32(packet + 44, static_cast<std::uint32_t>(load_be16(d + 9) - 3000));
        store_be32(packet + 48, static_cast<std::uint32_t>(load_be16(d + 9) - 3000 + d[11]));
        now += std::int64_t{d[14]} * d[14] * 20'000;
        observe::NetworkPacket network;
        network.ethertype = observe::ethertype_ipv4;
        network.bytes = Bytes{packet, 40 + options};
        network.original_bytes = 40 + options + text;
        judged.packet(Instant{Duration{now}}, network);
        data = data.subspan(16);
    }
    judged.finish();
}

void as_capture(Bytes data) {
    Judged judged;
    observe::CaptureReader reader;
    reader.feed(data);
    while (const observe::CapturedFrame* f = reader.next()) {
        const auto packet = observe::network_packet(f->link, f->bytes, f->original_bytes);
        if (packet) judged.packet(f->time, *packet);
    }
    judged.finish();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    as_capture({data, size});
    steered({data, size});
    return 0;
}
