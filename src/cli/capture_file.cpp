#include "cli/capture_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <utility>

#include "cli/console.hpp"
#include "drivers/system.hpp"

namespace estab::cli {
namespace {

constexpr std::size_t piece_bytes = 256 * 1024;
constexpr std::uint64_t release_step = 4 * 1024 * 1024;

std::size_t read_some(int fd, std::uint8_t* to, std::size_t room) {
    for (;;) {
        const ssize_t n = ::read(fd, to, room);
        if (n >= 0) return static_cast<std::size_t>(n);
        if (errno != EINTR) throw std::runtime_error(std::strerror(errno));
    }
}

class PipeBytes final : public CaptureBytes {
public:
    // `begin` has been read already, to see what the file is.
    PipeBytes(drivers::Fd fd, std::vector<std::uint8_t> begin)
        : fd_(std::move(fd)), begin_(std::move(begin)) {}

    Bytes next() override {
        if (!begin_.empty()) {
            room_ = std::exchange(begin_, {});
            return room_;
        }
        room_.resize(piece_bytes);
        return Bytes{room_}.first(read_some(*fd_, room_.data(), room_.size()));
    }

private:
    drivers::Fd fd_;
    std::vector<std::uint8_t> begin_, room_;
};

class MappedBytes final : public CaptureBytes {
public:
    MappedBytes(void* at, std::size_t size) : at_(static_cast<std::uint8_t*>(at)), size_(size) {
        ::madvise(at, size, MADV_SEQUENTIAL);
    }
    ~MappedBytes() override { ::munmap(at_, size_); }

    Bytes next() override {
        if (std::exchange(brought_, true)) return {};
        return {at_, size_};
    }
    // The pages stay in the kernel's cache, but are no longer ours.
    void release(std::uint64_t offset) override {
        const std::uint64_t page = 4096;
        const std::uint64_t end = std::min<std::uint64_t>(offset, size_) / page * page;
        if (end <= released_) return;
        ::madvise(at_ + released_, end - released_, MADV_DONTNEED);
        released_ = end;
    }

private:
    std::uint8_t* at_;
    std::size_t size_;
    std::uint64_t released_ = 0;
    bool brought_ = false;
};

class GzipBytes final : public CaptureBytes {
public:
    explicit GzipBytes(std::unique_ptr<CaptureBytes> packed)
        : packed_(std::move(packed)), room_(piece_bytes) {
        constexpr int window_bits_gzip = 15 + 16;
        if (::inflateInit2(&stream_, window_bits_gzip) != Z_OK) throw std::bad_alloc();
    }
    ~GzipBytes() override { ::inflateEnd(&stream_); }

    Bytes next() override {
        stream_.next_out = room_.data();
        stream_.avail_out = static_cast<uInt>(room_.size());
        while (stream_.avail_out == room_.size()) {
            if (damaged_) throw std::runtime_error("the gzip data is damaged");
            if (stream_.avail_in == 0) {
                const Bytes more = packed_->next();
                if (more.empty()) return at_end();
                // A mapped file comes as one piece that may be larger than zlib can count.
                pending_ = more;
            }
            step();
        }
        return Bytes{room_}.first(room_.size() - stream_.avail_out);
    }

private:
    Bytes at_end() const {
        if (in_member_) throw std::runtime_error("the gzip data ends early");
        return {};
    }
    void step() {
        if (stream_.avail_in == 0) refill();
        in_member_ = true;
        const int result = ::inflate(&stream_, Z_NO_FLUSH);
        if (result == Z_STREAM_END) {  // another member may follow
            in_member_ = false;
            ::inflateReset(&stream_);
        } else if (result != Z_OK && result != Z_BUF_ERROR) {
            damaged_ = true;  // what came before it goes out first
        }
        if (stream_.avail_in == 0 && !pending_.empty()) refill();
    }
    void refill() {
        constexpr std::size_t most = 1U << 30;
        const std::size_t count = std::min(pending_.size(), most);
        stream_.next_in = const_cast<Bytef*>(pending_.data());
        stream_.avail_in = static_cast<uInt>(count);
        pending_ = pending_.subspan(count);
    }

    std::unique_ptr<CaptureBytes> packed_;
    std::vector<std::uint8_t> room_;
    Bytes pending_;
    z_stream stream_{};
    bool in_member_ = false, damaged_ = false;
};

class ZstdBytes final : public CaptureBytes {
public:
    explicit ZstdBytes(std::unique_ptr<CaptureBytes> packed)
        : packed_(std::move(packed)), room_(piece_bytes), stream_(::ZSTD_createDStream()) {
        if (stream_ == nullptr) throw std::bad_alloc();
    }
    ~ZstdBytes() override { ::ZSTD_freeDStream(stream_); }

