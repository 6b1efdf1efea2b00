// The story of any packets: both ends' mirrors, flow graphs in each form and explanations. Of each
// eight octets a segment is made whose numbers lie near those of the others; and once more the
// input is taken for a capture, with its comments.
#include <algorithm>
#include <cstdlib>
#include <unordered_map>

#include "observe/capture_reader.hpp"
#include "observe/json.hpp"
#include "story/explain.hpp"
#include "story/flow.hpp"
#include "story/narrator.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

using namespace estab;

void check_markup(std::string_view text) {
    for (std::size_t at = 0; at < text.size();) {
        const auto c = static_cast<unsigned char>(text[at]);
        if (c < 0x20 && c != '\n') std::abort();
        const std::size_t length = observe::utf8_length(text.substr(at));
        if (length == 0) std::abort();
        at += length;
    }
}

class Book {
public:
    Book()
        : narrator_([this](const analysis::Connection& c, const story::Step* last) {
              if (last == nullptr) std::abort();
              const auto facts = story::Teller::conclusion(c, *last);
              for (const story::Form form : forms)
                  check_markup(story::explain_conclusion(form, facts, 60));
              const auto graph = graphs_.find(c.number);
              graph->second.finish();
              int y = 0;
              check_markup(story::flow_svg(c, graph->second, y));
              check_markup(story::flow_json(c, graph->second));
              check_markup(story::flow_text(c, graph->second, {.columns = 64}));
              if (story::flow_text(c, graph->second, {.colour = true, .ascii = true}).empty())
                  std::abort();
              if (graph->second.rows().size() > 8) std::abort();
              graphs_.erase(graph);
          }) {}

    void packet(Instant time, const observe::NetworkPacket& packet,
                std::span<const std::string_view> comments) {
        const auto said = narrator_.on_packet(++frame_, time, packet);
        if (said.told == nullptr) return;
        if (said.told->headline.empty()) std::abort();
        const story::Chapter chapter{.verdict = *said.verdict,
                                     .step = *said.step,
                                     .told = *said.told,
                                     .comments = comments,
                                     .origin = said.origin};
        const story::Form form = forms[frame_ % std::size(forms)];  // all would be slow
        if (said.first) check_markup(story::explain_heading(form, *said.verdict));
        check_markup(story::explain_segment(form, chapter, 60));
        const story::FlowGraph::Settings settings{.fold = frame_ % 2 == 0, .rows_max = 8};
        graphs_.try_emplace(said.verdict->connection->number, settings)
            .first->second.add(*said.verdict, *said.step, comments,
                               story::explain_lines(*said.told));
    }
    void finish() { narrator_.finish(); }

private:
    static constexpr story::Form forms[] = {story::Form::text, story::Form::markdown,
                                            story::Form::html};
    std::unordered_map<std::uint32_t, story::FlowGraph> graphs_;
    std::uint64_t frame_ = 0;
    story::Narrator narrator_;
};

void steered(Bytes data) {
    Book book;
    std::int64_t now = 0;
    std::uint8_t packet[52] = {};
    while (data.size() >= 8) {
        const std::uint8_t* d = data.data();
        const bool back = (d[0] & 1) != 0;
        const bool has_options = (d[0] & 2) != 0;
        const std::uint32_t text = (d[0] & 4) != 0 ? d[1] * 11U : 0;
        const std::uint32_t size = has_options ? 52 : 40;
        packet[0] = 0x45;
        packet[1] = d[0] >> 6;
        store_be16(packet + 2, static_cast<std::uint16_t>(size + text));
        store_be16(packet + 4, d[7]);
        packet[9] = 6;
        store_be32(packet + 12, back ? 2 : 1);
        store_be32(packet + 16, back ? 1 : 2);
        const std::uint16_t port = 1000 + (d[0] >> 3 & 3);
        store_be16(packet + 20, back ? 80 : port);
        store_be16(packet + 22, back ? port : 80);
        store_be32(packet + 24, d[2] * 256U - 512);
        store_be32(packet + 28, d[3] * 256U - 512);
        packet[32] = has_options ? 0x80 : 0x50;
        packet[33] = d[4];
        store_be16(packet + 34, static_cast<std::uint16_t>(d[5] * 16));
        const bool syn = (d[4] & 2) != 0;  // MSS, scale, SACK; or one block
        static constexpr std::uint8_t of_syn[12] = {2, 4, 5, 0xb4, 1, 3, 3, 3, 4, 2, 0, 0};
        std::copy_n(of_syn, 12, packet + 40);
        if (!syn) {
            packet[40] = packet[41] = 1;
            packet[42] = 5;
            packet[43] = 10;
            store_be32(packet + 44, d[6] * 256U - 512);
            store_be32(packet + 48, d[6] * 256U + d[7] - 512);
        }
        now += std::int64_t{d[6]} * d[6] * 20'000;
        observe::NetworkPacket network;
        network.ethertype = observe::ethertype_ipv4;
        network.bytes = Bytes{packet, size};
        network.original_bytes = size + text;
        const std::string_view comment(reinterpret_cast<const char*>(d), 8);
        book.packet(Instant{Duration{now}}, network, {&comment, d[5] % 4 == 0 ? 1U : 0U});
        data = data.subspan(8);
    }
    book.finish();
}

void as_capture(Bytes data) {
    Book book;
    observe::CaptureReader reader;
    reader.feed(data);
    while (const observe::CapturedFrame* f = reader.next()) {
        const auto packet = observe::network_packet(f->link, f->bytes, f->original_bytes);
        if (packet) book.packet(f->time, *packet, f->comments);
    }
    book.finish();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    as_capture({data, size});
    steered({data, size});
    return 0;
}
