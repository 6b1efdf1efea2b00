// System calls that carry octets.
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <linux/errqueue.h>
// (it needs what the former defines)

#include <algorithm>
#include <cstring>

#include "packetdrill/calls.hpp"

namespace estab::packetdrill {
namespace {

struct Buffers {
    std::vector<std::vector<std::uint8_t>> parts{};
    std::vector<iovec> list{};
    std::vector<std::uint8_t> address{};
    alignas(16) std::array<std::uint8_t, 512> control{};
    msghdr message{};

    void add(std::vector<std::uint8_t> part, bool null) {
        const std::size_t size = part.size();
        parts.push_back(std::move(part));
        list.push_back({null ? nullptr : parts.back().data(), size});
    }
};

bool is_null(const Value& v) {
    return v.is_integer() && v.number == 0 && v.text != "AF_UNSPEC";
}

std::size_t size_of(const Value& v) {
    if (!v.is_integer() || v.number < 0) throw ScriptError(v.at, "a length expected");
    if (v.number > 100'000'000) throw ScriptError(v.at, "this length is too large");
    return static_cast<std::size_t>(v.number);
}

// {..., 1000} or a bare list of them.
void add_vectors(const Value& list,
                 const std::function<std::vector<std::uint8_t>(const Value&, std::size_t)>& fill,
                 Buffers& to) {
    if (list.is_ellipsis() || is_null(list)) return;
    if (list.kind != Value::Kind::list)
        throw ScriptError(list.at, "a list of {…, length} expected");
    for (const Value& part : list.items) {
        if (part.items.size() != 2) throw ScriptError(part.at, "{…, length} expected");
        const std::size_t size = size_of(part.items[1]);
        to.add(fill(part.items[0], size), is_null(part.items[0]) && size != 0);
    }
}

std::vector<Value> controls_of(const Value& message) {
    const Value* control = message.field("msg_control");
    const bool some = control != nullptr && control->kind == Value::Kind::list;
    return some ? control->items : std::vector<Value>{};
}

// {scm_sec=, scm_nsec=}, since the script's start, as exact as packets are.
std::optional<std::string> check_time(const Value& wanted, const cmsghdr& head,
                                      Duration tolerance) {
    timespec came{};
    const Value *sec = wanted.field("scm_sec"), *nsec = wanted.field("scm_nsec");
    if (head.cmsg_len < CMSG_LEN(sizeof came) || sec == nullptr || nsec == nullptr)
        return "the control message is no time";
    std::memcpy(&came, CMSG_DATA(&head), sizeof came);
    const Duration at = std::chrono::seconds(came.tv_sec) + std::chrono::nanoseconds(came.tv_nsec) -
                        Host::start.time_since_epoch();
    const Duration due =
        std::chrono::seconds(sec->number) + std::chrono::nanoseconds(nsec->number);
    if (at >= due - tolerance && at <= due + tolerance) return {};
    return fmt::format("a time of {} us expected, {} us came", to_us(due), to_us(at));
}

// An extended error, as MSG_ERRQUEUE gives it.
std::optional<std::string> check_extended_error(const Value& wanted, const cmsghdr& head) {
    sock_extended_err came{};
    if (head.cmsg_len < CMSG_LEN(sizeof came)) return "the control message is no extended error";
    std::memcpy(&came, CMSG_DATA(&head), sizeof came);
    const std::pair<const char*, std::uint32_t> fields[] = {
        {"ee_errno", came.ee_errno}, {"ee_origin", came.ee_origin}, {"ee_type", came.ee_type},
        {"ee_code", came.ee_code},   {"ee_info", came.ee_info},     {"ee_data", came.ee_data}};
    for (const auto& [name, value] : fields) {
        const Value* field = wanted.field(name);
        if (field != nullptr && field->is_integer() && field->number != value)
            return fmt::format("{}={} expected, {} came", name, field->number, value);
    }
    return {};
}

// One control message: a number, as TCP_INQ tells it, an extended error or a time.
std::optional<std::string> check_control(const Value& wanted, const cmsghdr* head,
                                         Duration tolerance) {
    const Value *level = wanted.field("cmsg_level"), *type = wanted.field("cmsg_type"),
                *data = wanted.field("cmsg_data");
    if (level == nullptr || type == nullptr || data == nullptr) return {};
    if (head == nullptr) return "a control message expected, none came";
    const bool both_errors = level->number == SOL_IP && type->number == IP_RECVERR &&
                             head->cmsg_level == SOL_IPV6 && head->cmsg_type == IPV6_RECVERR;
    if (!both_errors && (head->cmsg_level != level->number || head->cmsg_type != type->number))
        return fmt::format("control message {}/{} expected, {}/{} came", level->number,
                           type->number, head->cmsg_level, head->cmsg_type);
    if (data->field("scm_sec") != nullptr) return check_time(*data, *head, tolerance);
    if (data->kind == Value::Kind::structure) return check_extended_error(*data, *head);
    int value = 0;
    std::memcpy(&value, CMSG_DATA(head), sizeof value);
    if (data->is_integer() && value != data->number)
        return fmt::format("cmsg_data={} expected, {} came", data->number, value);
    return {};
}

}  // namespace

StartedCall Calls::read() {
    auto buffers = std::make_shared<Buffers>();
    const std::size_t size = size_of(argument(2));
    buffers->add(std::vector<std::uint8_t>(size), is_null(argument(1)) && size != 0);
    return finish(os_.start_recv(fd(0), buffers->list, 0), buffers);
}

StartedCall Calls::recv() {
    auto buffers = std::make_shared<Buffers>();
    const std::size_t size = size_of(argument(2));
    buffers->add(std::vector<std::uint8_t>(size), is_null(argument(1)) && size != 0);
    return finish(os_.start_recv(fd(0), buffers->list, integer(3)), buffers);
}

StartedCall Calls::write() {
    auto buffers = std::make_shared<Buffers>();
    const std::size_t size = size_of(argument(2));
    buffers->add(octets(argument(1), size), is_null(argument(1)) && size != 0);
    return finish(os_.start_send(fd(0), buffers->list, 0), buffers);
}

StartedCall Calls::send() {
    auto buffers = std::make_shared<Buffers>();
    const std::size_t size = size_of(argument(2));
    buffers->add(octets(argument(1), size), is_null(argument(1)) && size != 0);
    const int flags = integer(3);
    const bool has_address =
        line_->name == "sendto" && line_->arguments.size() > 4 && !is_null(argument(4));
    if (has_address) buffers->address = address(argument(4), settings_.connect_port, false);
    const auto* to =
        has_address ? reinterpret_cast<const sockaddr*>(buffers->address.data()) : nullptr;
    return finish(os_.start_send(fd(0), buffers->list, flags, to,
                                 static_cast<socklen_t>(buffers->address.size())),
                  buffers);
}

StartedCall Calls::sendmsg() {
    auto buffers = std::make_shared<Buffers>();
    const Value& message = argument(1);
    if (message.kind != Value::Kind::structure) throw ScriptError(message.at, "a msghdr expected");
    if (const Value* list = message.field("msg_iov"))
        add_vectors(
            *list, [this](const Value& v, std::size_t n) { return octets(v, n); }, *buffers);
    const int flags = integer(2);
    const Value* to = message.field("msg_name");
    if (to != nullptr && !is_null(*to))
        buffers->address = address(*to, settings_.connect_port, false);
    return finish(os_.start_send(fd(0), buffers->list, flags,
                                 buffers->address.empty()
                                     ? nullptr
                                     : reinterpret_cast<const sockaddr*>(buffers->address.data()),
                                 static_cast<socklen_t>(buffers->address.size())),
                  buffers);
}

StartedCall Calls::recvmsg() {
    auto buffers = std::make_shared<Buffers>();
    const Value& message = argument(1);
    if (message.kind != Value::Kind::structure) throw ScriptError(message.at, "a msghdr expected");
    if (const Value* list = message.field("msg_iov"))
        add_vectors(
            *list, [](const Value&, std::size_t n) { return std::vector<std::uint8_t>(n); },
            *buffers);
    buffers->message.msg_control = buffers->control.data();
    buffers->message.msg_controllen = buffers->control.size();
    const auto check = [buffers, wanted = controls_of(message),
                        this](std::int64_t result) -> std::optional<std::string> {
        if (result < 0) return {};
        cmsghdr* head = CMSG_FIRSTHDR(&buffers->message);
        for (const Value& control : wanted) {
            if (auto wrong = check_control(control, head, settings_.tolerance)) return wrong;
            if (head != nullptr) head = CMSG_NXTHDR(&buffers->message, head);
        }
        return {};
    };
    return finish(os_.start_recv(fd(0), buffers->list, integer(2), &buffers->message), buffers,
                  check);
}

StartedCall Calls::vectors() {
    auto buffers = std::make_shared<Buffers>();
    add_vectors(
        argument(1), [this](const Value& v, std::size_t n) { return octets(v, n); }, *buffers);
    const int count = integer(2);
    if (count < 0 || count > 1024) return finish(posix::Call(-EINVAL));
    return finish(line_->name == "readv" ? os_.start_recv(fd(0), buffers->list, 0)
                                         : os_.start_send(fd(0), buffers->list, 0),
                  buffers);
}

}  // namespace estab::packetdrill
