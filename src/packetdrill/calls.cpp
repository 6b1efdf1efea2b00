#include "packetdrill/calls.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace estab::packetdrill {

// Names to functions; those without one are what estab does not have.
struct CallTable {
    struct Entry {
        std::string_view name;
        StartedCall (Calls::*start)();
        std::uint8_t least, most;  // arguments
    };
    static constexpr auto entries = std::to_array<Entry>({
        {"socket", &Calls::socket, 3, 3},
        {"bind", &Calls::bind, 3, 3},
        {"listen", &Calls::listen, 2, 2},
        {"accept", &Calls::accept, 3, 3},
        {"accept4", &Calls::accept, 4, 4},
        {"connect", &Calls::connect, 3, 3},
        {"close", &Calls::close, 1, 1},
        {"shutdown", &Calls::shutdown, 2, 2},
        {"fcntl", &Calls::fcntl, 2, 3},
        {"ioctl", &Calls::ioctl, 2, 3},
        {"read", &Calls::read, 3, 3},
        {"recv", &Calls::recv, 4, 4},
        {"recvfrom", &Calls::recv, 6, 6},
        {"recvmsg", &Calls::recvmsg, 3, 3},
        {"write", &Calls::write, 3, 3},
        {"send", &Calls::send, 4, 4},
        {"sendto", &Calls::send, 6, 6},
        {"sendmsg", &Calls::sendmsg, 3, 3},
        {"readv", &Calls::vectors, 3, 3},
        {"writev", &Calls::vectors, 3, 3},
        {"setsockopt", &Calls::setsockopt, 5, 5},
        {"getsockopt", &Calls::getsockopt, 5, 5},
        {"poll", &Calls::poll, 3, 3},
        {"epoll_create", &Calls::epoll_create, 1, 1},
        {"epoll_create1", &Calls::epoll_create, 1, 1},
        {"epoll_ctl", &Calls::epoll_ctl, 4, 4},
        {"epoll_wait", &Calls::epoll_wait, 4, 4},
        {"getsockname", &Calls::name, 3, 3},
        {"getpeername", &Calls::name, 3, 3},
        {"open", &Calls::open, 2, 3},
        {"pipe", &Calls::pipe, 1, 1},
        {"splice", &Calls::splice, 6, 6},
        {"sendfile", &Calls::sendfile, 4, 4},
        {"cap_set", nullptr, 0, 0},
        {"psp_rx_assoc", nullptr, 0, 0},
        {"psp_tx_assoc", nullptr, 0, 0},
        {"sctp_sendmsg", nullptr, 0, 0},
        {"sctp_recvmsg", nullptr, 0, 0},
    });
};

StartedCall Calls::start(const CallLine& line, Position at) {
    line_ = &line;
    at_ = at;
    const auto found = std::ranges::find(CallTable::entries, line.name, &CallTable::Entry::name);
    if (found == CallTable::entries.end())
        throw ScriptError(at, "unknown system call '" + line.name + "'");
    if (found->start == nullptr) throw Skip(line.name + "()");
    if (const std::size_t n = line.arguments.size(); n < found->least || n > found->most) {
        const std::string wanted = found->least == found->most
                                       ? std::to_string(found->least)
                                       : fmt::format("{} or {}", found->least, found->most);
        throw ScriptError(at, fmt::format("{}() wants {} argument{}, not {}", line.name, wanted,
                                          found->most == 1 ? "" : "s", n));
    }
    return (this->*found->start)();
}

// --- Arguments

const Value& Calls::argument(std::size_t i) const {
    return line_->arguments.at(i);
}

int Calls::integer(std::size_t i) const {
    const Value& v = argument(i);
    if (!v.is_integer())
        throw ScriptError(v.at, fmt::format("a number expected as argument {} of {}()", i + 1,
                                            line_->name));
    return static_cast<int>(v.number);
}

int Calls::fd_of(const Value& v) const {
    if (!v.is_integer()) throw ScriptError(v.at, "a descriptor expected");
    const auto found = fds_.find(static_cast<int>(v.number));
    return found != fds_.end() ? found->second : -1;
}

int Calls::fd(std::size_t i) const { return fd_of(argument(i)); }

std::vector<std::uint8_t> Calls::octets(const Value& v, std::size_t size) const {
    if (v.kind == Value::Kind::text) {
        std::vector<std::uint8_t> out(v.text.begin(), v.text.end());
        out.resize(size);
        return out;
    }
    return std::vector<std::uint8_t>(size);
}

