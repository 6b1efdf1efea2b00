#include "packetdrill/host.hpp"

#include <algorithm>

#include "link/segment.hpp"

namespace estab::packetdrill {

// With the offloads that a kernel has by default, since where bursts end can be seen (PSH).
Host::Host(const Options& options)
    : stack_(start, {.config = options.config, .seed = options.seed}), mtu_(options.mtu) {
    stack_.attach({.mtu = options.mtu,
                   .frame_max = options.offloads ? 65'535 : options.mtu,
                   .tso4 = options.offloads,
                   .tso6 = options.offloads,
                   .checksum = true});
    const std::uint8_t length = options.local.is_v4() ? 16 : 64;
    (void)stack_.routes().add_address({options.local, length});
    ip::Route everywhere;
    everywhere.destination = *wire::Prefix::parse(options.local.is_v4() ? "0.0.0.0/0" : "::/0");
    (void)stack_.routes().add(everywhere);
    room_.resize(stack_.frame_bytes());
}

void Host::speak() {
    std::vector<std::uint8_t> scratch(std::max<std::size_t>(mtu_, room_.size()));
    while (stack_.has_output()) {
        device::Offload offload;
        const std::size_t size = stack_.write_next(now_, room_, offload);
        if (size == 0) break;
        (void)link::cut({room_.data(), size}, offload,
                        {.link = device::LinkType::ip, .frame_max = mtu_}, scratch, [&](Bytes p) {
                            sent_.push_back({now_, {p.begin(), p.end()}});
                            if (tap) tap(now_, false, p);
                        });
    }
    if (after_turn) after_turn();
}

void Host::inject(Bytes packet, std::uint16_t segment) {
    if (tap) tap(now_, true, packet);
    device::Frame frame{.bytes = packet, .arrived = now_, .offload = {}};
    if (segment != 0 && packet.size() > segment + 80u) {
        frame.offload.gso = packet[0] >> 4 == 4 ? device::Gso::tcp4 : device::Gso::tcp6;
        frame.offload.gso_size = segment;
    }
    stack_.receive(now_, std::span(&frame, 1));
    if (before_answer) before_answer();
    speak();
}

void Host::advance(Instant when) {
    now_ = std::max(now_, std::min(when, stack_.deadline()));
    stack_.advance(now_);
    speak();
}

}  // namespace estab::packetdrill
