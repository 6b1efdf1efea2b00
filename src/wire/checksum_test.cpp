#include "wire/checksum.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "base/rng.hpp"

namespace estab::wire {
namespace {

std::uint16_t naive(Bytes bytes, bool odd = false) {
    std::uint32_t sum = 0;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        sum += (i + (odd ? 1 : 0)) % 2 == 0 ? bytes[i] * 256U : bytes[i];
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return static_cast<std::uint16_t>(sum);
}

std::vector<std::uint8_t> random_bytes(std::size_t size, std::uint64_t seed) {
    Rng rng(seed);
    std::vector<std::uint8_t> bytes(size);
    for (auto& b : bytes) b = static_cast<std::uint8_t>(rng.below(256));
    return bytes;
}

TEST(Checksum, TheExampleOfRfc1071) {
    const std::uint8_t bytes[] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
    Sum sum;
    sum.add(bytes);
    EXPECT_EQ(sum.folded(), 0xddf2);
    EXPECT_EQ(checksum(bytes), 0x220d);
}

TEST(Checksum, OfNothingIsAllOnes) { EXPECT_EQ(checksum({}), 0xffff); }

TEST(Checksum, OfAKnownIpv4Header) {
    const std::uint8_t header[] = {0x45, 0x00, 0x00, 0x73, 0x00, 0x00, 0x40, 0x00, 0x40, 0x11,
                                   0x00, 0x00, 0xc0, 0xa8, 0x00, 0x01, 0xc0, 0xa8, 0x00, 0xc7};
    EXPECT_EQ(checksum(header), 0xb861);
}

TEST(Checksum, EqualsTheSlowLoopAtEveryLengthAndAlignment) {
    const auto bytes = random_bytes(400, 1);
    for (std::size_t start = 0; start < 16; ++start) {
        for (std::size_t size = 0; size <= 300; ++size) {
            for (const bool odd : {false, true}) {
                const Bytes part = Bytes(bytes).subspan(start, size);
                Sum sum;
                sum.add(part, odd);
                ASSERT_EQ(sum.folded(), naive(part, odd)) << start << ' ' << size << ' ' << odd;
            }
        }
    }
}

TEST(Checksum, CarriesAreNotLostInLongRunsOfOnes) {
    for (const std::size_t size : {200UL, 1460UL, 65535UL}) {
        const std::vector<std::uint8_t> ones(size, 0xff);
        EXPECT_EQ(checksum(ones), static_cast<std::uint16_t>(~naive(ones))) << size;
    }
}

TEST(Checksum, CopyingCopiesExactlyAndSumsTheSame) {
    const auto bytes = random_bytes(400, 2);
    for (std::size_t start = 0; start < 3; ++start) {
        for (std::size_t size = 0; size <= 300; ++size) {
            const Bytes from = Bytes(bytes).subspan(start, size);
            std::vector<std::uint8_t> to(size + 2, 0xaa);
            Sum sum;
            sum.add_copying(from, to.data() + 1, size % 3 == 0);
            ASSERT_EQ(sum.folded(), naive(from, size % 3 == 0)) << size;
            ASSERT_TRUE(std::equal(from.begin(), from.end(), to.begin() + 1));
            ASSERT_EQ(to.front(), 0xaa);
            ASSERT_EQ(to.back(), 0xaa);
        }
    }
}

TEST(Checksum, PiecesWithOddBoundariesGiveTheWhole) {
    Rng rng(3);
    const auto bytes = random_bytes(1000, 4);
    for (int round = 0; round < 500; ++round) {
        Sum sum;
        for (std::size_t at = 0; at < bytes.size();) {
            const std::size_t size = std::min<std::size_t>(rng.below(200), bytes.size() - at);
            sum.add(Bytes(bytes).subspan(at, size), at % 2 != 0);
            at += size;
        }
        ASSERT_EQ(sum.folded(), naive(bytes));
    }
}

TEST(Checksum, FieldsByValueEqualTheirBytes) {
    const std::uint8_t bytes[] = {0x12, 0x34, 0x89, 0xab, 0xcd, 0xef};
    Sum fields;
    fields.add_be16(0x1234);
    fields.add_be32(0x89abcdef);
    Sum whole;
    whole.add(bytes);
    EXPECT_EQ(fields.folded(), whole.folded());
    Sum twice = whole;
    twice.add_sum(fields);
    whole.add(bytes);
    EXPECT_EQ(twice.folded(), whole.folded());
}

TEST(Checksum, PseudoHeaderOfBothFamilies) {
    const Address a = Address::v4(192, 0, 2, 1), b = Address::v4(198, 51, 100, 2);
    const std::uint8_t v4[] = {192, 0, 2, 1, 198, 51, 100, 2, 0, 6, 0, 20};
    EXPECT_EQ(pseudo_header(a, b, 6, 20).folded(), naive(v4));
    const Address c = *Address::parse("2001:db8::1"), d = *Address::parse("2001:db8::2");
    std::vector<std::uint8_t> v6(c.octets().begin(), c.octets().end());
    v6.insert(v6.end(), d.octets().begin(), d.octets().end());
    v6.insert(v6.end(), {0, 1, 0, 20, 0, 0, 0, 6});
    EXPECT_EQ(pseudo_header(c, d, 6, 0x10014).folded(), naive(v6));
}

// RFC 1624 4: the case that RFC 1141 got wrong.
TEST(Checksum, UpdateKeepsTheRightZero) {
    EXPECT_EQ(updated_checksum(0xdd2f, 0x5555, 0x3285), 0x0000);
}

TEST(Checksum, UpdateEqualsComputingAgain) {
    Rng rng(5);
    for (int round = 0; round < 20'000; ++round) {
        auto bytes = random_bytes(20, rng.next());
        const std::uint16_t before = checksum(bytes);
        const std::size_t at = rng.below(10) * 2;
        const std::uint16_t old_word = load_be16(bytes.data() + at);
        const auto new_word = static_cast<std::uint16_t>(rng.below(0x10000));
        store_be16(bytes.data() + at, new_word);
        ASSERT_EQ(updated_checksum(before, old_word, new_word), checksum(bytes));
    }
}

TEST(Checksum, PartialIsCompletedInPlace) {
    auto packet = random_bytes(61, 6);
    const Sum pseudo = pseudo_header(Address::v4(10, 0, 0, 1), Address::v4(10, 0, 0, 2), 6, 41);
    store_be16(packet.data() + 20 + 16, pseudo.folded());
    ASSERT_TRUE(complete_checksum(packet, 20, 16));
    Sum sum = pseudo;
    sum.add(Bytes(packet).subspan(20));
    EXPECT_TRUE(sum.is_valid());
}

TEST(Checksum, AFieldOutsideIsNotCompleted) {
    std::vector<std::uint8_t> packet(38, 0);
    EXPECT_TRUE(complete_checksum(packet, 20, 16));
    EXPECT_FALSE(complete_checksum(packet, 20, 17));
    EXPECT_FALSE(complete_checksum(packet, 21, 16));
    EXPECT_FALSE(complete_checksum(packet, 39, 0));
    EXPECT_FALSE(complete_checksum(packet, 0, ~std::size_t{0}));
}

}  // namespace
}  // namespace estab::wire
