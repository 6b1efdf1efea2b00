#include "drivers/uring.hpp"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "base/check.hpp"

namespace estab::drivers {
namespace {

int setup(unsigned entries, unsigned flags, io_uring_params& params) {
    params = {};
    params.flags = flags;
    return static_cast<int>(::syscall(SYS_io_uring_setup, entries, &params));
}

template <class T>
T* at(void* base, std::uint32_t offset) {
    return reinterpret_cast<T*>(static_cast<std::uint8_t*>(base) + offset);
}

}  // namespace

Uring::Mapping::~Mapping() {
    if (base != nullptr) ::munmap(base, size);
}

Uring::~Uring() = default;

std::unique_ptr<Uring> Uring::open(unsigned entries) {
    io_uring_params params;
    // Completions are looked for in the call that waits for them, and nowhere else (Linux 6.1).
    int fd = setup(entries, IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN, params);
    if (fd < 0) fd = setup(entries, 0, params);
    if (fd < 0) return nullptr;
    std::unique_ptr<Uring> ring(new Uring);
    ring->fd_.reset(fd);
    // One mapping for both rings (Linux 5.4).
    if ((params.features & IORING_FEAT_SINGLE_MMAP) == 0 || !ring->map(params)) return nullptr;
    return ring;
}

bool Uring::map(const io_uring_params& p) {
    rings_.size = std::max(p.sq_off.array + p.sq_entries * sizeof(std::uint32_t),
                           p.cq_off.cqes + p.cq_entries * sizeof(io_uring_cqe));
    entries_.size = p.sq_entries * sizeof(io_uring_sqe);
    const auto mapped = [this](std::size_t size, std::uint64_t what) {
        void* const base = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
                                  *fd_, static_cast<off_t>(what));
        return base == MAP_FAILED ? nullptr : base;
    };
    rings_.base = mapped(rings_.size, IORING_OFF_SQ_RING);
    entries_.base = mapped(entries_.size, IORING_OFF_SQES);
    if (rings_.base == nullptr || entries_.base == nullptr) return false;
    tail_ = at<std::uint32_t>(rings_.base, p.sq_off.tail);
    array_ = at<std::uint32_t>(rings_.base, p.sq_off.array);
    mask_ = *at<std::uint32_t>(rings_.base, p.sq_off.ring_mask);
    submissions_ = static_cast<io_uring_sqe*>(entries_.base);
    done_head_ = at<std::uint32_t>(rings_.base, p.cq_off.head);
    done_tail_ = at<std::uint32_t>(rings_.base, p.cq_off.tail);
    done_mask_ = *at<std::uint32_t>(rings_.base, p.cq_off.ring_mask);
    completions_ = at<io_uring_cqe>(rings_.base, p.cq_off.cqes);
    return true;
}

bool Uring::write(int fd, std::span<const iovec> parts, std::span<std::int32_t> results) {
    CHECK(parts.size() == results.size() && parts.size() <= mask_ + 1);
    std::ranges::fill(results, 0);
    std::uint32_t tail = *tail_;
    for (std::size_t i = 0; i < parts.size(); ++i, ++tail) {
        io_uring_sqe& entry = submissions_[tail & mask_];
        std::memset(&entry, 0, sizeof entry);
        entry.opcode = IORING_OP_WRITE;
        entry.fd = fd;
        entry.addr = reinterpret_cast<std::uint64_t>(parts[i].iov_base);
        entry.len = static_cast<std::uint32_t>(parts[i].iov_len);
        // Else the ring would wait until there is room, and we for the ring.
        entry.rw_flags = RWF_NOWAIT;
        entry.user_data = i;
        array_[tail & mask_] = tail & mask_;
    }
    __atomic_store_n(tail_, tail, __ATOMIC_RELEASE);
    std::size_t submitted = 0, completed = 0;
    while (completed < parts.size()) {
        const auto count = static_cast<unsigned>(parts.size() - submitted);
        const auto wanted = static_cast<unsigned>(parts.size() - completed);
        const long n = ::syscall(SYS_io_uring_enter, *fd_, count, wanted, IORING_ENTER_GETEVENTS,
                                 nullptr, 0);
        if (n < 0 && errno != EINTR && errno != EAGAIN && errno != EBUSY) {
            // What was not submitted must not go with the next call.
            __atomic_store_n(tail_, tail - count, __ATOMIC_RELEASE);
            return false;
        }
        if (n > 0) submitted += static_cast<std::size_t>(n);
        completed += reap(results);
    }
    return true;
}

std::size_t Uring::reap(std::span<std::int32_t> results) {
    std::uint32_t head = *done_head_;
    const std::uint32_t tail = __atomic_load_n(done_tail_, __ATOMIC_ACQUIRE);
    const std::size_t count = tail - head;
    for (; head != tail; ++head) {
        const io_uring_cqe& done = completions_[head & done_mask_];
        results[done.user_data] = done.res;
    }
    __atomic_store_n(done_head_, head, __ATOMIC_RELEASE);
    return count;
}

}  // namespace estab::drivers
