#include "observe/event_text.hpp"

#include <string_view>

#include "base/result.hpp"
#include "congestion/algorithm.hpp"
#include "observe/json.hpp"
#include "tcp/state.hpp"

namespace estab::observe {
namespace {

using event::Kind;

constexpr std::string_view duration_suffix = "_ns";

bool is_duration(std::string_view field) { return field.ends_with(duration_suffix); }

// Fields are named for what the core counts in, nanoseconds; people and files get seconds.
void add_name(TextBuffer& out, std::string_view field) {
    if (is_duration(field)) {
        out.add(field.substr(0, field.size() - duration_suffix.size()));
        out.add("_s");
    } else {
        out.add(field);
    }
}

const char* evicted_name(std::uint64_t value) {
    switch (static_cast<event::Evicted>(value)) {
        case event::Evicted::half_open: return "half_open";
        case event::Evicted::time_wait: return "time_wait";
        case event::Evicted::out_of_order: return "out_of_order";
        case event::Evicted::idle_connection: return "idle_connection";
    }
    return "?";
}

// The word for a value that is one of a closed set, or nullptr for a plain number.
const char* word(Kind kind, std::string_view field, std::uint64_t value) {
    if (kind == Kind::state || field == "state") {
        return tcp::to_string(static_cast<tcp::State>(value));
    }
    if (kind == Kind::closed && field == "error") {
        return value == 0 ? "none" : to_string(static_cast<Error>(value - 1));
    }
    if (field == "cause") return event::to_string(static_cast<event::Cause>(value));
    if (field == "reason") return event::to_string(static_cast<event::Drop>(value));
    if (field == "step") return event::to_string(static_cast<event::Step>(value));
    if (field == "mode") return event::to_string(static_cast<event::EcnUse>(value));
    if (field == "what") return evicted_name(value);
    return nullptr;
}

std::string_view flag_letters(std::uint64_t bits, char (&room)[9]) {
    static constexpr char letters[] = "FSRP.UEWe";
    std::size_t used = 0;
    for (unsigned bit = 0; bit < 9; ++bit) {
        if ((bits >> bit & 1) != 0) room[used++] = letters[bit];
    }
    return {room, used};
}

void add_value(TextBuffer& out, Kind kind, std::string_view field, std::uint64_t value, bool json) {
    const auto add_word = [&](std::string_view text) {
        if (json || text.find(' ') != std::string_view::npos) {
            add_json_string(out, text);
        } else {
            out.add(text);
        }
    };
    if (field == "flags") {
        char room[9];
        return add_word(flag_letters(value, room));
    }
    if (const char* text = word(kind, field, value)) return add_word(text);
    if (value == congestion::infinite) return add_word("unlimited");
    if (is_duration(field)) return add_seconds(out, static_cast<std::int64_t>(value));
    out.decimal(value);
}

bool has_tuple(const event::Event& event) { return event.tuple != wire::FourTuple{}; }

}  // namespace

void add_event_text(TextBuffer& out, const event::Event& event) {
    const event::Description& description = event::describe(event.kind);
    add_seconds(out, to_ns(event.at.time_since_epoch()));
    out.add(' ');
    out.add(description.name);
    if (has_tuple(event)) {
        out.add(' ');
        out.add(event.tuple.local.text());
        out.add('>');
        out.add(event.tuple.remote.text());
    }
    for (std::size_t i = 0; i < description.fields.size() && description.fields[i]; ++i) {
        out.add(' ');
        add_name(out, description.fields[i]);
        out.add('=');
        add_value(out, event.kind, description.fields[i], event.values[i], false);
    }
}

void add_event_json(TextBuffer& out, const event::Event& event) {
    const event::Description& description = event::describe(event.kind);
    out.add("{\"time_s\":");
    add_seconds(out, to_ns(event.at.time_since_epoch()));
    out.add(",\"event\":");
    add_json_string(out, description.name);
    if (event.connection != event::no_connection) {
        out.add(",\"connection\":");
        out.decimal(event.connection);
    }
    if (has_tuple(event)) {
        out.add(",\"local\":");
        add_json_string(out, event.tuple.local.text());
        out.add(",\"remote\":");
        add_json_string(out, event.tuple.remote.text());
    }
    for (std::size_t i = 0; i < description.fields.size() && description.fields[i]; ++i) {
        out.add(",\"");
        add_name(out, description.fields[i]);
        out.add("\":");
        add_value(out, event.kind, description.fields[i], event.values[i], true);
    }
    out.add('}');
}

void add_events_header(TextBuffer& out) { out.add("{\"schema\":\"estab.events/1\"}"); }

}  // namespace estab::observe