    Bytes next() override {
        ZSTD_outBuffer out{room_.data(), room_.size(), 0};
        while (out.pos == 0) {
            if (damaged_) throw std::runtime_error("the zstd data is damaged");
            if (in_.pos == in_.size) {
                const Bytes more = packed_->next();
                if (more.empty() && in_frame_) throw std::runtime_error("the zstd data ends early");
                if (more.empty()) return {};
                in_ = {more.data(), more.size(), 0};
            }
            const std::size_t left = ::ZSTD_decompressStream(stream_, &out, &in_);
            damaged_ = ::ZSTD_isError(left) != 0;  // what came before it goes out first
            in_frame_ = left != 0;
        }
        return Bytes{room_}.first(out.pos);
    }

private:
    std::unique_ptr<CaptureBytes> packed_;
    std::vector<std::uint8_t> room_;
    ZSTD_DStream* stream_;
    ZSTD_inBuffer in_{};
    bool in_frame_ = false, damaged_ = false;
};

std::unique_ptr<CaptureBytes> mapped(const drivers::Fd& fd) {
    struct stat status{};
    if (::fstat(*fd, &status) != 0 || !S_ISREG(status.st_mode) || status.st_size <= 0) {
        return nullptr;
    }
    if (::lseek(*fd, 0, SEEK_CUR) != 0) return nullptr;  // standard input, begun by another
    const auto size = static_cast<std::size_t>(status.st_size);
    void* at = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, *fd, 0);
    return at == MAP_FAILED ? nullptr : std::make_unique<MappedBytes>(at, size);
}

bool is_gzip(Bytes begin) { return begin.size() >= 2 && begin[0] == 0x1f && begin[1] == 0x8b; }
bool is_zstd(Bytes begin) { return begin.size() >= 4 && load_be32(begin.data()) == 0x28b52ffd; }

drivers::Fd open_capture(const std::string& name) {
    const int fd = name == "-" ? ::dup(STDIN_FILENO) : ::open(name.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        throw std::runtime_error(fmt::format("cannot read {}: {}", name, std::strerror(errno)));
    }
    struct stat status{};
    if (::fstat(fd, &status) == 0 && S_ISDIR(status.st_mode)) {
        ::close(fd);
        throw std::runtime_error(fmt::format("cannot read {}: it is a folder", name));
    }
    return drivers::Fd(fd);
}

std::unique_ptr<CaptureBytes> unpacked(Bytes begin, std::unique_ptr<CaptureBytes> bytes) {
    if (is_gzip(begin)) return std::make_unique<GzipBytes>(std::move(bytes));
    if (is_zstd(begin)) return std::make_unique<ZstdBytes>(std::move(bytes));
    return bytes;
}

std::unique_ptr<CaptureBytes> open_bytes(const std::string& name) {
    drivers::Fd fd = open_capture(name);
    if (auto map = mapped(fd)) {
        std::uint8_t begin[4] = {};
        const ssize_t n = ::pread(*fd, begin, sizeof begin, 0);
        return unpacked(Bytes{begin, n > 0 ? static_cast<std::size_t>(n) : 0}, std::move(map));
    }
    std::vector<std::uint8_t> begin(4);
    std::size_t have = 0;
    while (have < begin.size()) {
        const std::size_t n = read_some(*fd, begin.data() + have, begin.size() - have);
        if (n == 0) break;
        have += n;
    }
    begin.resize(have);
    const std::vector<std::uint8_t> kind = begin;
    return unpacked(kind, std::make_unique<PipeBytes>(std::move(fd), std::move(begin)));
}

std::string joined(const std::vector<std::string>& words) {
    std::string out;
    for (const std::string& word : words) out += (out.empty() ? "" : " ") + word;
    return out;
}

}  // namespace

CaptureFile::CaptureFile(const std::string& name, const std::vector<std::string>& filter)
    : name_(name == "-" ? "standard input" : name) {
    if (!filter.empty()) filter_ = std::make_unique<CaptureFilter>(joined(filter));
    bytes_ = open_bytes(name);
}

CaptureFile::~CaptureFile() = default;

const observe::CapturedFrame* CaptureFile::next() {
    for (;;) {
        while (const observe::CapturedFrame* frame = reader_.next()) {
            if (frame->offset - released_ >= release_step) {
                released_ = frame->offset;
                bytes_->release(released_);
            }
            if (!filter_ || filter_->passes(*frame)) return frame;
        }
        if (ended_ || reader_.error() || !bring_more()) break;
    }
    if (!trouble_ && reader_.error()) {
        const observe::CaptureError& error = *reader_.error();
        trouble_ = fmt::format("{}: {} (at byte {}, behind {} whole packets)", name_,
                               printable(error.what), error.offset, reader_.packets());
    }
    return nullptr;
}

bool CaptureFile::bring_more() {
    if (on_pause_) on_pause_();
    try {
        const Bytes more = bytes_->next();
        if (!more.empty()) {
            reader_.feed(more);
            return true;
        }
        reader_.finish();
    } catch (const std::exception& e) {
        trouble_ = fmt::format("{}: {} (behind {} whole packets)", name_, e.what(),
                               reader_.packets());
    }
    ended_ = true;
    return false;
}

}  // namespace estab::cli
