// For tests: a stack and hand-made packets around it, in virtual time. Segments are described in
// one line, and what the stack sends comes out as lines:
//
//   S 1000                          a SYN, seq 1000
//   SA 5000 ack 1001 mss 1460 sack ts 7:3 ws 7 win 100 len 20 urg 3
//
// Flags are letters of "SFRPUAEWN" (E: ECE, W: CWR, N: AE), then seq, then what else there is.
// Numbers are as on the wire.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "link/memory_link.hpp"
#include "stack/turn.hpp"

namespace estab::stack {

using Octets = std::vector<std::uint8_t>;

inline constexpr std::string_view flag_letters = "FSRPAUEWN";

struct Spoken {                       // a packet that the stack has sent
    Octets packet;                    // IP
    wire::IpPacket ip() const { return *wire::IpPacket::parse(packet); }
    bool is_tcp() const { return ip().protocol == wire::protocol_tcp; }
    wire::TcpView tcp() const { return *wire::TcpView::parse(ip().payload); }
    std::uint32_t seq() const { return tcp().seq().raw; }
    std::uint32_t ack() const { return tcp().ack().raw; }
    std::string flags() const {
        std::string text;
        for (std::size_t i = 0; i != flag_letters.size(); ++i) {
            if (tcp().flags().has(static_cast<std::uint16_t>(1u << i))) text += flag_letters[i];
        }
        return text;
    }
    std::string text() const {       // "SA 5000 ack 1001 len 0"
        std::ostringstream out;
        out << flags() << ' ' << seq();
        if (tcp().flags().has(wire::Flags::ack)) out << " ack " << ack();
        if (!tcp().payload().empty()) out << " len " << tcp().payload().size();
        return out.str();
    }
};

struct SegmentText {
    wire::TcpHeader header;
    Octets payload;
    wire::Ecn ecn = wire::Ecn::not_ect;

    explicit SegmentText(std::string_view text) {
        std::istringstream in{std::string(text)};
        std::string word;
        in >> word;
        for (const char c : word) {
            header.flags.bits |= static_cast<std::uint16_t>(1u << flag_letters.find(c));
        }
        in >> header.seq.raw;
        header.window = 65'535;
        while (in >> word) {
            std::uint32_t n = 0;
            if (word == "sack") {
                header.options.sack_permitted = true;
                continue;
            }
            if (word == "ce") {
                ecn = wire::Ecn::ce;
                continue;
            }
            in >> n;
            if (word == "ack") header.ack.raw = n;
            if (word == "win") header.window = static_cast<std::uint16_t>(n);
            if (word == "urg") header.urgent = static_cast<std::uint16_t>(n);
            if (word == "mss") header.options.mss = static_cast<std::uint16_t>(n);
            if (word == "ws") header.options.window_scale = static_cast<std::uint8_t>(n);
            if (word == "len") payload.assign(n, 'x');
            if (word == "ts") {
                std::uint32_t ecr = 0;
                in.ignore(1) >> ecr;
                header.options.timestamps = wire::Timestamps{n, ecr};
            }
        }
    }
};

inline Octets make_segment(const wire::Endpoint& from, const wire::Endpoint& to,
                           std::string_view text) {
    const SegmentText s(text);
    wire::TcpHeader header = s.header;
    header.source_port = from.port;
    header.destination_port = to.port;
    Octets packet(200 + s.payload.size());
    const std::size_t ip = wire::ip_header_bytes(to.address.is_v4());
    const std::array<Bytes, 1> payload{Bytes(s.payload)};
    const std::size_t tcp =
        wire::write_tcp(MutableBytes(packet).subspan(ip), header,
                        {.source = from.address, .destination = to.address, .payload = payload});
    wire::write_ip(packet, {.source = from.address,
                            .destination = to.address,
                            .protocol = wire::protocol_tcp,
                            .ecn = s.ecn,
                            .payload_bytes = static_cast<std::uint32_t>(tcp)});
    packet.resize(ip + tcp);
    return packet;
}

inline const wire::Endpoint us{wire::Address::v4(10, 0, 0, 2), 80};
inline const wire::Endpoint them{wire::Address::v4(10, 0, 0, 1), 4000};

// One stack at 10.0.0.2 and fd00::2 on an IP link of 1,500 octets, and everybody else.
struct Bench {
    Instant now = Instant(1000s);
    Stack stack;
    std::vector<Spoken> said;        // not asked for yet

