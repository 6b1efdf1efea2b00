// A connection as rows of a flow graph: its segments with the states of both ends after each, with
// long quiet parts folded into one row and pauses as rows of their own. docs/formats/flow.md.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "story/mirror.hpp"

namespace estab::story {

struct Row {
    enum class Kind : std::uint8_t { segment, folded, pause };
    struct Count {
        std::uint64_t segments = 0, octets = 0;
    };

    Kind kind = Kind::segment;
    std::int64_t time_ns = 0;  // since the connection's first segment
    std::int64_t last_ns = 0;  // of what is folded, or of the pause
    std::array<tcp::State, 2> states{};
    std::uint64_t frame = 0, last_frame = 0;
    // A segment.
    std::uint8_t side = 0;
    std::uint16_t flags = 0;
    std::int64_t seq = 0, ack = 0;
    std::uint32_t octets = 0, window = 0, duplicate = 0;
    analysis::Labels labels;
    std::uint16_t mss = 0;
    std::optional<std::uint8_t> scale{};
    bool sack_permitted = false;
    std::vector<std::array<std::int64_t, 2>> sack{};
    std::vector<std::string> remarks{};  // what estab itself noted beside the packet
    std::string told{};  // the explanation, where there is one
    // What is folded, by side.
    std::array<Count, 2> counts{};
    std::uint32_t duplicate_acks = 0;
    std::array<std::uint32_t, 2> window_min{}, window_max{};
};

class FlowGraph {
public:
    struct Settings {
        bool fold = true;
        std::size_t rows_max = 2'000;  // beyond it the middle is folded whatever it is
    };
    explicit FlowGraph(const Settings& settings) : settings_(settings) {}

    void add(const analysis::Verdict& verdict, const Step& step,
             std::span<const std::string_view> comments, std::string told = {});
    // No more segments come.
    void finish();
    const std::deque<Row>& rows() const { return rows_; }

private:
    static constexpr std::size_t lead = 4;  // of a quiet part that are shown before it is folded
    static constexpr std::size_t tail = 2;  // … and behind
    static constexpr std::size_t fold_least = 3;

    void end_run();
    void push(Row row);
    void show_pause(const analysis::Verdict& v, std::int64_t time_ns);

    Settings settings_;
    std::deque<Row> rows_;
    std::deque<Row> held_;  // of the quiet part that goes on: what may have to be shown
    std::optional<Row> folded_;
    std::size_t run_ = 0;   // quiet segments in a row
    std::optional<std::int64_t> last_ns_;
    std::array<tcp::State, 2> states_{};
};

// "SYN seq 0 win 29200 mss 1460 scale 7", "seq 1:152 (151) ack 1 win 29312 PSH"
std::string segment_text(const Row& row);
// "retransmission, fast", "duplicate ACK 3"; empty for nothing
std::string note_text(const Row& row);
// "812 segments →, 1175776 octets; 406 ←" with the given arrows; "4.80 s nothing"
struct Arrows {
    const char *right, *left;
};
std::string folded_text(const Row& row, const Arrows& arrows);

// How much a row deserves attention.
enum class Mood : std::uint8_t { quiet, notable, bad };
Mood mood_of(const Row& row);

struct FlowText {
    std::size_t columns = 100;
    bool colour = false;
    bool ascii = false;
};
// A whole connection; each with its own heading.
std::string flow_text(const analysis::Connection& connection, const FlowGraph& graph,
                      const FlowText& how);
std::string flow_json(const analysis::Connection& connection, const FlowGraph& graph);
// One drawing per connection, to be put under one another; `y` is where it begins, and its end.
std::string flow_svg(const analysis::Connection& connection, const FlowGraph& graph, int& y);
inline constexpr int svg_width = 1000;
// What stands before and behind the drawings, given the whole height. On a page the style is the
// page's.
enum class SvgPlace : std::uint8_t { file, page };
std::string svg_begin(int height, SvgPlace place = SvgPlace::file);
inline constexpr const char* svg_end = "</svg>\n";

std::string end_text(const analysis::End& end);  // "10.9.0.1:80"

}  // namespace estab::story
