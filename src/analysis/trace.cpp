#include "analysis/trace.hpp"

#include <algorithm>
#include <cstring>

namespace estab::analysis {
namespace {

template <class T>
void append(std::vector<std::uint8_t>& out, const std::vector<T>& column) {
    const std::size_t at = out.size();
    const std::size_t size = column.size() * sizeof(T);
    out.resize(at + (size + 3) / 4 * 4);
    if (size != 0) std::memcpy(out.data() + at, column.data(), size);
}

std::uint32_t low(std::int64_t value) { return static_cast<std::uint32_t>(value & 0xffffffff); }

}  // namespace

std::vector<std::uint8_t> Columns::bytes() const {
    std::vector<std::uint8_t> out;
    append(out, std::vector<std::uint32_t>{static_cast<std::uint32_t>(frame.size()),
                                           static_cast<std::uint32_t>(sack_of.size())});
    for (const auto* column : {&passed_us, &frame, &seq, &ack, &length, &window, &labels, &rtt_us,
                               &sack_of, &sack_begin, &sack_end}) {
        append(out, *column);
    }
    append(out, what);
    return out;
}

void Trace::add(const Verdict& v, std::span<const std::string_view> comments) {
    Columns& c = columns_[v.connection->number];
    if (left_ == 0) {
        c.cut = true;
        return;
    }
    --left_;
    const Segment& s = *v.segment;
    const std::int64_t now_ns = to_ns(s.time.time_since_epoch());
    if (c.size() == 0) c.first_ns = now_ns;
    const std::int64_t now_us = std::max(c.last_us, (now_ns - c.first_ns) / 1000);
    constexpr std::int64_t most = 0xffffffff;
    c.passed_us.push_back(static_cast<std::uint32_t>(std::min(now_us - c.last_us, most)));
    c.last_us += c.passed_us.back();
    c.frame.push_back(low(static_cast<std::int64_t>(s.frame)));
    c.seq.push_back(low(v.seq));
    c.ack.push_back(low(v.ack));
    c.length.push_back(s.text_bytes);
    c.window.push_back(v.window);
    c.labels.push_back(v.labels.bits());
    const std::int64_t rtt_us = std::clamp<std::int64_t>(v.rtt_ns / 1000, 1, most);
    c.rtt_us.push_back(v.rtt_ns == 0 ? 0 : static_cast<std::uint32_t>(rtt_us));
    c.what.push_back(static_cast<std::uint16_t>(s.flags | (v.side == 0 ? 0 : 0x8000)));
    const std::size_t other = 1U - v.side;
    for (std::size_t i = 0; i < s.sack_count; ++i) {
        const std::uint32_t base = v.connection->sides[other].base;
        c.sack_of.push_back(static_cast<std::uint32_t>(c.size() - 1));
        c.sack_begin.push_back(s.sack[i].begin - base);
        c.sack_end.push_back(s.sack[i].end - base);
    }
    for (const std::string_view comment : comments) {
        if (c.remarks.size() < Columns::remarks_max) {
            c.remarks.push_back({static_cast<std::uint32_t>(c.size() - 1), std::string(comment)});
        }
    }
}

const Columns* Trace::find(std::uint32_t connection) const {
    const auto at = columns_.find(connection);
    return at == columns_.end() ? nullptr : &at->second;
}

}  // namespace estab::analysis
