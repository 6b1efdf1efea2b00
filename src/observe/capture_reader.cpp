#include "observe/capture_reader.hpp"

#include <algorithm>

namespace estab::observe {
namespace {

constexpr std::uint32_t magic_us = 0xa1b2c3d4, magic_ns = 0xa1b23c4d;
constexpr std::uint32_t section_block = 0x0a0d0d0a;
constexpr std::size_t file_header_bytes = 24, record_header_bytes = 16;

}  // namespace

void CaptureReader::feed(Bytes bytes) {
    if (error_ || finished_) return;
    if (rest_.empty()) {
        rest_ = bytes;
        is_held_ = false;
        return;
    }
    hold();
    held_.insert(held_.end(), bytes.begin(), bytes.end());
    rest_ = held_;
}

// Moves what is left to the front of our own memory.
void CaptureReader::hold() {
    if (is_held_) {
        held_.erase(held_.begin(), held_.end() - static_cast<std::ptrdiff_t>(rest_.size()));
    } else {
        held_.assign(rest_.begin(), rest_.end());
    }
    rest_ = held_;
    is_held_ = true;
}

void CaptureReader::finish() {
    finished_ = true;
    if (error_) return;
    if (skip_ > 0) {
        fail("the file ends within a block");
    } else if (!rest_.empty()) {
        fail("the file ends within " + std::string(unfinished_) + ": " +
             std::to_string(rest_.size()) + " of " + std::to_string(missing_) + " bytes");
    } else if (format_ == Format::unknown) {
        fail("the file is empty");
    }
}

const CapturedFrame* CaptureReader::next() {
    while (!error_ && !finished_) {
        switch (step()) {
            case Step::packet: return &frame_;
            case Step::skipped: break;
            case Step::more:
                if (!rest_.empty()) hold();
                return nullptr;
            case Step::failed: return nullptr;
        }
    }
    return nullptr;
}

CaptureReader::Step CaptureReader::step() {
    if (skip_ > 0) {
        const std::uint64_t bytes = std::min<std::uint64_t>(skip_, rest_.size());
        skip_ -= bytes;
        consume(bytes);
        return skip_ > 0 ? Step::more : Step::skipped;
    }
    if (rest_.empty()) return Step::more;
    switch (format_) {
        case Format::unknown: return read_file_header();
        case Format::pcap: return read_record();
        case Format::pcapng: return read_block();
    }
    return Step::failed;
}

CaptureReader::Step CaptureReader::need(std::size_t bytes, const char* what) {
    missing_ = bytes;
    unfinished_ = what;
    return Step::more;
}

CaptureReader::Step CaptureReader::fail(std::string what) {
    error_ = CaptureError{offset_, std::move(what)};
    return Step::failed;
}

void CaptureReader::consume(std::uint64_t bytes) {
    rest_ = rest_.subspan(static_cast<std::size_t>(bytes));
    offset_ += bytes;
}

CaptureReader::Step CaptureReader::read_file_header() {
    if (rest_.size() < 4) return need(file_header_bytes, "the file header");
    const std::uint32_t magic = load_be32(rest_.data());
    if (magic == section_block) {
        format_ = Format::pcapng;
        return Step::skipped;
    }
    big_ = magic == magic_us || magic == magic_ns;
    const std::uint32_t native = u32(rest_.data());
    if (native != magic_us && native != magic_ns) {
        return fail("neither pcap nor pcapng: no known number at the start");
    }
    nanoseconds_ = native == magic_ns;
    if (rest_.size() < file_header_bytes) return need(file_header_bytes, "the file header");
    // Only the lower half of the last field is the link type; the rest is about frame check
    // sequences.
    CaptureInterface only;
    only.snap_bytes = u32(rest_.data() + 16);
    only.link = static_cast<LinkType>(u32(rest_.data() + 20) & 0xffff);
    only.resolution = nanoseconds_ ? 9 : 6;
    interfaces_ = {only};
    sections_ = 1;
    format_ = Format::pcap;
    consume(file_header_bytes);
    return Step::skipped;
}

CaptureReader::Step CaptureReader::read_record() {
    if (rest_.size() < record_header_bytes) return need(record_header_bytes, "a record header");
    const std::uint8_t* p = rest_.data();
    const std::uint32_t captured = u32(p + 8);
    if (captured > frame_bytes_max) {
        return fail("a record claims " + std::to_string(captured) + " captured bytes, more than " +
                    std::to_string(frame_bytes_max));
    }
    if (rest_.size() - record_header_bytes < captured) {
        return need(record_header_bytes + captured, "a record");
    }
    const std::int64_t fraction = u32(p + 4);
    frame_.time = Instant{std::chrono::seconds{u32(p)} +
                          Duration{nanoseconds_ ? fraction : fraction * 1000}};
    ++frame_.number;
    frame_.offset = offset_;
    frame_.link = interfaces_[0].link;
    frame_.original_bytes = u32(p + 12);
    frame_.bytes = rest_.subspan(record_header_bytes, captured);
    consume(record_header_bytes + captured);
    return Step::packet;
}

}  // namespace estab::observe