    explicit Bench(const tcp::Config& config = {}, std::size_t memory_bytes = 64u << 20,
                   const device::Caps& caps = {})
        : stack(now, {.config = config, .memory_bytes = memory_bytes, .seed = 7,
                      .mac = {{2, 0, 0, 0, 0, 2}}}) {
        stack.attach(caps);
        EXPECT_TRUE(stack.routes().add_address(*wire::Prefix::parse("10.0.0.2/24")));
        EXPECT_TRUE(stack.routes().add_address(*wire::Prefix::parse("fd00::2/64")));
        for (const char* everything : {"0.0.0.0/0", "::/0"}) {
            ip::Route route;
            route.destination = *wire::Prefix::parse(everything);
            EXPECT_TRUE(stack.routes().add(route));
        }
    }

    void inject(Bytes frame) {
        const device::Frame f{.bytes = frame, .arrived = now, .offload = {}};
        stack.receive(now, std::span(&f, 1));
        flush();
    }
    void from(const wire::Endpoint& peer, std::string_view text, const wire::Endpoint& to = us) {
        inject(make_segment(peer, to, text));
    }
    void in(std::string_view text) { from(them, text); }
    void flush() {
        Octets room(stack.frame_bytes());
        while (stack.has_output()) {
            device::Offload offload;
            const std::size_t size = stack.write_next(now, room, offload);
            if (size == 0) break;
            said.push_back(
                {Octets(room.begin(), room.begin() + static_cast<std::ptrdiff_t>(size))});
        }
    }
    // Everything that happens until then, at its time.
    void wait(Duration d) {
        const Instant end = now + d;
        for (;;) {
            flush();
            const Instant at = std::max(now, stack.deadline());
            if (at > end) break;
            now = at;
            stack.advance(now);
        }
        now = end;
        flush();
    }
    std::vector<Spoken> take() { return std::exchange(said, {}); }
    // The only thing said since the last time.
    Spoken only() {
        const auto all = take();
        EXPECT_EQ(all.size(), 1u) << lines(all);
        return all.empty() ? Spoken{make_segment(us, them, "F 0")} : all.front();
    }
    bool quiet() { return take().empty(); }
    static std::string lines(const std::vector<Spoken>& all) {
        std::string text;
        for (const Spoken& s : all) text += s.is_tcp() ? s.text() + "\n" : "(not TCP)\n";
        return text;
    }
    // A whole handshake from `peer`; the ISS of the stack.
    std::uint32_t handshake(const wire::Endpoint& peer, const std::string& options = "mss 1460",
                            const wire::Endpoint& to = us) {
        take();
        from(peer, "S 1000 " + options, to);
        const std::uint32_t iss = only().seq();
        from(peer, "A 1001 ack " + std::to_string(iss + 1), to);
        return iss;
    }
    std::size_t rows(tcp::State state) {
        const auto table = stack.table(now);
        return static_cast<std::size_t>(std::count_if(
            table.begin(), table.end(), [&](const Row& r) { return r.state == state; }));
    }
    const event::Counters& counters() const { return stack.counters(); }
};

inline wire::Endpoint peer(std::uint32_t n) {
    return {wire::Address::v4(10, 1, static_cast<std::uint8_t>(n >> 16),
                              static_cast<std::uint8_t>(n >> 8)),
            static_cast<std::uint16_t>(1024 + (n & 255))};
}

}  // namespace estab::stack
