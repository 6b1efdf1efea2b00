// estab behind the original packetdrill: its script, its checks, our stack, in virtual time. Time
// goes on when the other side asks what time it is, sleeps, or waits for a packet. A blocking call
// comes in a thread of its own and sleeps there until the stack has an answer.
#include "packetdrill_so/interface.h"

#include <sys/eventfd.h>

#include <cerrno>
#include <condition_variable>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <span>
#include <stdexcept>
#include <thread>

#include "packetdrill/host.hpp"
#include "packetdrill/settings.hpp"
#include "tcp/config_fields.hpp"

namespace {

using namespace estab;
using packetdrill::Host;

constexpr Duration patience = 2s;  // for a packet that does not come: as the interpreter's own

class Instance {
public:
    explicit Instance(const packetdrill::Settings& settings)
        : host_({.config = settings.config,
                 .local = settings.here(),
                 .mtu = settings.interface_mtu(),
                 .offloads = settings.offloads}),
          os_(host_, {.buffer_overhead = settings.profile == "freebsd" ? 1u : 2u}) {}
    ~Instance() {
        for (const auto& [theirs, ours] : ours_) ::close(theirs);
    }

    // Something with our descriptor for theirs. errno is the caller's.
    template <class Fn>
    auto with(int fd, Fn fn) {
        std::unique_lock lock(mutex_);
        const auto result = fn(os_, ours(fd));
        return finished(result);
    }
    template <class Fn>
    int new_descriptor(Fn fn) {
        std::unique_lock lock(mutex_);
        return named(finished(fn(os_)));
    }
    // One that may have to wait: in this thread, while others let time go on.
    template <class Fn>
    std::int64_t wait(int fd, Fn start) {
        std::unique_lock lock(mutex_);
        posix::Call call = start(os_, fd < 0 ? -1 : ours(fd));
        host_.speak();
        while (!call.try_now(host_.now())) {
            waiting_until_ = call.deadline();
            changed_.wait(lock);
        }
        waiting_until_ = never;
        changed_.notify_all();
        host_.speak();
        if (call.result() < 0) errno = call.error();
        return call.value();
    }
    int accept(int fd, sockaddr* address, socklen_t* length) {
        const auto made = wait(fd, [&](posix::Sockets& os, int ours) {
            return os.start_accept(ours, address, length, 0);
        });
        std::unique_lock lock(mutex_);
        return named(static_cast<int>(made));
    }
    int close(int fd) {
        const auto result =
            wait(fd, [](posix::Sockets& os, int ours) { return os.start_close(ours); });
        std::unique_lock lock(mutex_);
        if (ours_.erase(fd) != 0) ::close(fd);
        return static_cast<int>(result);
    }
    int poll(pollfd* fds, nfds_t count, int timeout_ms) {
        std::vector<pollfd> mine(fds, fds + count);
        for (pollfd& p : mine) p.fd = ours(p.fd);
        const auto result = wait(-1, [&](posix::Sockets& os, int) {
            return os.start_poll(mine.data(), count, timeout_ms);
        });
        for (nfds_t i = 0; i < count; ++i) fds[i].revents = mine[i].revents;
        return static_cast<int>(result);
    }
    int epoll_ctl(int epfd, int operation, int fd, epoll_event* event) {
        std::unique_lock lock(mutex_);
        return finished(os_.epoll_ctl(ours(epfd), operation, ours(fd), event));
    }

    int send(Bytes packet) {
        std::unique_lock lock(mutex_);
        host_.inject(packet);
        changed_.notify_all();
        return 0;
    }
    int receive(void* packet, std::size_t* size, long long* time_us) {
        std::unique_lock lock(mutex_);
        const Instant until = after(host_.now(), patience);
        while (host_.sent().empty() && host_.now() < until) advance(lock, until);
        const std::size_t room = *size;
        *size = 0;
        if (host_.sent().empty()) return 0;
        const packetdrill::Sent sent = std::move(host_.sent().front());
        host_.sent().pop_front();
        *size = std::min(room, sent.packet.size());
        std::memcpy(packet, sent.packet.data(), *size);
        *time_us = to_us(sent.at.time_since_epoch());
        return 0;
    }
    int sleep(Duration time) {
        std::unique_lock lock(mutex_);
        const Instant until = after(host_.now(), time);
        while (host_.now() < until) advance(lock, until);
        return 0;
    }
    // Whoever asks in a loop until it is late enough must see time pass.
    int tell_time(timeval* tv) {
        std::unique_lock lock(mutex_);
        advance(lock, after(host_.now(), 1us));
        const std::int64_t us = to_us(host_.now().time_since_epoch());
        tv->tv_sec = static_cast<decltype(tv->tv_sec)>(us / 1'000'000);
        tv->tv_usec = static_cast<decltype(tv->tv_usec)>(us % 1'000'000);
        return 0;
    }

private:
    // To the next thing that happens, `until` at most; then whoever waits looks again.
    void advance(std::unique_lock<std::mutex>& lock, Instant until) {
        host_.advance(std::min({until, host_.deadline(), std::max(waiting_until_, host_.now())}));
        changed_.notify_all();
        if (waiting_until_ != never) {  // let the other thread see it before time goes on
            lock.unlock();
            std::this_thread::yield();
            lock.lock();
        }
    }
    int ours(int theirs) const {
        const auto found = ours_.find(theirs);
        return found != ours_.end() ? found->second : -1;
    }
    // The interpreter closes what is left open by itself, so descriptors are the kernel's.
    int named(int made) {
        if (made < 0) return made;
        const int theirs = ::eventfd(0, EFD_CLOEXEC);
        if (theirs >= 0) ours_[theirs] = made;
        return theirs;
    }
    template <class T>
    T finished(T result) {
        if (result < 0) errno = os_.last_error();
        host_.speak();
        changed_.notify_all();
        return result;
    }

