#include "cli/conform_prober.hpp"

#include <fmt/format.h>
#include <poll.h>

#include <algorithm>
#include <array>
#include <chrono>

#include "drivers/system.hpp"
#include "runtime/loop.hpp"
#include "wire/checksum.hpp"

namespace estab::cli {

using wire::Flags;

std::string Seen::text() const {
    std::string flags_text;
    constexpr std::string_view letters = "FSRPAUEWe";
    for (std::size_t i = 0; i < letters.size(); ++i)
        if (((flags.bits >> i) & 1u) != 0) flags_text += letters[i];
    return fmt::format("{} seq {} ack {} win {} len {}", flags_text.empty() ? "-" : flags_text, seq,
                       ack, window, payload.size());
}

std::vector<std::uint8_t> raw_options(std::initializer_list<std::vector<std::uint8_t>> options) {
    std::vector<std::uint8_t> out;
    for (const auto& option : options) out.insert(out.end(), option.begin(), option.end());
    while (out.size() % 4 != 0) out.push_back(1);
    return out;
}

std::vector<std::uint8_t> mss_option(std::uint16_t mss) {
    return {2, 4, static_cast<std::uint8_t>(mss >> 8), static_cast<std::uint8_t>(mss)};
}

std::vector<std::uint8_t> timestamp_option(std::uint32_t val, std::uint32_t ecr) {
    std::vector<std::uint8_t> out(12, 1);
    out[2] = 8;
    out[3] = 10;
    store_be32(out.data() + 4, val);
    store_be32(out.data() + 8, ecr);
    return out;
}

// --- Prober

void Prober::send(std::uint16_t port, const Sends& what, std::optional<std::uint16_t> to) {
    std::vector<std::uint8_t> segment(20 + what.options.size() + what.payload.size());
    std::uint8_t* p = segment.data();
    store_be16(p, port);
    store_be16(p + 2, to.value_or(target_.port));
    store_be32(p + 4, what.seq);
    store_be32(p + 8, what.ack);
    const auto offset = static_cast<std::uint16_t>((20 + what.options.size()) / 4);
    store_be16(p + 12, static_cast<std::uint16_t>(offset << 12 | what.flags));
    store_be16(p + 14, what.window);
    store_be16(p + 18, what.urgent);
    std::copy(what.options.begin(), what.options.end(), segment.begin() + 20);
    std::copy(what.payload.begin(), what.payload.end(),
              segment.begin() + 20 + static_cast<std::ptrdiff_t>(what.options.size()));
    wire::Sum sum = wire::pseudo_header(own_, target_.address, wire::protocol_tcp,
                                        static_cast<std::uint32_t>(segment.size()));
    sum.add(segment);
    store_be16(p + 16, static_cast<std::uint16_t>(sum.checksum() ^
                                                  (what.breaks_checksum ? 0x5555 : 0)));
    const std::size_t header = wire::ip_header_bytes(own_.is_v4());
    const MutableBytes room = device_.reserve(header + segment.size());
    if (room.empty()) return;  // a full device loses it, as any network may
    wire::write_ip(room, {.source = own_,
                          .destination = target_.address,
                          .protocol = wire::protocol_tcp,
                          .ecn = what.ecn,
                          .payload_bytes = static_cast<std::uint32_t>(segment.size())});
    std::copy(segment.begin(), segment.end(), room.begin() + static_cast<std::ptrdiff_t>(header));
    const Instant now = runtime::Loop::now();
    device_.commit(now, header + segment.size(), {});
    device_.flush(now);
}

std::optional<Seen> Prober::receive(std::uint16_t port, Duration patience) {
    const Instant until = runtime::Loop::now() + patience;
    for (;;) {
        const auto found = std::find_if(seen_.begin(), seen_.end(),
                                        [port](const Seen& s) { return s.port == port; });
        if (found != seen_.end()) {
            Seen seen = std::move(*found);
            seen_.erase(found);
            return seen;
        }
        const Duration left = until - runtime::Loop::now();
        if (left <= 0s) return {};
        collect(left);
    }
}

void Prober::forget(std::uint16_t port) {
    collect(0s);
    std::erase_if(seen_, [port](const Seen& s) { return s.port == port; });
}

void Prober::collect(Duration wait) {
    pollfd ready{.fd = device_.fd(), .events = POLLIN, .revents = 0};
    const auto ms = static_cast<int>(std::max<std::int64_t>(to_ms(wait), wait > 0s ? 1 : 0));
    if (::poll(&ready, 1, ms) <= 0) return;
    std::array<device::Frame, 32> batch;
    const std::size_t count = device_.receive(runtime::Loop::now(), batch);
    for (std::size_t i = 0; i < count; ++i) take(batch[i]);
}

void Prober::take(const device::Frame& frame) {
    constexpr std::size_t kept_max = 10'000;  // the oldest go: nobody waits for them any more
    const auto ip = wire::IpPacket::parse(frame.bytes);
    if (!ip || ip->protocol != wire::protocol_tcp || ip->destination != own_ ||
        ip->source != target_.address)
        return;
    const auto tcp = wire::TcpView::parse(ip->payload);
    if (!tcp) return;
    const Bytes payload = tcp->payload();
    const auto size = static_cast<std::uint32_t>(payload.size());
    const bool many = frame.offload.gso != device::Gso::none && frame.offload.gso_size != 0;
    if (seen_.size() == kept_max) seen_.pop_front();
    seen_.push_back({.seq = tcp->seq().raw,
                     .ack = tcp->ack().raw,
                     .flags = tcp->flags(),
                     .window = tcp->window(),
                     .urgent = tcp->urgent(),
                     .options = tcp->options(),
                     .payload = {payload.begin(), payload.end()},
                     .segment = many ? std::min<std::uint32_t>(frame.offload.gso_size, size) : size,
                     .port = tcp->destination_port()});
    seen_.back().options.fast_open.reset();  // it points into what was lent
}

// --- Peer

Peer::~Peer() {
    if (opened_) prober_.send(port_, {.flags = Flags::rst, .seq = snd_nxt});
    prober_.forget(port_);
}

std::optional<Seen> Peer::syn(const Opening& opening) {
    iss = 1'000'000u * port_;  // apart from each other, and the same in each run
    window = opening.window;
    snd_nxt = iss + 1;
    prober_.send(port_, {.flags = opening.flags,
                         .seq = iss,
                         .window = opening.window,
                         .options = opening.options});
    auto answer = receive();
    if (!answer) return {};
    rcv_nxt = answer->seq + 1;
    opened_ = !answer->is_reset();
    syn_ack = *answer;
    return answer;
}

bool Peer::open(const Opening& opening) {
    const auto answer = syn(opening);
    if (!answer || !answer->has(Flags::syn) || !answer->has(Flags::ack) || answer->ack != iss + 1)
        return false;
    send({});
    return true;
}

// What is left at 0 is what a well-behaved peer would say.
void Peer::send(Sends what) {
    if (what.seq == 0) what.seq = snd_nxt;
    if (what.ack == 0 && (what.flags & Flags::ack) != 0) what.ack = rcv_nxt;
    if (what.window == 65'535) what.window = window;
    if (what.options.empty()) what.options = every_options;
    prober_.send(port_, what);
}

void Peer::send_text(std::string_view text) {
    send({.flags = Flags::ack | Flags::psh, .payload = {text.begin(), text.end()}});
    snd_nxt += static_cast<std::uint32_t>(text.size());
}

void Peer::acknowledge(const Seen& what) {
    const auto length = static_cast<std::uint32_t>(what.payload.size()) + what.has(Flags::fin);
    if (what.seq == rcv_nxt) rcv_nxt += length;
    if (length != 0) send({});
}

// As a keepalive, which whoever lives answers; but not so soon after another answer to what was
// not acceptable: those are limited, by half a second with Linux.
bool Peer::is_alive() {
    prober_.forget(port_);
    for (int tries = 0; tries < 3; ++tries) {
        send({.seq = snd_nxt - 1, .payload = {}});
        for (int i = 0; i < 20; ++i) {
            const auto answer = receive(500ms);
            if (!answer) break;
            if (answer->is_reset()) return false;
            if (answer->has(Flags::ack) && answer->ack == snd_nxt) return true;
        }
    }
    return false;
}

}  // namespace estab::cli
