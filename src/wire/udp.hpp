// UDP on the wire (RFC 768): a checked view and a writer.
#pragma once

#include <cstdint>
#include <span>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "wire/address.hpp"

namespace estab::wire {

inline constexpr std::size_t udp_header_bytes = 8;

// Exists only if the length field is at least 8 and inside the bytes; what lies behind it is cut
// off.
class UdpView {
public:
    static Result<UdpView> parse(Bytes datagram);

    std::uint16_t source_port() const { return load_be16(bytes_.data()); }
    std::uint16_t destination_port() const { return load_be16(bytes_.data() + 2); }
    std::uint16_t checksum() const { return load_be16(bytes_.data() + 6); }
    Bytes payload() const { return bytes_.subspan(udp_header_bytes); }
    Bytes all() const { return bytes_; }
    // None at all (zero) is as good as a right one over IPv4, and wrong over IPv6 (RFC 8200 8.1).
    bool checksum_is_valid(const Address& source, const Address& destination) const;

private:
    explicit UdpView(Bytes bytes) : bytes_(bytes) {}
    Bytes bytes_;
};

struct UdpWrite {
    Endpoint source, destination;
    std::span<const Bytes> payload;  // copied after the header; at most 65,527 bytes together
    bool partial_checksum =
        false;  // leave the folded pseudo-header sum in the field, for the device
};

// Writes header, payload and checksum; how many bytes.
std::size_t write_udp(MutableBytes room, const UdpWrite& what);

}  // namespace estab::wire
