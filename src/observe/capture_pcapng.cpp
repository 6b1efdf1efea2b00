// The blocks of pcapng (draft-ietf-opsawg-pcapng).
#include <algorithm>
#include <limits>

#include "observe/capture_reader.hpp"

namespace estab::observe {
namespace {

enum Block : std::uint32_t {
    interface_block = 1, old_packet_block = 2, simple_block = 3, enhanced_block = 6,
    section_block = 0x0a0d0d0a,
};
enum Option : std::uint16_t {
    end_of_options = 0, comment_option = 1, if_name = 2, if_tsresol = 9, if_tsoffset = 14,
};

constexpr std::uint32_t byte_order_magic = 0x1a2b3c4d;
constexpr std::uint32_t block_overhead = 12;  // type and both lengths

std::string_view text(Bytes bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

constexpr std::uint32_t padded(std::uint32_t bytes) { return (bytes + 3) & ~3U; }

// Ticks since 1970 in nanoseconds, rounded down; what does not fit is the last that does.
Instant instant(std::uint64_t ticks, const CaptureInterface& interface) {
    using Wide = unsigned __int128;
    const unsigned exponent = interface.resolution & 0x7f;
    Wide ns = ticks;
    if ((interface.resolution & 0x80) != 0) {
        ns = exponent >= 96 ? 0 : ns * 1'000'000'000 >> exponent;
    } else {
        for (unsigned i = exponent; i < 9; ++i) ns *= 10;
        for (unsigned i = 9; i < exponent && ns != 0; ++i) ns /= 10;
    }
    constexpr std::int64_t last = std::numeric_limits<std::int64_t>::max();
    const __int128 whole = static_cast<__int128>(std::min<Wide>(ns, Wide{1} << 100)) +
                           static_cast<__int128>(interface.offset_s) * 1'000'000'000;
    const __int128 fitting = std::clamp<__int128>(whole, -last, last);
    return Instant{Duration{static_cast<std::int64_t>(fitting)}};
}

}  // namespace

template <class Visit>
void CaptureReader::for_each_option(Bytes options, Visit visit) const {
    while (options.size() >= 4) {
        const std::uint16_t code = u16(options.data());
        const std::uint32_t length = u16(options.data() + 2);
        if (code == end_of_options || options.size() - 4 < length) return;
        visit(code, options.subspan(4, length));
        options = options.subspan(std::min<std::size_t>(options.size(), 4 + padded(length)));
    }
}

CaptureReader::Step CaptureReader::read_block() {
    if (rest_.size() < block_overhead) return need(block_overhead, "a block header");
    const std::uint8_t* p = rest_.data();
    const bool starts_section = load_be32(p) == section_block;  // reads the same in both orders
    if (starts_section) {
        big_ = load_be32(p + 8) == byte_order_magic;
        if (u32(p + 8) != byte_order_magic) return fail("a section without a byte order");
    }
    const std::uint32_t type = u32(p);
    const std::uint32_t total = u32(p + 4);
    if (total < block_overhead || total % 4 != 0) {
        return fail("a block of " + std::to_string(total) + " bytes");
    }
    const bool is_read = starts_section || type == interface_block || type == old_packet_block ||
                         type == simple_block || type == enhanced_block;
    if (!is_read) {
        skip_ = total;
        return Step::skipped;
    }
    if (total > block_bytes_max) {
        return fail("a block claims " + std::to_string(total) + " bytes, more than " +
                    std::to_string(block_bytes_max));
    }
    if (rest_.size() < total) return need(total, "a block");
    if (u32(p + total - 4) != total) return fail("a block's two lengths differ");
    const Step step = read_body(type, rest_.subspan(8, total - block_overhead));
    if (step != Step::failed) consume(total);
    return step;
}

CaptureReader::Step CaptureReader::read_body(std::uint32_t type, Bytes block) {
    switch (type) {
        case section_block: return read_section(block);
        case interface_block: return read_interface(block);
        case old_packet_block: return read_old_packet(block);
        case simple_block: return read_simple(block);
        default: return read_enhanced(block);
    }
}

CaptureReader::Step CaptureReader::read_section(Bytes block) {
    if (block.size() < 16) return fail("a section header that is too short");
    if (u16(block.data() + 4) != 1) {
        return fail("pcapng version " + std::to_string(u16(block.data() + 4)));
    }
    interfaces_.clear();
    ++sections_;
    comment_.clear();
    for_each_option(block.subspan(16), [this](std::uint16_t code, Bytes value) {
        if (code == comment_option && comment_.empty()) comment_ = text(value);
    });
    return Step::skipped;
}

CaptureReader::Step CaptureReader::read_interface(Bytes block) {
    if (block.size() < 8) return fail("an interface description that is too short");
    if (interfaces_.size() >= interfaces_max) {
        return fail("more than " + std::to_string(interfaces_max) + " interfaces");
    }
    CaptureInterface described;
    described.link = static_cast<LinkType>(u16(block.data()));
    described.snap_bytes = u32(block.data() + 4);
    for_each_option(block.subspan(8), [&](std::uint16_t code, Bytes value) {
        if (code == if_name) {
            described.name = text(value.first(std::min(value.size(), name_bytes_max)));
        } else if (code == if_tsresol && value.size() == 1) {
            described.resolution = value[0];
        } else if (code == if_tsoffset && value.size() == 8) {
            const std::uint64_t low = u32(value.data() + (big_ ? 4 : 0));
            const std::uint64_t high = u32(value.data() + (big_ ? 0 : 4));
            described.offset_s = static_cast<std::int64_t>(high << 32 | low);
        }
    });
    interfaces_.push_back(std::move(described));
    return Step::skipped;
}

CaptureReader::Step CaptureReader::finish_packet(Bytes block, const TimedPacket& packet) {
    if (packet.interface >= interfaces_.size()) {
        return fail("a packet of interface " + std::to_string(packet.interface) +
                    ", which is not described");
    }
    const Bytes behind = block.subspan(packet.header_bytes);
    if (packet.captured > behind.size()) {
        return fail("a packet of " + std::to_string(packet.captured) +
                    " bytes in a block with room for " + std::to_string(behind.size()));
    }
    const CaptureInterface& from = interfaces_[packet.interface];
    ++frame_.number;
    frame_.offset = offset_;
    frame_.time = instant(packet.ticks, from);
    frame_.link = from.link;
    frame_.interface = packet.interface;
    frame_.original_bytes = packet.original;
    frame_.bytes = behind.first(packet.captured);
    frame_.comments.clear();
    const std::size_t options_at = std::min<std::size_t>(padded(packet.captured), behind.size());
    for_each_option(behind.subspan(options_at), [this](std::uint16_t code, Bytes value) {
        if (code == comment_option && frame_.comments.size() < comments_max) {
            frame_.comments.push_back(text(value));
        }
    });
    return Step::packet;
}

CaptureReader::Step CaptureReader::read_enhanced(Bytes block) {
    if (block.size() < 20) return fail("a packet block that is too short");
    const std::uint8_t* p = block.data();
    return finish_packet(block, {.interface = u32(p),
                                 .ticks = std::uint64_t{u32(p + 4)} << 32 | u32(p + 8),
                                 .captured = u32(p + 12),
                                 .original = u32(p + 16),
                                 .header_bytes = 20});
}

CaptureReader::Step CaptureReader::read_old_packet(Bytes block) {
    if (block.size() < 20) return fail("a packet block that is too short");
    const std::uint8_t* p = block.data();
    return finish_packet(block, {.interface = u16(p),
                                 .ticks = std::uint64_t{u32(p + 4)} << 32 | u32(p + 8),
                                 .captured = u32(p + 12),
                                 .original = u32(p + 16),
                                 .header_bytes = 20});
}

// No time, no options, always the first interface; what was captured follows from the snap length.
CaptureReader::Step CaptureReader::read_simple(Bytes block) {
    if (block.size() < 4) return fail("a packet block that is too short");
    if (interfaces_.empty()) return fail("a packet before its interface");
    const std::uint32_t original = u32(block.data());
    std::uint32_t captured = static_cast<std::uint32_t>(block.size() - 4);
    captured = std::min(captured, original);
    if (const std::uint32_t snap = interfaces_[0].snap_bytes; snap != 0) {
        captured = std::min(captured, snap);
    }
    const Step step = finish_packet(block, {.interface = 0,
                                            .ticks = 0,
                                            .captured = captured,
                                            .original = original,
                                            .header_bytes = 4});
    frame_.time = Instant{};
    return step;
}

}  // namespace estab::observe
