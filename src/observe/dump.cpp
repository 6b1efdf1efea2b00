#include "observe/dump.hpp"

#include <chrono>

#include "observe/dump_parts.hpp"

namespace estab::observe {
namespace {

constexpr std::int64_t ns_per_second = 1'000'000'000;

struct Split {
    std::int64_t seconds;
    std::uint32_t nanoseconds;
};

Split split(Duration d) {  // rounding down, so that the rest is never negative
    std::int64_t seconds = to_ns(d) / ns_per_second;
    std::int64_t rest = to_ns(d) % ns_per_second;
    if (rest < 0) {
        rest += ns_per_second;
        --seconds;
    }
    return {seconds, static_cast<std::uint32_t>(rest)};
}

void add_fraction(TextBuffer& out, std::uint32_t nanoseconds, bool nine) {
    out.add('.');
    if (nine) {
        out.padded(nanoseconds, 9);
    } else {
        out.padded(nanoseconds / 1000, 6);
    }
}

void add_clock(TextBuffer& out, const Split& time, bool nine) {
    const std::int64_t day = (time.seconds % 86'400 + 86'400) % 86'400;
    out.padded(static_cast<std::uint64_t>(day / 3600), 2);
    out.add(':');
    out.padded(static_cast<std::uint64_t>(day / 60 % 60), 2);
    out.add(':');
    out.padded(static_cast<std::uint64_t>(day % 60), 2);
    add_fraction(out, time.nanoseconds, nine);
}

void add_date(TextBuffer& out, std::int64_t seconds) {
    const auto days = std::chrono::floor<std::chrono::days>(
        std::chrono::sys_seconds{std::chrono::seconds{seconds}});
    const std::chrono::year_month_day date{days};
    out.padded(static_cast<std::uint64_t>(static_cast<int>(date.year())), 4);
    out.add('-');
    out.padded(static_cast<unsigned>(date.month()), 2);
    out.add('-');
    out.padded(static_cast<unsigned>(date.day()), 2);
    out.add(' ');
}

void add_direction(TextBuffer& out, std::string_view interface, Direction direction) {
    constexpr std::size_t width = 5;
    out.add(interface);
    for (std::size_t i = interface.size(); i < width; ++i) out.add(' ');
    out.add(' ');
    const std::string_view name = dump::direction_name(direction);
    out.add(name);
    for (std::size_t i = name.size(); i < 4; ++i) out.add(' ');
}

}  // namespace

SegmentPrinter::SegmentPrinter(const DumpOptions& options)
    : options_(options), numbers_(options.connections_max) {}

void SegmentPrinter::print(TextBuffer& out, Instant time, const NetworkPacket& packet) {
    print_time(out, time);
    add_interface(out, packet);
    print_packet(out, packet);
}

// Only the second version of the cooked header carries the interface, and only it is shown.
void SegmentPrinter::add_interface(TextBuffer& out, const NetworkPacket& packet) {
    if (!packet.direction || !packet.interface_index) return;
    const auto name = options_.interface_name;
    add_direction(out, name ? name(*packet.interface_index) : "?", *packet.direction);
}

void SegmentPrinter::print_packet(TextBuffer& out, const NetworkPacket& packet) {
    const dump::Part part{packet.bytes, packet.original_bytes};
    const dump::Context context{options_, numbers_};
    switch (packet.ethertype) {
        case ethertype_ipv4: dump::print_v4(out, part, context); return;
        case ethertype_ipv6: dump::print_v6(out, part, context); return;
        case ethertype_arp: dump::print_arp(out, part, context); return;
        default: break;
    }
    if (options_.link_header) return;  // which has said so already
    out.add("ethertype Unknown (0x");
    out.hex_octet(static_cast<std::uint8_t>(packet.ethertype >> 8));
    out.hex_octet(static_cast<std::uint8_t>(packet.ethertype));
    out.add("), length ");
    out.decimal(packet.original_bytes);
}

void SegmentPrinter::print_frame(TextBuffer& out, Instant time, LinkType link, Bytes frame,
                                 std::uint32_t original_bytes) {
    if (frame.empty()) {
        return out.add(original_bytes == 0 ? "[Invalid header: caplen==0, len==0]"
                                           : "[Invalid header: caplen==0]");
    }
    print_time(out, time);
    if (const auto packet = network_packet(link, frame, original_bytes)) {
        add_interface(out, *packet);
        if (link == LinkType::ethernet) {
            dump::print_ethernet(out, {frame, original_bytes}, {options_, numbers_});
        } else if (packet->direction) {
            dump::print_cooked(out, link, {frame, original_bytes}, *packet, {options_, numbers_});
        } else {
            if (options_.link_header) {
                dump::print_link_header(out, link, frame, original_bytes, *packet, options_.quick);
            }
            print_packet(out, *packet);
        }
        const bool whole = options_.hex > 1 || options_.hex_and_text > 1;
        dump::print_bytes(out, whole ? frame : packet->bytes, options_);
        return;
    }
    if (is_known(link)) {
        out.add(" [|");
        out.add(link == LinkType::ethernet ? "ether" : to_string(link));
        out.add(']');
        return;
    }
    out.add("link type ");
    out.decimal(static_cast<std::uint16_t>(link));
    out.add(", length ");
    out.decimal(original_bytes);
}

void SegmentPrinter::print_ip(TextBuffer& out, Instant time, Bytes packet) {
    print_frame(out, time, LinkType::raw, packet, static_cast<std::uint32_t>(packet.size()));
}

std::string_view SegmentPrinter::line(Instant time, const NetworkPacket& packet) {
    line_.clear();
    print(line_, time, packet);
    return line_.view();
}

std::string_view SegmentPrinter::line_ip(Instant time, Bytes packet) {
    line_.clear();
    print_ip(line_, time, packet);
    return line_.view();
}

void SegmentPrinter::print_time(TextBuffer& out, Instant time) {
    const bool nine = options_.nanoseconds;
    if (!nine) time = std::chrono::floor<std::chrono::microseconds>(time);  // before differences
    const Split split_time = split(time.time_since_epoch());
    switch (options_.time) {
        case DumpTime::none: return;
        case DumpTime::date: add_date(out, split_time.seconds); [[fallthrough]];
        case DumpTime::clock: add_clock(out, split_time, nine); break;
        case DumpTime::epoch:
            out.signed_decimal(split_time.seconds);
            add_fraction(out, split_time.nanoseconds, nine);
            break;
        case DumpTime::since_previous:
        case DumpTime::since_first: {
            if (!reference_) reference_ = time;
            const bool backwards = time < *reference_;
            out.add(backwards ? '-' : ' ');
            add_clock(out, split(backwards ? *reference_ - time : time - *reference_), nine);
            if (options_.time == DumpTime::since_previous) reference_ = time;
            break;
        }
    }
    out.add(' ');
}

}  // namespace estab::observe