    std::mutex mutex_;
    std::condition_variable changed_;
    Instant waiting_until_ = never;
    Host host_;
    posix::Sockets os_;
    std::map<int, int> ours_;  // the interpreter's descriptors -> ours
};

Instance& at(void* userdata) { return *static_cast<Instance*>(userdata); }
using Os = posix::Sockets;

packetdrill::Settings settings_of(const char* flags) {
    packetdrill::Settings settings = *packetdrill::settings_of("linux");
    std::string_view rest = flags != nullptr ? flags : "";
    while (!rest.empty()) {
        const std::size_t comma = std::min(rest.find(','), rest.size());
        const std::string word(rest.substr(0, comma));
        rest.remove_prefix(std::min(comma + 1, rest.size()));
        if (word.empty()) continue;
        const std::size_t is = word.find('=');
        const std::string name = word.substr(0, is);
        const std::string value = is == std::string::npos ? "" : word.substr(is + 1);
        if (name == "profile") {
            const auto found = packetdrill::settings_of(value);
            if (!found) throw std::runtime_error("there is no profile '" + value + "'");
            settings = *found;
        } else if (name == "local" || name == "mtu") {
            packetdrill::apply_option(settings, {name == "mtu" ? "mtu" : "local_ip", value, {}});
            if (value.find(':') != std::string::npos) settings.version = packetdrill::IpVersion::v6;
        } else if (const auto set = tcp::set_config(settings.config, word); !set) {
            throw std::runtime_error(set.error());
        }
    }
    return settings;
}

// Functions of their own: g++ makes no function pointers of lambdas with `...`.
int set_flags(void* u, int fd, int command, ...) {
    va_list arguments;
    va_start(arguments, command);
    const long argument = va_arg(arguments, long);
    va_end(arguments);
    return at(u).with(fd, [&](Os& os, int ours) { return os.fcntl(ours, command, argument); });
}

int control(void* u, int fd, unsigned long request, ...) {
    va_list arguments;
    va_start(arguments, request);
    int* argument = va_arg(arguments, int*);
    va_end(arguments);
    return at(u).with(fd, [&](Os& os, int ours) { return os.ioctl(ours, request, argument); });
}

void fill_calls(packetdrill_interface& t) {
    t.free = [](void* u) { delete &at(u); };
    t.socket = [](void* u, int domain, int type, int protocol) {
        return at(u).new_descriptor([&](Os& os) { return os.socket(domain, type, protocol); });
    };
    t.bind = [](void* u, int fd, const sockaddr* address, socklen_t length) {
        return at(u).with(fd, [&](Os& os, int ours) { return os.bind(ours, address, length); });
    };
    t.listen = [](void* u, int fd, int backlog) {
        return at(u).with(fd, [&](Os& os, int ours) { return os.listen(ours, backlog); });
    };
    t.accept = [](void* u, int fd, sockaddr* address, socklen_t* length) {
        return at(u).accept(fd, address, length);
    };
    t.connect = [](void* u, int fd, const sockaddr* address, socklen_t length) {
        return static_cast<int>(at(u).wait(
            fd, [&](Os& os, int ours) { return os.start_connect(ours, address, length); }));
    };
    t.close = [](void* u, int fd) { return at(u).close(fd); };
    t.shutdown = [](void* u, int fd, int how) {
        return at(u).with(fd, [&](Os& os, int ours) { return os.shutdown(ours, how); });
    };
    t.getsockopt = [](void* u, int fd, int level, int name, void* value, socklen_t* length) {
        return at(u).with(
            fd, [&](Os& os, int ours) { return os.getsockopt(ours, level, name, value, length); });
    };
    t.setsockopt = [](void* u, int fd, int level, int name, const void* value, socklen_t length) {
        return at(u).with(
            fd, [&](Os& os, int ours) { return os.setsockopt(ours, level, name, value, length); });
    };
    t.fcntl = set_flags;
    t.ioctl = control;
}

ssize_t receive(void* u, int fd, std::span<const iovec> parts, int flags,
                msghdr* message = nullptr) {
    return at(u).wait(
        fd, [&](Os& os, int ours) { return os.start_recv(ours, parts, flags, message); });
}
ssize_t transmit(void* u, int fd, std::span<const iovec> parts, int flags,
                 const sockaddr* to = nullptr, socklen_t length = 0) {
    return at(u).wait(
        fd, [&](Os& os, int ours) { return os.start_send(ours, parts, flags, to, length); });
}

void fill_octets(packetdrill_interface& t) {
    t.read = [](void* u, int fd, void* into, std::size_t size) {
        const iovec part{into, size};
        return receive(u, fd, {&part, 1}, 0);
    };
    t.readv = [](void* u, int fd, const iovec* parts, int count) {
        return receive(u, fd, {parts, static_cast<std::size_t>(count)}, 0);
    };
    t.recv = [](void* u, int fd, void* into, std::size_t size, int flags) {
        const iovec part{into, size};
        return receive(u, fd, {&part, 1}, flags);
    };
    t.recvfrom = [](void* u, int fd, void* into, std::size_t size, int flags, sockaddr*,
                    socklen_t* length) {
        if (length != nullptr) *length = 0;
        const iovec part{into, size};
        return receive(u, fd, {&part, 1}, flags);
    };
    t.recvmsg = [](void* u, int fd, msghdr* message, int flags) {
        return receive(u, fd, {message->msg_iov, message->msg_iovlen}, flags, message);
    };
    t.write = [](void* u, int fd, const void* octets, std::size_t size) {
        const iovec part{const_cast<void*>(octets), size};
        return transmit(u, fd, {&part, 1}, 0);
    };
    t.writev = [](void* u, int fd, const iovec* parts, int count) {
        return transmit(u, fd, {parts, static_cast<std::size_t>(count)}, 0);
    };
    t.send = [](void* u, int fd, const void* octets, std::size_t size, int flags) {
        const iovec part{const_cast<void*>(octets), size};
        return transmit(u, fd, {&part, 1}, flags);
    };
    t.sendto = [](void* u, int fd, const void* octets, std::size_t size, int flags,
                  const sockaddr* to, socklen_t length) {
        const iovec part{const_cast<void*>(octets), size};
        return transmit(u, fd, {&part, 1}, flags, to, length);
    };
    t.sendmsg = [](void* u, int fd, const msghdr* message, int flags) {
        return transmit(u, fd, {message->msg_iov, message->msg_iovlen}, flags,
                        static_cast<const sockaddr*>(message->msg_name), message->msg_namelen);
    };
}

void fill_world(packetdrill_interface& t) {
    t.poll = [](void* u, pollfd* fds, nfds_t count, int timeout_ms) {
        return at(u).poll(fds, count, timeout_ms);
    };
    t.epoll_create = [](void* u, int) {
        return at(u).new_descriptor([](Os& os) { return os.epoll_create1(0); });
    };
    t.epoll_ctl = [](void* u, int epfd, int operation, int fd, epoll_event* event) {
        return at(u).epoll_ctl(epfd, operation, fd, event);
    };
    t.epoll_wait = [](void* u, int epfd, epoll_event* events, int most, int timeout_ms) {
        return static_cast<int>(at(u).wait(epfd, [&](Os& os, int ours) {
            return os.start_epoll_wait(ours, events, most, timeout_ms);
        }));
    };
    t.netdev_send = [](void* u, const void* packet, std::size_t size) {
        return at(u).send({static_cast<const std::uint8_t*>(packet), size});
    };
    t.netdev_receive = [](void* u, void* packet, std::size_t* size, long long* time_us) {
        return at(u).receive(packet, size, time_us);
    };
    t.usleep = [](void* u, useconds_t us) { return at(u).sleep(std::chrono::microseconds(us)); };
    t.gettimeofday = [](void* u, timeval* tv, struct timezone*) { return at(u).tell_time(tv); };
    t.pipe = [](void*, int*) {  // estab has none
        errno = ENOSYS;
        return -1;
    };
    t.splice = [](void*, int, loff_t*, int, loff_t*, std::size_t, unsigned) {
        errno = ENOSYS;
        return -1;
    };
}

}  // namespace

extern "C" void packetdrill_interface_init(const char* flags, packetdrill_interface* table) {
    try {
        table->userdata = new Instance(settings_of(flags));
    } catch (const std::exception& e) {
        std::fprintf(stderr, "libestab-packetdrill: %s\n", e.what());
        std::exit(2);
    }
    fill_calls(*table);
    fill_octets(*table);
    fill_world(*table);
}
