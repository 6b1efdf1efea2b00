#include "analysis/frame_text.hpp"

#include <array>
#include <bit>

#include "observe/json.hpp"
#include "wire/address.hpp"

namespace estab::analysis {
namespace {

void add_micros(observe::TextBuffer& out, std::int64_t ns) {  // seconds with six digits
    if (ns < 0) {
        out.add('-');
        ns = -ns;
    }
    const std::int64_t us = ns / 1000;
    out.decimal(static_cast<std::uint64_t>(us / 1'000'000));
    out.add('.');
    out.padded(static_cast<std::uint64_t>(us % 1'000'000), 6);
}

void add_millis(observe::TextBuffer& out, std::int64_t ns) {
    const std::int64_t us = ns / 1000;
    out.decimal(static_cast<std::uint64_t>(us / 1000));
    out.add('.');
    out.padded(static_cast<std::uint64_t>(us % 1000), 3);
}

}  // namespace

void add_flags(observe::TextBuffer& out, std::uint16_t flags) {
    static constexpr char letters[] = "FSRP.UEWe";
    if (flags == 0) out.add('-');
    for (; flags != 0; flags &= static_cast<std::uint16_t>(flags - 1)) {
        const auto bit = static_cast<unsigned>(std::countr_zero(flags));
        if (bit < 9) out.add(letters[bit]);
    }
}

void add_labels(observe::TextBuffer& out, Labels labels, char separator) {
    bool first = true;
    for (std::uint32_t bits = labels.bits(); bits != 0; bits &= bits - 1) {
        if (!first) out.add(separator);
        first = false;
        out.add(to_string(static_cast<Label>(std::countr_zero(bits))));
    }
}

void add_end(observe::TextBuffer& out, const End& end) {
    std::array<std::uint8_t, 16> octets;
    store_be64(octets.data(), end.host.high);
    store_be64(octets.data() + 8, end.host.low);
    out.add(wire::Endpoint{wire::Address::from_v6(octets.data()), end.port}.text());
}

void add_frame_header(observe::TextBuffer& out) {
    out.add("#frame\ttime\tstream\tway\tflags\tseq\tack\tlen\twindow\tin_flight\tlabels\tearlier\t"
            "rtt_ms\n");
}

void add_frame_line(observe::TextBuffer& out, const Verdict& v, Instant origin) {
    const Segment& s = *v.segment;
    out.decimal(s.frame);
    out.add('\t');
    add_micros(out, to_ns(s.time - origin));
    out.add('\t');
    out.decimal(v.connection->number);
    out.add(v.side == 0 ? "\t>\t" : "\t<\t");
    add_flags(out, s.flags);
    out.add('\t');
    out.signed_decimal(v.seq);
    out.add('\t');
    out.signed_decimal(v.ack);
    out.add('\t');
    out.decimal(s.text_bytes);
    out.add('\t');
    out.decimal(v.window);
    out.add('\t');
    out.signed_decimal(v.in_flight);
    out.add('\t');
    if (v.labels.empty()) {
        out.add('-');
    } else {
        add_labels(out, v.labels, ',');
    }
    out.add('\t');
    if (v.earlier_frame != 0) out.decimal(v.earlier_frame);
    out.add('\t');
    if (v.rtt_ns != 0) add_millis(out, v.rtt_ns);
    out.add('\n');
}

void add_frame_json(observe::TextBuffer& out, const Verdict& v, Instant origin, bool nulls) {
    const Segment& s = *v.segment;
    const auto number = [&out](const char* name, std::int64_t value) {
        out.add(name);
        out.signed_decimal(value);
    };
    number("{\"frame\":", static_cast<std::int64_t>(s.frame));
    out.add(",\"time_s\":");
    observe::add_seconds(out, to_ns(s.time - origin));
    number(",\"stream\":", v.connection->number);
    out.add(v.side == 0 ? ",\"from\":\"client\"" : ",\"from\":\"server\"");
    out.add(",\"flags\":\"");
    add_flags(out, s.flags);
    number("\",\"seq\":", v.seq);
    number(",\"ack\":", v.ack);
    number(",\"len\":", s.text_bytes);
    number(",\"window\":", v.window);
    number(",\"in_flight\":", v.in_flight);
    out.add(",\"labels\":[");
    if (!v.labels.empty()) {
        out.add('"');
        bool first = true;
        for (std::uint32_t bits = v.labels.bits(); bits != 0; bits &= bits - 1) {
            if (!first) out.add("\",\"");
            first = false;
            out.add(to_string(static_cast<Label>(std::countr_zero(bits))));
        }
        out.add('"');
    }
    out.add(']');
    if (v.earlier_frame != 0) {
        number(",\"earlier_frame\":", static_cast<std::int64_t>(v.earlier_frame));
    } else if (nulls) {
        out.add(",\"earlier_frame\":null");
    }
    if (v.rtt_ns != 0) {
        out.add(",\"rtt_s\":");
        observe::add_seconds(out, v.rtt_ns);
    } else if (nulls) {
        out.add(",\"rtt_s\":null");
    }
    out.add("}\n");
}

}  // namespace estab::analysis
