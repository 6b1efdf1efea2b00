#include "runtime/mapped_file.hpp"

#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <new>

namespace estab::runtime {
namespace {

// Of this thread, which is also the one that reads them: the handler runs in the middle of a read,
// never in the middle of a change to the list.
thread_local MappedPart* parts = nullptr;
struct sigaction before;

std::size_t page_size() {
    static const auto size = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    return size;
}

}  // namespace

struct DamageGuard {
    static void install() {
        static const bool done = [] {
            struct sigaction action {};
            action.sa_sigaction = on_signal;
            action.sa_flags = SA_SIGINFO | SA_NODEFER;
            return ::sigaction(SIGBUS, &action, &before) == 0;
        }();
        (void)done;
    }

    // A page that the file no longer has, and all behind it, become zeros of nobody's.
    static void on_signal(int number, siginfo_t* info, void* context) {
        const auto at = reinterpret_cast<std::uintptr_t>(info->si_addr);
        for (MappedPart* part = parts; part != nullptr; part = part->next_) {
            const auto base = reinterpret_cast<std::uintptr_t>(part->base_);
            if (at < base || at - base >= part->mapped_) continue;
            const std::size_t good = (at - base) / page_size() * page_size();
            void* const wanted = static_cast<std::uint8_t*>(part->base_) + good;
            if (::mmap(wanted, part->mapped_ - good, PROT_READ,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
                break;
            part->damaged_ = true;
            return;
        }
        // Not ours: as if we were not here.
        if ((before.sa_flags & SA_SIGINFO) != 0 && before.sa_sigaction != nullptr) {
            before.sa_sigaction(number, info, context);
        } else if (before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN) {
            before.sa_handler(number);
        } else {
            ::signal(number, SIG_DFL);  // the read is tried again, and ends us
        }
    }
};

MappedPart* MappedPart::map(int fd, const FilePart& part) {
    struct stat status {};
    if (part.size == 0 || ::fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) return nullptr;
    const auto there = static_cast<std::uint64_t>(status.st_size);
    if (part.first > there || part.size > there - part.first) return nullptr;
    DamageGuard::install();
    const std::uint64_t begin = part.first / page_size() * page_size();
    const auto lead = static_cast<std::size_t>(part.first - begin);
    const std::size_t size = lead + static_cast<std::size_t>(part.size);
    void* const base =
        ::mmap(nullptr, size, PROT_READ, MAP_SHARED, fd, static_cast<off_t>(begin));
    if (base == MAP_FAILED) return nullptr;
    ::madvise(base, size, MADV_SEQUENTIAL);
    auto* const result = new (std::nothrow) MappedPart;
    if (result == nullptr) {
        ::munmap(base, size);
        return nullptr;
    }
    result->base_ = base;
    result->mapped_ = size;
    result->bytes_ = Bytes(static_cast<const std::uint8_t*>(base), size).subspan(lead);
    result->next_ = parts;
    if (parts != nullptr) parts->previous_ = result;
    parts = result;
    return result;
}

void MappedPart::let_go() {
    if (--holders_ == 0) delete this;
}

MappedPart::~MappedPart() {
    (previous_ != nullptr ? previous_->next_ : parts) = next_;
    if (next_ != nullptr) next_->previous_ = previous_;
    ::munmap(base_, mapped_);
}

}  // namespace estab::runtime
