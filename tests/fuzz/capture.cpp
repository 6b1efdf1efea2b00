// A capture file, read whole and in pieces and printed: both must give the same lines.
#include <cstdlib>

#include "observe/capture_reader.hpp"
#include "observe/dump.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

using namespace estab;

void print_all(observe::TextBuffer& out, Bytes file, std::size_t piece) {
    observe::CaptureReader reader;
    // A small table, so that forgetting connections is tried too.
    observe::SegmentPrinter printer({.accurate_ecn = true, .connections_max = 2});
    observe::SegmentPrinter verbose(
        {.verbose = 3, .link_header = true, .hex_and_text = 2, .connections_max = 2});
    while (!file.empty()) {
        const std::size_t count = piece < file.size() ? piece : file.size();
        reader.feed(file.first(count));
        file = file.subspan(count);
        while (const observe::CapturedFrame* f = reader.next()) {
            printer.print_frame(out, f->time, f->link, f->bytes, f->original_bytes);
            out.add('\n');
            verbose.print_frame(out, f->time, f->link, f->bytes, f->original_bytes);
            for (const std::string_view comment : f->comments) out.add(comment);
        }
    }
    reader.finish();
    if (reader.error()) out.decimal(reader.error()->offset);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    observe::TextBuffer whole, pieces;
    print_all(whole, {data, size}, size);
    print_all(pieces, {data, size}, 1 + size % 61);
    if (whole.view() != pieces.view()) std::abort();
    return 0;
}
