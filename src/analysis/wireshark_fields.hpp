// Fields by tshark's names, printed as `tshark -T fields` prints them.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "analysis/analyzer.hpp"
#include "analysis/wireshark.hpp"
#include "observe/capture_reader.hpp"
#include "observe/text.hpp"

namespace estab::analysis::wireshark {

struct FrameView {
    const observe::CapturedFrame* frame = nullptr;
    const observe::NetworkPacket* packet = nullptr;  // nullptr: no network layer
    const Segment* segment = nullptr;                // nullptr: no TCP
    const Remarks* remarks = nullptr;                // with the segment
    const Verdict* verdict = nullptr;                // with the segment, where it was asked for
    Instant origin{};                                // of the first frame
};

using Writer = void (*)(observe::TextBuffer& out, const FrameView& view);

struct Field {
    std::string_view name;
    Writer write;
    bool is_number = false;  // in JSON without quotes
    bool is_own = false;     // needs a verdict: by our rules, not by Wireshark's
};

// All of them, in the order in which they are printed when none is chosen.
std::span<const Field> fields();
const Field* find_field(std::string_view name);

// One line with its end, the fields separated by tabs; what does not apply is empty.
void add_names(observe::TextBuffer& out, std::span<const Field* const> chosen);
void add_line(observe::TextBuffer& out, std::span<const Field* const> chosen,
              const FrameView& view);
// The same as an object on a line; what does not apply is left out, or null.
enum class Absent : std::uint8_t { left_out, null };
void add_json(observe::TextBuffer& out, std::span<const Field* const> chosen, const FrameView& view,
              Absent absent = Absent::left_out);

}  // namespace estab::analysis::wireshark
