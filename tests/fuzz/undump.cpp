// Lines as tcpdump prints them, and lines that are none: a packet for each or one error, and what
// was made prints the same line again.
#include <algorithm>
#include <cstdlib>
#include <string>
#include <vector>

#include "observe/dump.hpp"
#include "observe/link_layer.hpp"
#include "observe/undump.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

using namespace estab;

struct Made {
    std::vector<std::vector<std::uint8_t>> packets;
    std::vector<Instant> times;
};

Made packets_of(std::string_view text, const observe::Undump::Settings& settings) {
    Made made;
    observe::Undump undump(settings, [&made](Instant time, Bytes packet) {
        made.packets.emplace_back(packet.begin(), packet.end());
        made.times.push_back(time);
    });
    bool going = true;
    while (going && !text.empty()) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        going = undump.add_line(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    if (going) going = undump.finish();
    if (going != !undump.error().has_value()) std::abort();
    if (undump.packets() != made.packets.size()) std::abort();
    return made;
}

std::string printed(const Made& made) {
    observe::TextBuffer out;
    observe::SegmentPrinter printer({.connections_max = 1000});
    for (std::size_t i = 0; i < made.packets.size(); ++i) {
        const auto bytes = static_cast<std::uint32_t>(made.packets[i].size());
        printer.print_frame(out, made.times[i], observe::LinkType::raw, made.packets[i], bytes);
        out.add('\n');
    }
    return std::string(out.view());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
    const observe::Undump::Settings settings{.absolute_numbers = (data[0] & 1) != 0,
                                             .differences = (data[0] & 2) != 0};
    const Made made = packets_of(text, settings);
    for (const auto& packet : made.packets) {
        if (packet.size() > 65'575) std::abort();
    }
    // Its own lines are always read.
    const std::string lines = printed(made);
    if (packets_of(lines, {}).packets.size() > made.packets.size()) std::abort();
    return 0;
}
