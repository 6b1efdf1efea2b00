#include "observe/pcapng_writer.hpp"

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace estab::observe {
namespace {

struct Buffer : ByteSink {
    std::vector<std::uint8_t> bytes;
    void write(Bytes block) override { bytes.insert(bytes.end(), block.begin(), block.end()); }
    std::string hex_from(std::size_t begin) const {
        std::string text;
        for (std::size_t i = begin; i < bytes.size(); ++i) {
            char two[4];
            std::snprintf(two, sizeof two, "%02x", bytes[i]);
            if (i != begin && (i - begin) % 4 == 0) text += ' ';
            text += two;
        }
        return text;
    }
};

// ACKs from 1.2.3.4:80 to 5.6.7.8:57 and the same in IPv6.
const std::vector<std::uint8_t> v4 = {
    0x45, 0,  0, 40, 0, 1, 0x40, 0, 64, 6, 0x6a, 0xc0, 1,    2,    3, 4, 5,    6,    7, 8,
    0,    80, 0, 57, 0, 0, 0,    1, 0,  0, 0,    2,    0x50, 0x10, 2, 0, 0x3d, 0x41, 0, 0};
std::vector<std::uint8_t> v6() {
    std::vector<std::uint8_t> packet = {0x60, 0, 0, 0, 0, 20, 6, 64};
    for (int address = 0; address < 2; ++address) {
        const std::uint8_t octets[16] = {0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
        packet.insert(packet.end(), octets, octets + 16);
    }
    packet.insert(packet.end(), v4.begin() + 20, v4.end());
    return packet;
}

TEST(PcapngWriter, SectionIsByteExact) {
    Buffer out;
    PcapngWriter writer(out, {.comment = "seed=7"});
    EXPECT_EQ(out.hex_from(0),
              "0a0d0d0a 38000000 4d3c2b1a 01000000 ffffffff ffffffff "
              "04000500 65737461 62000000 "   // shb_userappl estab
              "01000600 73656564 3d370000 "   // opt_comment seed=7
              "00000000 38000000");
}

TEST(PcapngWriter, InterfaceAndPacketAreByteExact) {
    Buffer out;
    PcapngWriter writer(out, {.origin_unix_ns = 1'700'000'000'000'000'000});
    const std::size_t tun = writer.add_interface("tun0", device::LinkType::ip);
    const std::size_t begin = out.bytes.size();
    const std::uint8_t packet[] = {0x45, 1, 2, 3, 4};
    writer.write({.interface = tun, .at = Instant{1ns}, .way = link::Way::sent, .bytes = packet,
                  .comment = "é!"});
    EXPECT_EQ(out.hex_from(begin),
              "01000000 28000000 e4000000 00000400 "  // LINKTYPE_IPV4, snaplen 262144
              "02000400 74756e30 09000100 09000000 00000000 28000000 "
              "06000000 3c000000 00000000 "
              "fe9c9717 01002a36 "                    // 1,700,000,000,000,000,001 ns
              "05000000 05000000 45010203 04000000 "
              "02000400 02000000 "                    // epb_flags: outbound
              "01000300 c3a92100 00000000 3c000000");
    EXPECT_EQ(writer.packets(), 1u);
}

TEST(PcapngWriter, AFamilyHasItsInterfaceOnceItAppears) {
    Buffer out;
    PcapngWriter writer(out, {});
    const std::size_t tun = writer.add_interface("t", device::LinkType::ip);
    const std::uint8_t four[] = {0x45, 0, 0, 0}, six[] = {0x60, 0, 0, 0}, other[] = {0x10, 0, 0, 0};
    std::size_t begin = out.bytes.size();
    const auto link_type_and_id = [&](Bytes packet) {
        writer.write({.interface = tun, .bytes = packet});
        const bool is_declared = out.bytes[begin] == 1;
        const std::size_t epb = begin + (is_declared ? out.bytes[begin + 4] : 0u);
        const int link_type = is_declared ? out.bytes[begin + 8] : 0;
        const int id = out.bytes[epb + 8];
        begin = out.bytes.size();
        return std::pair{link_type, id};
    };
    EXPECT_EQ(link_type_and_id(six), (std::pair{229, 0}));
    EXPECT_EQ(link_type_and_id(six), (std::pair{0, 0}));
    EXPECT_EQ(link_type_and_id(four), (std::pair{228, 1}));
    EXPECT_EQ(link_type_and_id(six), (std::pair{0, 0}));
    writer.write({.interface = tun, .bytes = other});
    writer.write({.interface = tun, .bytes = {}});
    EXPECT_EQ(out.bytes.size(), begin);
    EXPECT_EQ(writer.unwritable(), 2u);
}

TEST(PcapngWriter, MadeUpEthernetShowsTheDirection) {
    Buffer out;
    PcapngWriter writer(out, {.ip_framing = IpFraming::ethernet});
    const std::size_t tun = writer.add_interface("tun0", device::LinkType::ip);
    const std::uint8_t six[] = {0x60, 0};
    writer.write({.interface = tun, .way = link::Way::received, .bytes = six});
    const std::size_t begin = out.bytes.size();
    writer.write({.interface = tun, .way = link::Way::sent, .bytes = six});
    EXPECT_EQ(out.hex_from(begin + 20),
              "10000000 10000000 02000000 00020200 00000001 86dd6000 02000400 02000000 00000000 "
              "3c000000");
}

TEST(PcapngWriter, LongPacketsAreCutToTheSnaplen) {
    Buffer out;
    PcapngWriter writer(out, {.snaplen = 20});
    const std::size_t eth = writer.add_interface("eth0", device::LinkType::ethernet);
    const std::vector<std::uint8_t> frame(21, 7);
    writer.write({.interface = eth, .bytes = frame});
    const std::vector<std::uint8_t> short_frame(20, 7);
    const std::size_t begin = out.bytes.size();
    writer.write({.interface = eth, .bytes = short_frame});
    EXPECT_EQ(load_be32(out.bytes.data() + begin + 20), 0x14000000u);
    EXPECT_EQ(load_be32(out.bytes.data() + begin + 24), 0x14000000u);
    EXPECT_EQ(out.bytes.size() - begin, 64u);
    EXPECT_EQ(load_be32(out.bytes.data() + begin - 64 + 24), 0x15000000u);
}

TEST(PcapngWriter, CommentsAreCutBetweenCharacters) {
    Buffer out;
    PcapngWriter writer(out, {});
    const std::size_t eth = writer.add_interface("eth0", device::LinkType::ethernet);
    std::string comment(0xfffe, 'a');
    comment += "é";  // 65,536 bytes: the é does not fit
    writer.finish();
    const std::size_t begin = out.bytes.size();
    writer.write({.interface = eth, .bytes = v4, .comment = comment});
    const std::size_t option = begin + 28 + 40 + 8;
    EXPECT_EQ(load_be32(out.bytes.data() + option), 0x0100feffu);
}

TEST(PcapngWriter, AFileWithoutPacketsHasAnInterface) {
    Buffer out;
    PcapngWriter writer(out, {});
    writer.finish();
    const std::size_t size = out.bytes.size();
    writer.finish();
    EXPECT_EQ(out.bytes.size(), size);
    EXPECT_EQ(size, 44u + 44u);
}

TEST(PcapngWriter, IsTheSinkOfATap) {
    static_assert(link::TapSink<PcapngTap>);
    Buffer out;
    PcapngWriter writer(out, {});
    PcapngTap tap(writer, writer.add_interface("tun0", device::LinkType::ip));
    tap.record(
        {.at = Instant{1s}, .way = link::Way::sent, .bytes = v6(), .offload = {}, .comment = "x"});
    EXPECT_EQ(writer.packets(), 1u);
}

TEST(PacketComment, HasFieldsAndASentence) {
    EXPECT_EQ(packet_comment({{"event", "retransmit"}, {"rto_s", "0.2"}}, "no ACK came in time"),
              "estab: event=retransmit rto_s=0.2 · no ACK came in time");
    EXPECT_EQ(packet_comment({{"why", "a \"b\""}, {"none", ""}}, ""),
              "estab: why=\"a \\\"b\\\"\" none=\"\"");
}

// ESTAB_PCAPNG_OUT=dir writes one file per framing, to be read by tcpdump and Wireshark.
TEST(PcapngWriter, FilesForOtherPrograms) {
    const char* wanted = std::getenv("ESTAB_PCAPNG_OUT");  // to keep them and look at them
    const std::string folder = wanted != nullptr ? wanted : testing::TempDir();
    const auto save = [&](const char* name, IpFraming framing, bool has_v4, bool has_v6) {
        Buffer out;
        PcapngWriter writer(out, {.comment = "seed=7", .origin_unix_ns = 1'700'000'000'000'000'000,
                                  .ip_framing = framing});
        const std::size_t tun = writer.add_interface("tun0", device::LinkType::ip);
        const std::string comment = packet_comment({{"event", "ack"}}, "a comment");
        if (has_v4)
            writer.write(
                {.interface = tun, .way = link::Way::sent, .bytes = v4, .comment = comment});
        if (has_v6) writer.write({.interface = tun, .at = Instant{1ms}, .bytes = v6()});
        writer.finish();
        std::FILE* file = std::fopen((folder + "/" + name + ".pcapng").c_str(), "wb");
        ASSERT_NE(file, nullptr);
        EXPECT_EQ(std::fwrite(out.bytes.data(), 1, out.bytes.size(), file), out.bytes.size());
        std::fclose(file);
    };
    save("v4", IpFraming::by_family, true, false);
    save("v6", IpFraming::by_family, false, true);
    save("both", IpFraming::by_family, true, true);
    save("raw", IpFraming::raw, true, true);
    save("ethernet", IpFraming::ethernet, true, true);
    save("empty", IpFraming::by_family, false, false);
}

}  // namespace
}  // namespace estab::observe
