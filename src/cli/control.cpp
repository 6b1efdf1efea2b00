#include "cli/control.hpp"

#include <dirent.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <memory>

namespace estab::cli {
namespace {

using socket::Task;

constexpr std::size_t request_bytes_max = 4096;
constexpr Duration client_patience = 5s;
constexpr int answer_patience_ms = 3000;

// A folder of ours that nobody else may enter.
bool is_private_folder(const std::string& path) {
    struct stat found{};
    return ::lstat(path.c_str(), &found) == 0 && S_ISDIR(found.st_mode) &&
           found.st_uid == ::geteuid() && (found.st_mode & 077) == 0;
}

// Empty: there is none, and with `make` none can be made.
std::string control_folder(bool make) {
    const char* runtime = std::getenv("XDG_RUNTIME_DIR");
    const std::string of_user = fmt::format("/run/user/{}", ::geteuid());
    std::vector<std::string> folders;
    if (runtime != nullptr && runtime[0] == '/') folders.push_back(std::string(runtime) + "/estab");
    folders.push_back(of_user + "/estab");
    folders.push_back(fmt::format("/tmp/estab-{}", ::geteuid()));
    for (const std::string& folder : folders) {
        if (make) ::mkdir(folder.c_str(), 0700);
        if (is_private_folder(folder)) return folder;
    }
    return {};
}

std::string path_of(const std::string& folder, int pid, std::size_t shard) {
    return shard == 0 ? fmt::format("{}/{}.sock", folder, pid)
                      : fmt::format("{}/{}.{}.sock", folder, pid, shard);
}

struct Name {
    int pid = 0;
    std::size_t shard = 0;
    auto operator<=>(const Name&) const = default;
};
std::optional<Name> parse_name(std::string_view text) {
    if (!text.ends_with(".sock")) return {};
    text.remove_suffix(5);
    Name name;
    const auto read = [&text](auto& number) {
        const auto [end, error] =
            std::from_chars(text.data(), text.data() + text.size(), number);
        text.remove_prefix(static_cast<std::size_t>(end - text.data()));
        return error == std::errc{} && number > 0;
    };
    if (!read(name.pid)) return {};
    if (text.empty()) return name;
    if (text[0] != '.') return {};
    text.remove_prefix(1);
    return read(name.shard) && text.empty() ? std::optional(name) : std::nullopt;
}

// In order.
std::vector<Name> names_in(const std::string& folder) {
    std::vector<Name> names;
    const std::unique_ptr<DIR, int (*)(DIR*)> listing(::opendir(folder.c_str()), ::closedir);
    while (const dirent* entry = listing ? ::readdir(listing.get()) : nullptr)
        if (const auto name = parse_name(entry->d_name)) names.push_back(*name);
    std::ranges::sort(names);
    return names;
}

std::optional<sockaddr_un> unix_address(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) return {};
    std::memcpy(address.sun_path, path.data(), path.size());
    return address;
}

drivers::Fd unix_socket() {
    return drivers::Fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

// 0, or the errno.
int connect_unix(const drivers::Fd& fd, const std::string& path) {
    const auto address = unix_address(path);
    if (!address) return ENAMETOOLONG;
    return ::connect(*fd, reinterpret_cast<const sockaddr*>(&*address), sizeof *address) == 0
               ? 0
               : errno;
}

bool is_of_this_user(int fd) {
    ucred peer{};
    socklen_t size = sizeof peer;
    return ::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0
           && (peer.uid == ::geteuid() || peer.uid == 0);
}

bool wait_for(int fd, short events) {
    pollfd entry{.fd = fd, .events = events, .revents = 0};
    return ::poll(&entry, 1, answer_patience_ms) > 0;
}

std::optional<std::string> ask(const std::string& path, std::string_view line) {
    const drivers::Fd fd = unix_socket();
    if (!fd || connect_unix(fd, path) != 0) return {};
    const std::string request = std::string(line) + "\n";
    if (::send(*fd, request.data(), request.size(), MSG_NOSIGNAL) !=
        static_cast<ssize_t>(request.size()))
        return {};
    std::string answer;
    std::vector<char> buffer(64 << 10);
    while (wait_for(*fd, POLLIN)) {
        const ssize_t n = ::recv(*fd, buffer.data(), buffer.size(), 0);
        if (n < 0 && (errno == EAGAIN || errno == EINTR)) continue;
        if (n <= 0) break;
        answer.append(buffer.data(), static_cast<std::size_t>(n));
    }
    if (!answer.ends_with('\n')) return {};
    answer.pop_back();
    return answer;
}

}  // namespace

Control::Control(runtime::Reactor& reactor, ControlInfo info)
    : reactor_(reactor), info_(std::move(info)) {
    running_commands();  // which cleans up
    const std::string path = Control::path(info_.shard);
    if (path.empty()) return;
    const auto address = unix_address(path);
    drivers::Fd fd = unix_socket();
    if (!address || !fd) return;
    ::unlink(path.c_str());
    if (::bind(*fd, reinterpret_cast<const sockaddr*>(&*address), sizeof *address) != 0) return;
    path_ = path;
    if (::listen(*fd, 8) != 0) return;
    listener_.emplace(reactor, std::move(fd));
    socket::spawn(reactor, accept());
}

std::string Control::path(std::size_t shard) {
    const std::string folder = control_folder(true);
    return folder.empty() ? std::string() : path_of(folder, ::getpid(), shard);
}

Control::~Control() {
    if (!path_.empty()) ::unlink(path_.c_str());
}

Task<> keep_control(runtime::Reactor& reactor, ControlInfo info) {
    const Control control(reactor, std::move(info));
    co_await socket::sleep_until(reactor, never);
}

Task<> Control::accept() {
    for (;;) {
        drivers::Fd client(
            ::accept4(listener_->fd(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
        if (client && is_of_this_user(*client)) {
            socket::spawn(reactor_, serve(std::move(client)));
        } else if (!client && errno == EAGAIN) {
            co_await listener_->readable();
        } else if (!client && errno != EINTR && errno != ECONNABORTED) {
            co_await socket::sleep_for(reactor_, 1s);  // too many descriptors, perhaps
        }
    }
}

Task<> Control::serve(drivers::Fd client) {
    Descriptor peer(reactor_, std::move(client));
    const Instant deadline = after(reactor_.now(), client_patience);
    std::string line;
    while (line.find('\n') == std::string::npos && line.size() < request_bytes_max) {
        char buffer[1024];
        const ssize_t n = ::recv(peer.fd(), buffer, sizeof buffer, 0);
        if (n > 0) {
            line.append(buffer, static_cast<std::size_t>(n));
        } else if (n < 0 && errno == EAGAIN) {
            if (!co_await peer.readable(deadline)) co_return;
        } else if (n == 0 || errno != EINTR) {
            co_return;
        }
    }
    line.resize(std::min(line.find('\n'), line.size()));
    stack::Stack& stack = info_.stack != nullptr ? *info_.stack : reactor_.stack();
    const std::string answer = control_answer(line, reactor_.now(), stack, info_) + "\n";
    for (std::string_view rest = answer; !rest.empty();) {
        const ssize_t n = ::send(peer.fd(), rest.data(), rest.size(), MSG_NOSIGNAL);
        if (n > 0) {
            rest.remove_prefix(static_cast<std::size_t>(n));
        } else if (errno == EAGAIN) {
            if (!co_await peer.writable(deadline)) co_return;
        } else if (errno != EINTR) {
            co_return;
        }
    }
}

std::vector<int> running_commands() {
    const std::string folder = control_folder(false);
    std::vector<int> pids;
    if (folder.empty()) return pids;
    for (const Name& name : names_in(folder)) {
        // The number may be another process's by now: only who answers is there.
        const std::string path = path_of(folder, name.pid, name.shard);
        const int error = connect_unix(unix_socket(), path);
        if (error == ECONNREFUSED)
            ::unlink(path.c_str());
        else if ((error == 0 || error == EAGAIN) && (pids.empty() || pids.back() != name.pid))
            pids.push_back(name.pid);
    }
    return pids;
}

std::vector<std::string> ask_command(int pid, std::string_view line) {
    const std::string folder = control_folder(false);
    std::vector<std::string> answers;
    if (folder.empty()) return answers;
    for (const Name& name : names_in(folder)) {
        if (name.pid != pid) continue;
        if (auto answer = ask(path_of(folder, pid, name.shard), line))
            answers.push_back(std::move(*answer));
    }
    return answers;
}

}  // namespace estab::cli