// A sockaddr, written out or filled in.
std::vector<std::uint8_t> Calls::address(const Value& v, std::uint16_t port, bool local) const {
    wire::Endpoint at{local ? settings_.here() : settings_.there(), port};
    bool v6 = settings_.version != IpVersion::v4;
    if (v.is_integer() && v.text == "AF_UNSPEC") return std::vector<std::uint8_t>(16);
    if (v.kind == Value::Kind::structure) {
        const Value* family = v.field("sa_family");
        v6 = family != nullptr && family->number == AF_INET6;
        for (const char* name : {"sin_port", "sin6_port"}) {
            if (const Value* p = v.field(name)) at.port = static_cast<std::uint16_t>(p->number);
        }
        for (const char* name : {"sin_addr", "sin6_addr"}) {
            const Value* a = v.field(name);
            if (a == nullptr) continue;
            at.address = a->kind == Value::Kind::function
                             ? *wire::Address::parse(a->items[0].text)
                             : wire::Address();
        }
    }
    std::vector<std::uint8_t> out(sizeof(sockaddr_in6));
    socklen_t length = sizeof(sockaddr_in6);
    posix::fill_address(at, v6 ? AF_INET6 : AF_INET, reinterpret_cast<sockaddr*>(out.data()),
                        &length);
    out.resize(length);
    return out;
}

// --- Results

std::optional<std::string> Calls::check_result(const CallLine& line, std::int64_t result) const {
    const Value& wanted = *line.result;
    if (wanted.is_ellipsis()) return {};
    const auto shown = [](std::int64_t r) {
        if (r >= 0) return std::to_string(r);
        const std::string_view name = errno_name(static_cast<int>(-r));
        return "-1 " + (name.empty() ? fmt::format("errno {}", -r) : std::string(name));
    };
    const std::string expected =
        std::to_string(wanted.number) + (line.error.empty() ? "" : " " + line.error);
    const std::int64_t value = result < 0 ? -1 : result;
    bool same = value == wanted.number;
    if (same && result < 0 && !line.error.empty()) same = -result == *find_symbol(line.error);
    if (same) return {};
    return fmt::format("{}() = {} expected, {} came", line.name, expected, shown(result));
}

StartedCall Calls::finish(posix::Call call, std::shared_ptr<void> storage, Check more) {
    const CallLine line = *line_;
    return {.call = std::move(call),
            .check = [this, line, more = std::move(more)](
                         std::int64_t result) -> std::optional<std::string> {
                if (auto wrong = check_result(line, result)) return wrong;
                return more ? more(result) : std::nullopt;
            },
            .storage = std::move(storage)};
}

posix::Call Calls::immediate(int result) const {
    return posix::Call(result < 0 ? -os_.last_error() : result);
}

// A script's numbers of descriptors are names: whatever comes is it.
StartedCall Calls::map_new_fd(posix::Call call, std::shared_ptr<void> storage) {
    const CallLine line = *line_;
    return {.call = std::move(call),
            .check = [this, line](std::int64_t result) -> std::optional<std::string> {
                if (!line.result->is_integer() || line.result->number < 0 || result < 0)
                    return check_result(line, result);
                fds_[static_cast<int>(line.result->number)] = static_cast<int>(result);
                return {};
            },
            .storage = std::move(storage)};
}

// --- Beginning and ending

StartedCall Calls::socket() {
    const bool v6 = settings_.version != IpVersion::v4;
    const int domain = argument(0).is_ellipsis() ? (v6 ? AF_INET6 : AF_INET) : integer(0);
    if ((integer(1) & 0xf) == SOCK_DGRAM) throw Skip("UDP sockets");
    const int made = os_.socket(domain, integer(1), integer(2));
    if (made >= 0) under_test_ = made;
    return map_new_fd(immediate(made));
}

StartedCall Calls::bind() {
    const int socket = fd(0);
    const auto at = address(argument(1), settings_.bind_port, true);
    return finish(immediate(os_.bind(socket, reinterpret_cast<const sockaddr*>(at.data()),
                                     static_cast<socklen_t>(at.size()))));
}

StartedCall Calls::listen() {
    const int result = os_.listen(fd(0), integer(1));
    if (result == 0) under_test_ = fd(0);
    return finish(immediate(result));
}

