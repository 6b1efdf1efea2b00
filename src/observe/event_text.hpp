// Events as people and programs read them: one line of text, or one JSON object on a line
// (events.jsonl). Both use the same names and values; docs/formats/events.md says which.
#pragma once

#include "event/event.hpp"
#include "observe/text.hpp"

namespace estab::observe {

// "12.345678901 retransmit 10.77.0.2:80>10.77.0.100:4242 seq=1 end=1449 cause=timeout count=1". No
// line end.
void add_event_text(TextBuffer& out, const event::Event& event);

// {"time_s":12.345678901,"event":"retransmit","connection":3,"local":"...","remote":"...","seq":1,
// ...}.
// No line end.
void add_event_json(TextBuffer& out, const event::Event& event);

// The first line of an events.jsonl file. No line end.
void add_events_header(TextBuffer& out);

}  // namespace estab::observe
