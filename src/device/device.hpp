// The Device concept: whoever moves frames. A device lends frames on receive and room on send;
// nothing is copied in between. What the device can do for us (segment, checksum) it declares; what
// a frame still needs travels with it. Decorators (Tap, Path, Segmenter) take a device and are one.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/bytes.hpp"
#include "base/time.hpp"

namespace estab::device {

enum class LinkType : std::uint8_t {
    ip,        // a frame is an IPv4 or IPv6 packet
    ethernet,  // a frame begins with a 14-byte Ethernet header, without FCS
};

enum class Checksum : std::uint8_t {
    complete,  // in the bytes, to be verified on receive
    partial,  // the field holds the pseudo-header sum; whoever cuts or sends the frame completes it
    verified,  // someone below has checked it
};

enum class Gso : std::uint8_t { none, tcp4, tcp6 };

// What a frame needs or has had done. Offsets count from the first byte of the frame.
struct Offload {
    Checksum checksum = Checksum::complete;
    Gso gso = Gso::none;
    bool gso_ecn = false;              // CWR is set: first cut only
    std::uint16_t checksum_start = 0;  // partial: sum from here to the end ...
    std::uint16_t checksum_offset = 0; // ... and store at checksum_start + this
    std::uint16_t gso_size = 0;        // payload bytes per wire segment
    std::uint16_t header_length = 0;   // all headers, what each cut repeats
};

struct Frame {
    Bytes bytes;  // lent until the next receive()
    Instant arrived{};
    Offload offload;
    std::uint16_t queue = 0;
};

struct Caps {
    LinkType link = LinkType::ip;
    std::uint32_t mtu = 1500;          // largest IP packet on the wire
    std::uint32_t frame_max =
        1500;  // largest frame reserve() gives: mtu + link header, or 64 KiB class with GSO
    bool tso4 = false;                 // takes Gso::tcp4 frames
    bool tso6 = false;
    bool gso_ecn = false;              // can cut a frame with CWR correctly
    bool checksum = false;             // completes Checksum::partial
    std::uint16_t queues = 1;
};

template <class D>
concept Device = requires(D d, Instant now, std::span<Frame> batch, std::size_t size,
                          const Offload& offload) {
    { d.caps() } -> std::convertible_to<const Caps&>;
    // Fills up to batch.size() frames; how many there are. They are lent until the next receive().
    { d.receive(now, batch) } -> std::convertible_to<std::size_t>;
    // Room for one frame of up to `size` bytes (size <= frame_max), or empty when the device is
    // full. At most one reservation is open; a second reserve() replaces it.
    { d.reserve(size) } -> std::convertible_to<MutableBytes>;
    // Sends the first `size` bytes of the room. size 0 gives the room back.
    { d.commit(now, size, offload) };
    // Pushes out what commit() has queued. Called once per turn.
    { d.flush(now) };
    // When the device itself needs a turn (a delayed frame falls due); `never` if only I/O wakes
    // it.
    { d.deadline() } -> std::convertible_to<Instant>;
};

// One that gathers: the end of a frame may stay where it is. The frame is `size` bytes, the last of
// which are the pieces of `tail`; the room has what comes before them. They are the caller's again
// when this returns.
inline constexpr std::size_t tail_pieces_max = 48;
template <class D>
concept GatheringDevice = Device<D> && requires(D d, Instant now, std::size_t size,
                                                const Offload& offload,
                                                std::span<const Bytes> tail) {
    { d.commit(now, size, offload, tail) };
};

}  // namespace estab::device