StartedCall Calls::accept() {
    const int flags = line_->name == "accept4" ? integer(3) : 0;
    return map_new_fd(os_.start_accept(fd(0), nullptr, nullptr, flags));
}

StartedCall Calls::connect() {
    const int socket = fd(0);
    auto to = address(argument(1), settings_.connect_port, false);
    if (argument(1).is_integer()) {  // AF_UNSPEC, or a pointer to nothing
        to.assign(sizeof(sockaddr_in), 0);
        if (argument(1).text != "AF_UNSPEC")
            return finish(os_.start_connect(socket, nullptr, sizeof(sockaddr_in)));
    }
    if (os_.find(socket) != nullptr) under_test_ = socket;
    return finish(os_.start_connect(socket, reinterpret_cast<const sockaddr*>(to.data()),
                                    static_cast<socklen_t>(to.size())));
}

StartedCall Calls::close() { return finish(os_.start_close(fd(0))); }

StartedCall Calls::shutdown() { return finish(immediate(os_.shutdown(fd(0), integer(1)))); }

StartedCall Calls::fcntl() {
    const long argument_3 = line_->arguments.size() > 2 ? integer(2) : 0;
    return finish(immediate(os_.fcntl(fd(0), integer(1), argument_3)));
}

StartedCall Calls::ioctl() {
    auto value = std::make_shared<int>(0);
    const Value* wanted = nullptr;
    if (line_->arguments.size() > 2 && argument(2).kind == Value::Kind::list &&
        !argument(2).items.empty() && argument(2).items[0].is_integer()) {
        wanted = &argument(2).items[0];
        *value = static_cast<int>(wanted->number);
    }
    const std::int64_t expected = wanted != nullptr ? wanted->number : 0;
    const int result =
        os_.ioctl(fd(0), static_cast<unsigned long>(argument(1).number), value.get());
    return finish(immediate(result), value,
                  [=](std::int64_t) -> std::optional<std::string> {
                      if (wanted == nullptr || *value == expected) return {};
                      return fmt::format("ioctl() tells {} expected, {} came", expected, *value);
                  });
}

// --- Files: those that the script's `dd` has made, all zeros

StartedCall Calls::open() {
    const Value& path = argument(0);
    if (path.kind != Value::Kind::text) throw ScriptError(path.at, "a path in quotes expected");
    const auto found = settings_.files.find(path.text);
    if (found == settings_.files.end()) return finish(posix::Call(-ENOENT));
    return map_new_fd(immediate(os_.open_memory(std::vector<std::uint8_t>(found->second))));
}

StartedCall Calls::pipe() {
    const Value& list = argument(0);
    if (list.kind != Value::Kind::list || list.items.size() != 2)
        throw ScriptError(list.at, "[reader, writer] expected");
    int made[2] = {};
    const int result = os_.pipe2(made, 0);
    if (result == 0) {
        for (std::size_t i = 0; i < 2; ++i) fds_[static_cast<int>(list.items[i].number)] = made[i];
    }
    return finish(immediate(result));
}

StartedCall Calls::sendfile() {
    auto offset = std::make_shared<std::uint64_t>(0);
    const Value& at = argument(2);
    const bool has_offset = at.kind == Value::Kind::list && !at.items.empty();
    if (has_offset) *offset = static_cast<std::uint64_t>(at.items[0].number);
    const int count = integer(3);
    if (count < 0) return finish(posix::Call(-EINVAL));
    return finish(os_.start_sendfile(fd(0), fd(1), has_offset ? offset.get() : nullptr,
                                     static_cast<std::size_t>(count)),
                  offset);
}

StartedCall Calls::splice() {
    const int count = integer(4);
    if (count < 0) return finish(posix::Call(-EINVAL));
    return finish(os_.start_splice(fd(0), fd(2), static_cast<std::size_t>(count),
                                   static_cast<unsigned>(integer(5))));
}

StartedCall Calls::name() {
    auto storage = std::make_shared<sockaddr_in6>();
    socklen_t length = sizeof *storage;
    auto* to = reinterpret_cast<sockaddr*>(storage.get());
    const int result = line_->name == "getsockname" ? os_.getsockname(fd(0), to, &length)
                                                    : os_.getpeername(fd(0), to, &length);
    return finish(immediate(result), storage);
}

}  // namespace estab::packetdrill
