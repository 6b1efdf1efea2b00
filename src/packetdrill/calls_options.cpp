// Options and readiness.
#include <fmt/format.h>
#include <netinet/in.h>
#include <linux/tcp.h>
// (the kernel's header, for all options of TCP)

#include <algorithm>
#include <cstring>

#include "packetdrill/calls.hpp"

namespace estab::packetdrill {
namespace {

template <class T>
std::vector<std::uint8_t> raw(const T& value) {
    std::vector<std::uint8_t> out(sizeof value);
    std::memcpy(out.data(), &value, sizeof value);
    return out;
}

int number(const Value& v, std::string_view field, int otherwise = 0) {
    const Value* f = v.field(field);
    return f != nullptr ? static_cast<int>(f->number) : otherwise;
}

}  // namespace

// [1], "reno", {onoff=1, linger=0}: what setsockopt() is given.
std::vector<std::uint8_t> Calls::option_value(const Value& v) const {
    switch (v.kind) {
    case Value::Kind::integer: return raw(static_cast<int>(v.number));
    case Value::Kind::text: return {v.text.begin(), v.text.end()};
    case Value::Kind::list:
        if (v.items.empty()) return {};
        if (v.items.size() == 1 && v.items[0].kind != Value::Kind::integer)
            return option_value(v.items[0]);
        {
            std::vector<std::uint8_t> out;
            for (const Value& item : v.items) {
                const auto part = raw(static_cast<int>(item.number));
                out.insert(out.end(), part.begin(), part.end());
            }
            return out;
        }
    case Value::Kind::structure:
        if (v.field("onoff") != nullptr || v.field("l_onoff") != nullptr) {
            linger l{};
            l.l_onoff = number(v, "onoff", number(v, "l_onoff"));
            l.l_linger = number(v, "linger", number(v, "l_linger"));
            return raw(l);
        }
        if (v.field("tv_sec") != nullptr) {
            timeval t{};
            t.tv_sec = number(v, "tv_sec");
            t.tv_usec = number(v, "tv_usec");
            return raw(t);
        }
        break;
    case Value::Kind::ellipsis:
    case Value::Kind::function: break;
    }
    throw ScriptError(v.at, "this value is none for a socket option");
}

StartedCall Calls::setsockopt() {
    const int level = integer(1), option = integer(2);
    if (level == IPPROTO_TCP) {
        if (option == TCP_MD5SIG) throw Skip("TCP MD5 signatures (RFC 2385)");
        if (option == TCP_ULP) throw Skip("TCP_ULP");
    }
    const Value& v = argument(3);
    if (v.is_integer() && v.number == 0)  // a pointer to nothing
        return finish(immediate(os_.setsockopt(fd(0), level, option, nullptr, 4)));
    auto value = option_value(v);
    const std::size_t wanted = static_cast<std::size_t>(std::max(integer(4), 0));
    const std::size_t size = v.kind == Value::Kind::text ? value.size() : wanted;
    value.resize(std::max(value.size(), size));
    return finish(immediate(
        os_.setsockopt(fd(0), level, option, value.data(), static_cast<socklen_t>(size))));
}

StartedCall Calls::getsockopt() {
    const Value& wanted = argument(3);
    const int option = integer(2);
    auto value = std::make_shared<std::vector<std::uint8_t>>(512);
    socklen_t length = static_cast<socklen_t>(value->size());
    if (wanted.is_integer() && wanted.number == 0)
        return finish(immediate(os_.getsockopt(fd(0), integer(1), option, nullptr, &length)));
    const int result = os_.getsockopt(fd(0), integer(1), option, value->data(), &length);
    value->resize(length);
    Value expected = wanted;
    if (expected.kind == Value::Kind::list && expected.items.size() == 1) {
        const Value inner = expected.items[0];
        expected = inner;
    }
    return finish(immediate(result), value,
                  [value, expected](std::int64_t r) -> std::optional<std::string> {
                      if (r != 0 || expected.is_ellipsis()) return {};
                      if (expected.is_integer()) {
                          int came = 0;
                          std::memcpy(&came, value->data(), std::min(sizeof came, value->size()));
                          if (came == static_cast<int>(expected.number)) return {};
                          return fmt::format("getsockopt() tells {} expected, {} came",
                                             expected.number, came);
                      }
                      if (expected.kind == Value::Kind::text) {
                          std::string came(value->begin(), value->end());
                          came.resize(std::min(came.find('\0'), came.size()));
                          if (came == expected.text) return {};
                          return fmt::format("getsockopt() tells \"{}\" expected, \"{}\" came",
                                             expected.text, came);
                      }
                      if (expected.field("onoff") != nullptr) {
                          linger came{};
                          std::memcpy(&came, value->data(), std::min(sizeof came, value->size()));
                          if (came.l_onoff == number(expected, "onoff") &&
                              came.l_linger == number(expected, "linger"))
                              return {};
                          return fmt::format("getsockopt() tells onoff={}, linger={}", came.l_onoff,
                                             came.l_linger);
                      }
                      return "this result cannot be compared";
                  });
}

// --- Readiness

StartedCall Calls::poll() {
    const Value& list = argument(0);
    if (list.kind != Value::Kind::list) throw ScriptError(list.at, "a list of pollfd expected");
    auto fds = std::make_shared<std::vector<pollfd>>();
    std::vector<short> wanted;
    for (const Value& v : list.items) {
        const Value* which = v.field("fd");
        if (which == nullptr) throw ScriptError(v.at, "{fd=…, events=…, revents=…} expected");
        fds->push_back({fd_of(*which), static_cast<short>(number(v, "events")), 0});
        wanted.push_back(static_cast<short>(number(v, "revents")));
    }
    return finish(os_.start_poll(fds->data(), fds->size(), integer(2)), fds,
                  [fds, wanted](std::int64_t) -> std::optional<std::string> {
                      for (std::size_t i = 0; i < wanted.size(); ++i) {
                          if ((*fds)[i].revents != wanted[i])
                              return fmt::format("revents {:#x} expected, {:#x} came", wanted[i],
                                                 (*fds)[i].revents);
                      }
                      return {};
                  });
}

StartedCall Calls::epoll_create() {
    return map_new_fd(immediate(os_.epoll_create1(0)));
}

StartedCall Calls::epoll_ctl() {
    const Value& v = argument(3);
    epoll_event event{};
    if (v.kind == Value::Kind::structure) {
        const Value* events = v.field("events");
        event.events = events != nullptr ? static_cast<std::uint32_t>(events->number) : 0;
        for (const char* name : {"fd", "u32", "u64", "ptr"}) {
            if (const Value* data = v.field(name))
                event.data.u64 = static_cast<std::uint64_t>(data->number);
        }
    }
    return finish(immediate(os_.epoll_ctl(fd(0), integer(1), fd(2), &event)));
}

StartedCall Calls::epoll_wait() {
    const int most = std::clamp(integer(2), 1, 1024);
    auto events = std::make_shared<std::vector<epoll_event>>(static_cast<std::size_t>(most));
    std::vector<Value> wanted;
    const Value& list = argument(1);
    if (list.kind == Value::Kind::structure) wanted.push_back(list);
    if (list.kind == Value::Kind::list) wanted = list.items;
    return finish(os_.start_epoll_wait(fd(0), events->data(), most, integer(3)), events,
                  [events, wanted](std::int64_t result) -> std::optional<std::string> {
                      for (std::size_t i = 0; i < wanted.size() && std::cmp_less(i, result); ++i) {
                          const Value* mask = wanted[i].field("events");
                          const auto came = (*events)[i].events;
                          if (mask != nullptr && static_cast<std::uint32_t>(mask->number) != came)
                              return fmt::format("events {:#x} expected, {:#x} came", mask->number,
                                                 came);
                      }
                      return {};
                  });
}

}  // namespace estab::packetdrill
