#include "analysis/wireshark_fields.hpp"

#include <algorithm>

#include "analysis/frame_text.hpp"
#include "wire/address.hpp"
#include "wire/checksum.hpp"

namespace estab::analysis::wireshark {
namespace {

using Out = observe::TextBuffer;
using View = FrameView;

void add_nanoseconds(Out& out, std::int64_t ns) {
    constexpr std::uint64_t second = 1'000'000'000;
    if (ns < 0) out.add('-');
    const auto size = ns < 0 ? 0 - static_cast<std::uint64_t>(ns) : static_cast<std::uint64_t>(ns);
    out.decimal(size / second);
    out.add('.');
    out.padded(size % second, 9);
}

void add_hex4(Out& out, std::uint16_t value) {
    out.add("0x");
    out.hex_octet(static_cast<std::uint8_t>(value >> 8));
    out.hex_octet(static_cast<std::uint8_t>(value));
}

// --- frame and addresses

void frame_number(Out& out, const View& v) { out.decimal(v.frame->number); }
void frame_len(Out& out, const View& v) { out.decimal(v.frame->original_bytes); }
void frame_cap_len(Out& out, const View& v) { out.decimal(v.frame->bytes.size()); }
void frame_time_epoch(Out& out, const View& v) {
    add_nanoseconds(out, to_ns(v.frame->time.time_since_epoch()));
}
void frame_time_relative(Out& out, const View& v) {
    add_nanoseconds(out, to_ns(v.frame->time - v.origin));
}

void add_v4(Out& out, const std::uint8_t* octets) {
    for (int i = 0; i < 4; ++i) {
        if (i > 0) out.add('.');
        out.decimal(octets[i]);
    }
}

// The header at the start, and that of the packet which an ICMP error reports.
void add_v4_address(Out& out, const View& v, std::size_t offset) {
    if (v.packet == nullptr || v.packet->ethertype != observe::ethertype_ipv4) return;
    Bytes bytes = v.packet->bytes;
    constexpr std::size_t header_min = 20, icmp_header = 8;
    constexpr std::uint8_t icmp = 1;
    if (bytes.size() < header_min || (bytes[0] & 15) * 4 < 20) return;
    add_v4(out, bytes.data() + offset);
    const std::size_t header = (bytes[0] & 15U) * 4;
    if (bytes[9] != icmp || bytes.size() < header + icmp_header + header_min) return;
    const std::uint8_t type = bytes[header];
    if (type != 3 && type != 4 && type != 5 && type != 11 && type != 12) return;  // RFC 792
    out.add(',');
    add_v4(out, bytes.data() + header + icmp_header + offset);
}
void ip_src(Out& out, const View& v) { add_v4_address(out, v, 12); }
void ip_dst(Out& out, const View& v) { add_v4_address(out, v, 16); }

void add_v6_address(Out& out, const View& v, std::size_t offset) {
    if (v.packet == nullptr || v.packet->ethertype != observe::ethertype_ipv6) return;
    if (v.packet->bytes.size() < 40) return;
    out.add(wire::Address::from_v6(v.packet->bytes.data() + offset).text());
}
void ipv6_src(Out& out, const View& v) { add_v6_address(out, v, 8); }
void ipv6_dst(Out& out, const View& v) { add_v6_address(out, v, 24); }

void ip_id(Out& out, const View& v) {
    if (v.segment != nullptr && !v.segment->v6) add_hex4(out, v.segment->ip_id);
}

// --- the header of TCP

template <auto Member>
void header(Out& out, const View& v) {
    if (v.segment != nullptr) out.decimal(v.segment->*Member);
}
void srcport(Out& out, const View& v) {
    if (v.segment != nullptr) out.decimal(v.segment->source.port);
}
void dstport(Out& out, const View& v) {
    if (v.segment != nullptr) out.decimal(v.segment->destination.port);
}
void stream(Out& out, const View& v) {
    if (v.segment != nullptr) out.decimal(v.remarks->stream);
}
void seq(Out& out, const View& v) {
    if (v.segment != nullptr) out.decimal(v.segment->seq - v.remarks->seq_base);
}
void nxtseq(Out& out, const View& v) {
    if (v.segment == nullptr) return;
    out.decimal(v.segment->seq - v.remarks->seq_base + numbers(*v.segment));
}
void ack(Out& out, const View& v) {
    if (v.segment == nullptr) return;
    out.decimal(v.segment->has(flag::ack) ? v.segment->ack - v.remarks->ack_base : v.segment->ack);
}
void flags(Out& out, const View& v) {
    if (v.segment != nullptr) add_hex4(out, v.segment->flags);
}
void window_size(Out& out, const View& v) {
    if (v.segment == nullptr) return;
    const std::int32_t scale = v.remarks->window_scale;
    out.decimal(scale > 0 ? std::uint64_t{v.segment->window} * static_cast<std::uint32_t>(scale)
                          : v.segment->window);
}
void window_scale(Out& out, const View& v) {
    if (v.segment != nullptr && v.remarks->window_scale != 0) {
        out.signed_decimal(v.remarks->window_scale);
    }
}
void completeness(Out& out, const View& v) {
    if (v.segment != nullptr) out.decimal(v.remarks->completeness);
}
void time_relative(Out& out, const View& v) {
    if (v.segment != nullptr) add_nanoseconds(out, v.remarks->since_first_ns);
}
void time_delta(Out& out, const View& v) {
    if (v.segment != nullptr) add_nanoseconds(out, v.remarks->since_last_ns);
}

// 0: wrong, 1: right, 2: not known, because not all of the segment was captured.
void checksum_status(Out& out, const View& v) {
    if (v.segment == nullptr) return;
    const Bytes bytes = v.packet->bytes;
    std::size_t offset = 40, length = 0;
    if (v.segment->v6) {
        if (bytes[6] == 6) length = load_be16(bytes.data() + 4);
    } else {
        offset = (bytes[0] & 15U) * 4;
        const std::size_t total = load_be16(bytes.data() + 2);
        length = total > offset ? total - offset : 0;
    }
    if (length == 0 || bytes.size() < offset + length) {
        out.add('2');
        return;
    }
    const std::uint8_t* p = bytes.data();
    const bool v6 = v.segment->v6;
    const auto source = v6 ? wire::Address::from_v6(p + 8) : wire::Address::from_v4(p + 12);
    const auto destination = v6 ? wire::Address::from_v6(p + 24) : wire::Address::from_v4(p + 16);
    wire::Sum sum =
        wire::pseudo_header(source, destination, 6, static_cast<std::uint32_t>(length));
    sum.add(bytes.subspan(offset, length));
    out.add(sum.is_valid() ? '1' : '0');
}

// --- options

// RFC 2883 4: below what is acknowledged, or within the second block.
bool has_dsack(const Segment& s) {
    if (s.sack_count == 0) return false;
    const SackBlock& first = s.sack[0];
    if (below(first.begin, s.ack)) return true;
    return s.sack_count > 1 && !below(first.begin, s.sack[1].begin) &&
           !below(s.sack[1].end, first.end);
}
template <bool Begin>
void sack_edges(Out& out, const View& v) {
    if (v.segment == nullptr) return;
    for (std::size_t i = 0; i < v.segment->sack_count; ++i) {
        if (i > 0) out.add(',');
        const SackBlock& block = v.segment->sack[i];
        out.decimal((Begin ? block.begin : block.end) - v.remarks->ack_base);
    }
}
template <bool Begin>
void dsack_edge(Out& out, const View& v) {
    if (v.segment == nullptr || !has_dsack(*v.segment)) return;
    const SackBlock& block = v.segment->sack[0];
    out.decimal((Begin ? block.begin : block.end) - v.remarks->ack_base);
}
template <auto Member>
void timestamp(Out& out, const View& v) {
    if (v.segment != nullptr && v.segment->has_timestamps) out.decimal(v.segment->*Member);
}
void mss(Out& out, const View& v) {
    if (v.segment != nullptr && v.segment->mss != 0) out.decimal(v.segment->mss);
}

// --- the analysis

template <Mark What>
void marked(Out& out, const View& v) {
    if (v.segment != nullptr && v.remarks->marks.has(What)) out.add('1');
}
void any_mark(Out& out, const View& v) {
    if (v.segment != nullptr && v.remarks->marks.any()) out.add('1');
}
void duplicate_ack(Out& out, const View& v) {
    if (v.segment != nullptr && v.remarks->marks.has(Mark::duplicate_ack)) out.add("1,1");
}
template <auto Member>
void number(Out& out, const View& v) {
    if (v.segment != nullptr && v.remarks->*Member != 0) out.decimal(v.remarks->*Member);
}
void ack_rtt(Out& out, const View& v) {
    if (v.segment != nullptr && v.remarks->ack_rtt_ns != 0) {
        add_nanoseconds(out, v.remarks->ack_rtt_ns);
    }
}
void rto(Out& out, const View& v) {
    if (v.segment != nullptr && v.remarks->rto_frame != 0) add_nanoseconds(out, v.remarks->rto_ns);
}
void initial_rtt(Out& out, const View& v) {
    if (v.segment != nullptr && v.remarks->initial_rtt_ns) {
        add_nanoseconds(out, *v.remarks->initial_rtt_ns);
    }
}

// --- our own view

void own_labels(Out& out, const View& v) {
    if (v.verdict != nullptr) add_labels(out, v.verdict->labels, ',');
}
void own_from(Out& out, const View& v) {
    if (v.verdict != nullptr) out.add(v.verdict->side == 0 ? "client" : "server");
}
void own_in_flight(Out& out, const View& v) {
    if (v.verdict != nullptr) out.signed_decimal(v.verdict->in_flight);
}
void own_earlier_frame(Out& out, const View& v) {
    if (v.verdict != nullptr && v.verdict->earlier_frame != 0) {
        out.decimal(v.verdict->earlier_frame);
    }
}
void own_rtt(Out& out, const View& v) {
    if (v.verdict != nullptr && v.verdict->rtt_ns != 0) add_nanoseconds(out, v.verdict->rtt_ns);
}

constexpr Field all[] = {
    {"frame.number", frame_number, true},
    {"frame.time_relative", frame_time_relative, true},
    {"frame.time_epoch", frame_time_epoch, true},
    {"frame.len", frame_len, true},
    {"frame.cap_len", frame_cap_len, true},
    {"ip.src", ip_src},
    {"ip.dst", ip_dst},
    {"ip.id", ip_id},
    {"ipv6.src", ipv6_src},
    {"ipv6.dst", ipv6_dst},
    {"tcp.srcport", srcport, true},
    {"tcp.dstport", dstport, true},
    {"tcp.stream", stream, true},
    {"tcp.time_relative", time_relative, true},
    {"tcp.time_delta", time_delta, true},
    {"tcp.seq", seq, true},
    {"tcp.seq_raw", header<&Segment::seq>, true},
    {"tcp.nxtseq", nxtseq, true},
    {"tcp.ack", ack, true},
    {"tcp.ack_raw", header<&Segment::ack>, true},
    {"tcp.len", header<&Segment::text_bytes>, true},
    {"tcp.flags", flags},
    {"tcp.window_size_value", header<&Segment::window>, true},
    {"tcp.window_size", window_size, true},
    {"tcp.window_size_scalefactor", window_scale, true},
    {"tcp.completeness", completeness, true},
    {"tcp.checksum.status", checksum_status, true},
    {"tcp.options.mss_val", mss, true},
    {"tcp.options.timestamp.tsval", timestamp<&Segment::tsval>, true},
    {"tcp.options.timestamp.tsecr", timestamp<&Segment::tsecr>, true},
    {"tcp.options.sack_le", sack_edges<true>},
    {"tcp.options.sack_re", sack_edges<false>},
    {"tcp.options.sack.dsack_le", dsack_edge<true>},
    {"tcp.options.sack.dsack_re", dsack_edge<false>},
    {"tcp.analysis.flags", any_mark},
    {"tcp.analysis.retransmission", marked<Mark::retransmission>},
    {"tcp.analysis.fast_retransmission", marked<Mark::fast_retransmission>},
    {"tcp.analysis.spurious_retransmission", marked<Mark::spurious_retransmission>},
    {"tcp.analysis.out_of_order", marked<Mark::out_of_order>},
    {"tcp.analysis.lost_segment", marked<Mark::lost_segment>},
    {"tcp.analysis.ack_lost_segment", marked<Mark::ack_lost_segment>},
    {"tcp.analysis.duplicate_ack", duplicate_ack},
    {"tcp.analysis.duplicate_ack_num", number<&Remarks::duplicate_ack>, true},
    {"tcp.analysis.duplicate_ack_frame", number<&Remarks::duplicate_ack_frame>, true},
    {"tcp.analysis.window_full", marked<Mark::window_full>},
    {"tcp.analysis.window_update", marked<Mark::window_update>},
    {"tcp.analysis.zero_window", marked<Mark::zero_window>},
    {"tcp.analysis.zero_window_probe", marked<Mark::zero_window_probe>},
    {"tcp.analysis.zero_window_probe_ack", marked<Mark::zero_window_probe_ack>},
    {"tcp.analysis.keep_alive", marked<Mark::keep_alive>},
    {"tcp.analysis.keep_alive_ack", marked<Mark::keep_alive_ack>},
    {"tcp.analysis.reused_ports", marked<Mark::reused_ports>},
    {"tcp.analysis.acks_frame", number<&Remarks::acks_frame>, true},
    {"tcp.analysis.ack_rtt", ack_rtt, true},
    {"tcp.analysis.initial_rtt", initial_rtt, true},
    {"tcp.analysis.bytes_in_flight", number<&Remarks::bytes_in_flight>, true},
    {"tcp.analysis.push_bytes_sent", number<&Remarks::push_bytes_sent>, true},
    {"tcp.analysis.rto", rto, true},
    {"tcp.analysis.rto_frame", number<&Remarks::rto_frame>, true},
    {"tcp.analysis.tfo_syn", marked<Mark::tfo_syn>},
    {"tcp.analysis.tfo_ack", marked<Mark::tfo_ack>},
    {"tcp.analysis.tfo_ignored", marked<Mark::tfo_ignored>},
    {"estab.labels", own_labels, false, true},
    {"estab.from", own_from, false, true},
    {"estab.in_flight", own_in_flight, true, true},
    {"estab.earlier_frame", own_earlier_frame, true, true},
    {"estab.rtt", own_rtt, true, true},
};

}  // namespace

std::span<const Field> fields() { return all; }

const Field* find_field(std::string_view name) {
    const auto at = std::ranges::find(all, name, &Field::name);
    return at == std::end(all) ? nullptr : at;
}

void add_names(Out& out, std::span<const Field* const> chosen) {
    for (std::size_t i = 0; i < chosen.size(); ++i) {
        if (i > 0) out.add('\t');
        out.add(chosen[i]->name);
    }
    out.add('\n');
}

void add_line(Out& out, std::span<const Field* const> chosen, const View& view) {
    for (std::size_t i = 0; i < chosen.size(); ++i) {
        if (i > 0) out.add('\t');
        chosen[i]->write(out, view);
    }
    out.add('\n');
}

void add_json(Out& out, std::span<const Field* const> chosen, const View& view, Absent absent) {
    char before = '{';
    for (const Field* field : chosen) {
        const std::size_t start = out.size();
        out.add(before);
        out.add('"');
        out.add(field->name);
        out.add(field->is_number ? "\":" : "\":\"");
        const std::size_t value = out.size();
        field->write(out, view);
        if (out.size() == value && absent == Absent::left_out) {
            out.truncate(start);
            continue;
        }
        before = ',';
        if (out.size() == value) {
            out.truncate(value - (field->is_number ? 0 : 1));
            out.add("null");
            continue;
        }
        if (!field->is_number) out.add('"');
    }
    out.add(before == '{' ? "{}\n" : "}\n");
}

}  // namespace estab::analysis::wireshark
