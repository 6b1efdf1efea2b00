#include "runtime/loop.hpp"

#include <time.h>
#include <unistd.h>

#include <algorithm>

#include "base/check.hpp"

namespace estab::runtime {
namespace {

constexpr std::size_t events_max = 64;  // per run_once; more wait for the next

Duration read_clock(clockid_t clock) {
    timespec time{};
    ::clock_gettime(clock, &time);
    return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

std::uint32_t to_epoll(Interest interest) {
    return (interest.read ? std::uint32_t{EPOLLIN} : 0U)
        | (interest.write ? std::uint32_t{EPOLLOUT} : 0U)
        | (interest.changes ? std::uint32_t{EPOLLET} | EPOLLRDHUP | EPOLLPRI : 0U);
}

}  // namespace

Instant Loop::now() { return Instant(read_clock(CLOCK_MONOTONIC)); }

Duration Loop::wall_offset() {
    // The wall clock between two readings of ours; a preempted try is wide, so the narrowest
    // counts.
    Duration best{}, narrowest = Duration::max();
    for (int i = 0; i < 3; ++i) {
        const Duration before = read_clock(CLOCK_MONOTONIC);
        const Duration wall = read_clock(CLOCK_REALTIME);
        const Duration width = read_clock(CLOCK_MONOTONIC) - before;
        if (width >= narrowest) continue;
        narrowest = width;
        best = wall - before - width / 2;
    }
    return best;
}

Loop::Loop() : epoll_(::epoll_create1(EPOLL_CLOEXEC)), events_(events_max) {
    if (!epoll_) drivers::throw_system("cannot make an epoll descriptor");
    ::sigemptyset(&caught_);
    ::sigprocmask(SIG_SETMASK, nullptr, &mask_before_);
}

Loop::~Loop() {
    if (signals_) ::sigprocmask(SIG_SETMASK, &mask_before_, nullptr);
}

void Loop::watch(int fd, Interest interest, OnReady on_ready) {
    CHECK(!watches_.contains(fd));
    const std::uint64_t id = next_id_++;
    epoll_event event{};
    event.events = to_epoll(interest);
    event.data.u64 = id;
    const bool is_file = ::epoll_ctl(*epoll_, EPOLL_CTL_ADD, fd, &event) != 0;
    if (is_file && errno != EPERM) drivers::throw_system("cannot watch a descriptor");
    files_ += is_file ? 1 : 0;
    watches_[fd] = std::make_shared<Watch>(Watch{id, std::move(on_ready), is_file, interest});
    fd_of_[id] = fd;
}

void Loop::change(int fd, Interest interest) {
    const auto found = watches_.find(fd);
    CHECK(found != watches_.end());
    found->second->interest = interest;
    if (found->second->is_file) return;
    epoll_event event{};
    event.events = to_epoll(interest);
    event.data.u64 = found->second->id;
    if (::epoll_ctl(*epoll_, EPOLL_CTL_MOD, fd, &event) != 0)
        drivers::throw_system("cannot watch a descriptor");
}

void Loop::forget(int fd) {
    const auto watch = take(fd);
    if (watch && !watch->is_file) ::epoll_ctl(*epoll_, EPOLL_CTL_DEL, fd, nullptr);
}

// The kernel forgets what is closed by itself.
void Loop::close(drivers::Fd fd) { (void)take(*fd); }

std::shared_ptr<Loop::Watch> Loop::take(int fd) {
    const auto found = watches_.find(fd);
    if (found == watches_.end()) return nullptr;
    const std::shared_ptr<Watch> watch = std::move(found->second);
    files_ -= watch->is_file ? 1 : 0;
    fd_of_.erase(watch->id);
    watches_.erase(found);
    return watch;
}

void Loop::on_signal(int number, OnSignal on_signal) {
    ::sigaddset(&caught_, number);
    on_signal_[number] = std::move(on_signal);
    ::sigprocmask(SIG_BLOCK, &caught_, nullptr);
    const bool is_first = !signals_;
    const int fd = ::signalfd(is_first ? -1 : *signals_, &caught_, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd < 0) drivers::throw_system("cannot watch signals");
    if (!is_first) return;
    signals_.reset(fd);
    watch(fd, {.read = true}, [this](Instant now, Ready) { read_signals(now); });
}

void Loop::read_signals(Instant now) {
    signalfd_siginfo info;
    while (::read(*signals_, &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
        const int number = static_cast<int>(info.ssi_signo);
        const OnSignal call = on_signal_[number];  // a copy: it may replace itself
        if (call) call(now, number);
    }
}

int Loop::wait(Instant deadline, std::vector<epoll_event>& events) {
    const auto size = static_cast<int>(events.size());
    if (deadline == never) return ::epoll_wait(*epoll_, events.data(), size, -1);
    // Any instant may be given, the first of all included: no difference that could overflow.
    const Instant start = now();
    const Duration left = deadline > start ? deadline - start : Duration{};
    if (has_pwait2_) {
        const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(left);
        const timespec timeout{static_cast<time_t>(seconds.count()),
                               static_cast<long>((left - seconds).count())};
        const int count = ::epoll_pwait2(*epoll_, events.data(), size, &timeout, nullptr);
        if (count >= 0 || errno != ENOSYS) return count;
        has_pwait2_ = false;  // Linux before 5.11
    }
    // Up, because waking early would only mean waiting again, many times.
    const auto milliseconds = std::chrono::ceil<std::chrono::milliseconds>(left);
    const auto bounded = std::min<std::int64_t>(milliseconds.count(), 1 << 30);
    return ::epoll_wait(*epoll_, events.data(), size, static_cast<int>(bounded));
}

std::size_t Loop::run_once(Instant deadline) {
    const bool is_file_ready =
        files_ != 0 && std::ranges::any_of(watches_, [](const auto& entry) {
            const Watch& watch = *entry.second;
            return watch.is_file && (watch.interest.read || watch.interest.write);
        });
    if (is_file_ready) deadline = Instant{};
    // A callback that runs a loop of its own must not find our list of events in its way.
    std::vector<epoll_event> events = std::move(events_);
    events.resize(events_max);
    const int count = wait(deadline, events);
    if (count < 0 && errno != EINTR) drivers::throw_system("cannot wait for events");
    const Instant time = now();
    std::size_t calls = 0;
    for (int i = 0; i < count; ++i) {
        const epoll_event& event = events[static_cast<std::size_t>(i)];
        const auto fd = fd_of_.find(event.data.u64);
        if (fd == fd_of_.end()) continue;  // forgotten by an earlier callback of this turn
        const std::shared_ptr<Watch> watch = watches_.at(fd->second);
        ++calls;
        watch->on_ready(time,
                        {.readable = (event.events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0,
                         .writable = (event.events & (EPOLLOUT | EPOLLERR)) != 0,
                         .failed = (event.events & (EPOLLERR | EPOLLHUP)) != 0,
                        .ending = (event.events & (EPOLLERR | EPOLLHUP | EPOLLRDHUP | EPOLLPRI))
                            != 0});
    }
    events_ = std::move(events);
    return calls + (is_file_ready ? call_files(time) : 0);
}

std::size_t Loop::call_files(Instant now) {
    std::vector<std::shared_ptr<Watch>> ready;
    for (const auto& [fd, watch] : watches_)
        if (watch->is_file && (watch->interest.read || watch->interest.write))
            ready.push_back(watch);
    std::size_t calls = 0;
    for (const std::shared_ptr<Watch>& watch : ready) {
        if (!fd_of_.contains(watch->id)) continue;  // forgotten by an earlier callback
        ++calls;
        watch->on_ready(now, {.readable = watch->interest.read, .writable = watch->interest.write});
    }
    return calls;
}

void Loop::run(const OnTurn& turn) {
    while (!stopped_) {
        const Instant deadline = turn(now());
        if (!stopped_) run_once(deadline);
    }
}

}  // namespace estab::runtime
