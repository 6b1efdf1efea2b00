// The other direction of cutting: wire-size TCP frames that go on where the last one ended become
// one big frame, for a device below that takes such. What a network card does for a host on
// receive.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/bytes.hpp"
#include "device/device.hpp"

namespace estab::link {

class Joined {
public:
    // Begins with the frame that is in `room`, its first `size` bytes. `below`: who takes the big
    // one.
    Joined(const device::Caps& below, MutableBytes room, std::size_t size);

    bool may_go_on() const { return may_go_on_; }
    // Adds the frame's text. False, and nothing done: it does not go on where this one ends, says
    // something else, is damaged, or finds no room.
    bool add(Bytes frame);
    std::size_t size() const { return size_; }
    // Once, after the last one: lengths and the checksum, of which the device below does the rest.
    device::Offload finish();

private:
    struct Parts {  // of a frame, from its first byte on
        std::size_t ip = 0, tcp = 0, text = 0;
        bool is_last = false;  // nothing may come behind it
    };
    static bool read(device::LinkType link, Bytes frame, Parts& parts);
    bool goes_on(const std::uint8_t* next, const Parts& parts) const;

    device::LinkType link_;
    MutableBytes room_;
    std::size_t size_;
    Parts first_;
    std::size_t gso_size_ = 0;  // text of the first frame; the last one may have less
    bool may_go_on_ = false;
    bool is_big_ = false;
};

}  // namespace estab::link
