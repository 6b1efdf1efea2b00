// Every packet of every capture, cut at every length, through every view: nothing is read outside
// the bytes (a sanitizer build proves that), nothing crashes, and what is whole is understood.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <set>
#include <vector>

#include "wire/arp.hpp"
#include "wire/checksum.hpp"
#include "wire/ethernet.hpp"
#include "wire/every_view.hpp"
#include "wire/ip.hpp"
#include "wire/tcp.hpp"

namespace estab::wire {
namespace {

using Octets = std::vector<std::uint8_t>;

struct Capture {
    std::uint32_t link = 0;
    std::vector<Octets> packets;
};

// Classic pcap in both byte orders and both resolutions; what is damaged ends the file.
Capture read_pcap(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    const Octets bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    Capture capture;
    if (bytes.size() < 24) return capture;
    const std::uint32_t magic = load_be32(bytes.data());
    const bool big = magic == 0xa1b2c3d4 || magic == 0xa1b23c4d;
    const auto word = [&](std::size_t at) {
        const std::uint32_t v = load_be32(bytes.data() + at);
        return big ? v : to_big(v);
    };
    capture.link = word(20);
    for (std::size_t at = 24; at + 16 <= bytes.size();) {
        const std::size_t size = word(at + 8);
        at += 16;
        if (size > bytes.size() - at) break;
        const auto begin = bytes.begin() + static_cast<std::ptrdiff_t>(at);
        capture.packets.emplace_back(begin, begin + static_cast<std::ptrdiff_t>(size));
        at += size;
    }
    return capture;
}

// Where the IP packet begins in a frame of this link type, if it is not Ethernet.
std::size_t header_of(std::uint32_t link) {
    switch (link) {
    case 0:
    case 108: return 4;   // NULL, LOOP
    case 113: return 16;  // LINUX_SLL
    case 276: return 20;  // LINUX_SLL2
    default: return 0;    // RAW, IPV4, IPV6
    }
}

std::vector<std::filesystem::path> captures() {
    std::set<std::filesystem::path> sorted;
    for (const auto& entry :
         std::filesystem::directory_iterator(ESTAB_SOURCE_DIR "/tests/captures")) {
        if (entry.path().extension() == ".pcap") sorted.insert(entry.path());
    }
    return {sorted.begin(), sorted.end()};
}

void read(std::uint32_t link, Bytes bytes) {
    link == 1 ? read_every_frame_view(bytes) : read_every_view(bytes);
}

// Makes the length, and the checksum of an IPv4 header, agree with a packet cut short, so that it
// gets past them. False: too short for that.
bool admit(MutableBytes packet) {
    if (packet[0] == 0x45 && packet.size() >= 20) {
        store_be16(packet.data() + 2, static_cast<std::uint16_t>(packet.size()));
        store_be16(packet.data() + 10, 0);
        store_be16(packet.data() + 10, checksum(packet.first(20)));
        return true;
    }
    if (packet[0] >> 4 != 6 || packet.size() < 40) return false;
    store_be16(packet.data() + 4, static_cast<std::uint16_t>(packet.size() - 40));
    return true;
}

TEST(Captures, EveryPrefixOfEveryPacketIsHarmless) {
    std::size_t packets = 0;
    for (const auto& path : captures()) {
        const Capture capture = read_pcap(path);
        packets += capture.packets.size();
        const std::size_t header = header_of(capture.link);
        for (const Octets& packet : capture.packets) {
            if (packet.size() < header) continue;
            for (std::size_t size = header; size <= packet.size(); ++size) {
                // A block of exactly this size, so that one byte too far is outside of it.
                const auto exact = std::make_unique_for_overwrite<std::uint8_t[]>(size - header);
                std::copy(packet.begin() + static_cast<std::ptrdiff_t>(header),
                          packet.begin() + static_cast<std::ptrdiff_t>(size), exact.get());
                const MutableBytes bytes(exact.get(), size - header);
                const std::size_t ip_at = capture.link == 1 ? 14 : 0;
                read(capture.link, bytes);
                if (bytes.size() > ip_at && admit(bytes.subspan(ip_at))) read(capture.link, bytes);
            }
        }
    }
    EXPECT_GT(packets, 5000U);
}

TEST(Captures, AWholeDownloadIsUnderstoodAndItsChecksumsAreRight) {
    const Capture capture = read_pcap(ESTAB_SOURCE_DIR "/tests/captures/hello-welcome.pcap");
    ASSERT_EQ(capture.link, 1U);
    ASSERT_FALSE(capture.packets.empty());
    for (const Octets& bytes : capture.packets) {
        const auto frame = EthernetFrame::parse(bytes);
        ASSERT_TRUE(frame);
        if (frame->type == ethertype_arp) {
            EXPECT_TRUE(Arp::parse(frame->payload));
            continue;
        }
        const auto ip = IpPacket::parse(frame->payload);
        ASSERT_TRUE(ip);
        const auto tcp = TcpView::parse(ip->payload);
        ASSERT_TRUE(tcp);
        EXPECT_TRUE(tcp->checksum_is_valid(ip->source, ip->destination));
        const TcpOptions options = tcp->options();
        EXPECT_FALSE(options.malformed);
        EXPECT_EQ(options.unknown_count, 0);
        EXPECT_EQ(options.mss.has_value(), tcp->flags().has(Flags::syn));
        // Linux's own layout comes out again byte for byte.
        Octets again(60);
        TcpHeader header;
        header.options = options;
        again.resize(write_tcp(
            again, header, {.source = ip->source, .destination = ip->destination, .payload = {}}));
        EXPECT_TRUE(std::equal(again.begin() + 20, again.end(), tcp->option_bytes().begin(),
                               tcp->option_bytes().end()));
    }
}

TEST(Captures, EveryIntactSegmentOfLinuxIsWrittenAgainByteForByte) {
    std::size_t same = 0;
    for (const auto& path : captures()) {
        const Capture capture = read_pcap(path);
        if (capture.link != 1) continue;
        for (const Octets& frame : capture.packets) {
            const auto ip = frame.size() < 14 ? fail(Error::malformed)
                                              : IpPacket::parse(Bytes(frame).subspan(14));
            const auto tcp = ip && ip->protocol == protocol_tcp ? TcpView::parse(ip->payload)
                                                                : fail(Error::malformed);
            if (!tcp || !tcp->checksum_is_valid(ip->source, ip->destination)) continue;
            const TcpOptions options = tcp->options();
            if (options.unknown_count != 0) continue;  // MPTCP
            const TcpHeader header{.source_port = tcp->source_port(),
                                   .destination_port = tcp->destination_port(),
                                   .seq = tcp->seq(),
                                   .ack = tcp->ack(),
                                   .flags = tcp->flags(),
                                   .window = tcp->window(),
                                   .urgent = tcp->urgent(),
                                   .options = options};
            const Bytes payload[] = {tcp->payload()};
            Octets again(70'000);
            again.resize(write_tcp(
                again, header,
                {.source = ip->source, .destination = ip->destination, .payload = payload}));
            ASSERT_TRUE(
                std::equal(again.begin(), again.end(), ip->payload.begin(), ip->payload.end()))
                << path;
            ++same;
        }
    }
    EXPECT_GT(same, 200U);
}

}  // namespace
}  // namespace estab::wire
