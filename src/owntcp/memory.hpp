// What calls point to, in the program's memory.
#pragma once

#include <cstring>
#include <optional>

#include "drivers/system_calls.hpp"
#include "owntcp/end.hpp"

namespace estab::owntcp {

inline std::optional<int> read_int(pid_t thread, std::uint64_t from) {
    int value = 0;
    std::uint8_t octets[sizeof value];
    if (!drivers::read_memory(thread, from, octets)) return {};
    std::memcpy(&value, octets, sizeof value);
    return value;
}

inline bool write_int(pid_t thread, std::uint64_t to, int value) {
    std::uint8_t octets[sizeof value];
    std::memcpy(octets, &value, sizeof value);
    return drivers::write_memory(thread, to, octets);
}

// At most what a sockaddr_storage holds; longer ones are cut.
inline std::optional<Address> read_address(pid_t thread, std::uint64_t from, std::uint64_t size) {
    Address address;
    const auto wanted = static_cast<std::size_t>(static_cast<std::uint32_t>(size));
    address.size = static_cast<socklen_t>(std::min(wanted, sizeof address.octets));
    auto* octets = reinterpret_cast<std::uint8_t*>(&address.octets);
    if (!drivers::read_memory(thread, from, {octets, address.size})) return {};
    return address;
}

// As the kernel does: no more than there is room for, and how much there would be.
inline bool write_address(pid_t thread, std::uint64_t to, std::uint64_t size_to, int room,
                          const Address& address) {
    const auto* octets = reinterpret_cast<const std::uint8_t*>(&address.octets);
    const std::size_t size = std::min<std::size_t>(address.size, static_cast<std::size_t>(room));
    return (size == 0 || drivers::write_memory(thread, to, {octets, size})) &&
           write_int(thread, size_to, static_cast<int>(address.size));
}

}  // namespace estab::owntcp
