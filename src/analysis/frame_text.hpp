// A verdict as a line of tab-separated columns, or as a JSON object on a line.
#pragma once

#include "analysis/analyzer.hpp"
#include "observe/text.hpp"

namespace estab::analysis {

// The names of the columns, one line with its end.
void add_frame_header(observe::TextBuffer& out);
// frame, seconds since `origin`, stream, way, flags, seq, ack, length, window, in flight, labels
// (comma-separated, "-" for none), the frame that had the octets before, RTT in milliseconds.
// With its line end.
void add_frame_line(observe::TextBuffer& out, const Verdict& verdict, Instant origin);
// An object; `nulls`: with each name in each line.
void add_frame_json(observe::TextBuffer& out, const Verdict& verdict, Instant origin,
                    bool nulls = false);

void add_flags(observe::TextBuffer& out, std::uint16_t flags);
void add_labels(observe::TextBuffer& out, Labels labels, char separator);
// "10.9.0.1:80", "[fd00:9::1]:80"
void add_end(observe::TextBuffer& out, const End& end);

}  // namespace estab::analysis
