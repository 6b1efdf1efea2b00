// A segment that stands for many on the wire, on its way to a device that takes them one by one.
// Each gets headers and a checksum of its own, straight out of the send buffer, as the device has
// room; TCP is asked once for all of them.
#pragma once

#include <array>
#include <cstdint>

#include "base/bytes.hpp"
#include "tcp/segment.hpp"
#include "wire/address.hpp"
#include "wire/checksum.hpp"

namespace estab::stack {

class Burst {
public:
    // How the wire segments are alike.
    struct Start {
        const wire::FourTuple& tuple;
        std::uint32_t owner;  // the connection's index
        wire::OptionOrder order;
    };
    // From segment(), which the connection has filled in.
    void begin(const Start& start);
    tcp::Segment& segment() { return segment_; }

    bool is_done() const { return left_ == 0; }
    std::uint32_t owner() const { return owner_; }
    void cancel() { left_ = 0; }
    // The peer has everything before `una`; the send buffer may have forgotten it.
    void skip_to(tcp::Seq una) {
        while (left_ != 0 && seq_ < una) {
            const std::uint64_t known = distance(seq_, una);
            advance(known < left_ ? static_cast<std::uint32_t>(known) : left_);
        }
    }

    std::size_t next_bytes() const { return headers_bytes_ + next_payload(); }  // the IP packet
    // Writes the next packet to the front of `room`, which holds next_bytes(); how many those were.
    std::size_t write(MutableBytes room, std::uint16_t id);

private:
    std::uint32_t next_payload() const { return left_ < size_ ? left_ : size_; }
    void advance(std::uint32_t octets);

    tcp::Segment segment_;
    tcp::Seq seq_;              // of the next wire segment
    std::uint32_t left_ = 0;    // octets not yet written
    std::uint32_t size_ = 0;    // octets a wire segment
    std::uint32_t owner_ = 0;
    std::uint32_t piece_ = 0;   // of the payload, and ...
    std::size_t offset_ = 0;    // ... where in it the next wire segment begins
    // IP and TCP header; lengths, numbers and checksums are 0 in it, and its sums.
    std::array<std::uint8_t, 40 + 60> headers_;
    std::size_t ip_bytes_ = 0;
    std::size_t headers_bytes_ = 0;
    std::uint16_t offset_flags_ = 0;  // the 16 bits that begin with the data offset; of the last
    wire::Sum ip_sum_;
    wire::Sum tcp_sum_;         // with the pseudo-header
};

}  // namespace estab::stack
