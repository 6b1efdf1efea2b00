#include "tcp/recv_buffer.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/rng.hpp"

namespace estab::tcp {
namespace {

constexpr Seq start{(std::uint64_t{1} << 32) + 4'294'960'000};

Payload payload(const std::string& text) {
    return Payload(Bytes{reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
}

std::string read(RecvBuffer& buffer, std::size_t octets_max) {
    std::vector<std::uint8_t> into(octets_max);
    const std::size_t n = buffer.read(into);
    return {into.begin(), into.begin() + static_cast<std::ptrdiff_t>(n)};
}

struct Fixture {
    explicit Fixture(std::size_t limit = 1 << 20) : memory(limit) {}
    Memory memory;
    ChunkPool chunks{memory};
    RecvBuffer buffer{chunks, start};
};

TEST(RecvBuffer, InOrderTextIsReadAsItCame) {
    Fixture f;
    const auto result = f.buffer.insert(start, payload("hello"));
    EXPECT_EQ(result.in_order, 5u);
    EXPECT_EQ(result.fresh, 5u);
    EXPECT_FALSE(result.duplicate);
    EXPECT_EQ(f.buffer.next(), start + 5);
    EXPECT_EQ(read(f.buffer, 3), "hel");
    EXPECT_EQ(f.buffer.peek().size(), 2u);
    EXPECT_EQ(read(f.buffer, 9), "lo");
    EXPECT_EQ(f.memory.used(), 0u);
}

TEST(RecvBuffer, AHoleIsFilled) {  // RFC 9293 SHLD-31
    Fixture f;
    const auto late = f.buffer.insert(start + 3, payload("def"));
    EXPECT_EQ(late.in_order, 0u);
    EXPECT_EQ(late.fresh, 3u);
    EXPECT_EQ(late.merged, (Interval{start.value() + 3, start.value() + 6}));
    EXPECT_EQ(f.buffer.held(), 3u);
    const auto hole = f.buffer.insert(start, payload("abcX"));
    EXPECT_EQ(hole.in_order, 6u);
    EXPECT_EQ(hole.fresh, 3u);
    EXPECT_EQ(hole.duplicate_range, (Interval{start.value() + 3, start.value() + 4}));
    EXPECT_TRUE(f.buffer.out_of_order().empty());
    EXPECT_EQ(read(f.buffer, 9), "abcdef");  // the first copy counts
}

TEST(RecvBuffer, ReportsTheFirstRunOfDuplicates) {  // RFC 2883 4
    Fixture f;
    f.buffer.insert(start, payload("ab"));
    f.buffer.insert(start + 4, payload("ef"));
    const auto all = f.buffer.insert(start + 4, payload("ef"));
    EXPECT_EQ(all.fresh, 0u);
    EXPECT_EQ(all.duplicate_range, all.merged);
    const auto old = f.buffer.insert(start, payload("a"));
    EXPECT_EQ(old.duplicate_range, (Interval{start.value(), start.value() + 1}));
    EXPECT_EQ(old.merged, Interval{});
    const auto both = f.buffer.insert(start + 1, payload("bcde"));
    EXPECT_EQ(both.duplicate_range, (Interval{start.value() + 1, start.value() + 2}));
    EXPECT_EQ(both.in_order, 4u);
    EXPECT_EQ(both.fresh, 2u);
}

TEST(RecvBuffer, OneRangeTooManyIsRefused) {
    Fixture f;
    for (std::uint64_t i = 0; i != RecvBuffer::ranges_max; ++i) {
        ASSERT_FALSE(f.buffer.insert(start + 2 + 2 * i, payload("x")).refused);
    }
    EXPECT_EQ(f.buffer.out_of_order().size(), RecvBuffer::ranges_max);
    EXPECT_TRUE(f.buffer.insert(start + 2 + 2 * RecvBuffer::ranges_max, payload("x")).refused);
    EXPECT_FALSE(f.buffer.insert(start + 3, payload("y")).refused);  // joins two
    EXPECT_FALSE(f.buffer.insert(start + 2 + 2 * RecvBuffer::ranges_max, payload("x")).refused);
    EXPECT_EQ(f.buffer.drop_out_of_order(), RecvBuffer::ranges_max + 2);
    EXPECT_EQ(f.memory.used(), 0u);
}

TEST(RecvBuffer, TheFarEndOfTheLargestWindowHasAPlace) {
    Fixture f{8 << 20};
    const std::uint64_t far = (std::uint64_t{1} << 30) - 1;
    EXPECT_FALSE(f.buffer.insert(start + far, payload("z")).refused);
    EXPECT_EQ(f.buffer.held(), 1u);
    EXPECT_EQ(f.buffer.drop_out_of_order(), 1u);
    EXPECT_EQ(f.memory.used(), 0u);
    Fixture poor{1 << 20};
    EXPECT_TRUE(poor.buffer.insert(start + far, payload("z")).refused);
    EXPECT_EQ(poor.memory.used(), 0u);
}

TEST(RecvBuffer, DroppingKeepsWhatIsInOrder) {
    Fixture f;
    f.buffer.insert(start, payload("abc"));
    f.buffer.insert(start + 4, payload("e"));
    f.buffer.insert(start + 9000, payload("f"));
    EXPECT_EQ(f.buffer.drop_out_of_order(), 2u);
    EXPECT_EQ(f.chunks.in_use(), 1u);
    EXPECT_EQ(f.buffer.held(), 3u);
    EXPECT_EQ(read(f.buffer, 9), "abc");
}

// The octets that are held, by sequence number.
class Held {
public:
    bool contains(std::uint64_t s) const {
        const std::uint64_t i = s - start.value();
        return i < octets_.size() && octets_[i] >= 0;
    }
    std::uint8_t at(std::uint64_t s) const {
        return static_cast<std::uint8_t>(octets_.at(s - start.value()));
    }
    void set(std::uint64_t s, char octet) {
        if (s - start.value() >= octets_.size()) octets_.resize(s - start.value() + 1, -1);
        octets_[s - start.value()] = static_cast<std::uint8_t>(octet);
        ++count_;
    }
    void erase(std::uint64_t s) {
        octets_[s - start.value()] = -1;
        --count_;
    }
    void erase_from(std::uint64_t s) {
        for (; s < start.value() + octets_.size(); ++s) {
            if (contains(s)) erase(s);
        }
    }
    std::uint64_t size() const { return count_; }

private:
    std::vector<std::int16_t> octets_;
    std::uint64_t count_ = 0;
};

// Random segments of one stream, some with other octets in places that are held already, against a
// list of octets. Memory is short in most runs.
class RecvLaw {
public:
    RecvLaw(std::uint64_t seed, std::size_t limit, std::uint64_t window)
        : rng_(seed), f_(limit), window_(window) {}

    void run(int steps) {
        for (int i = 0; i != steps && !::testing::Test::HasFatalFailure(); ++i) step();
        f_.buffer.drop_out_of_order();
        f_.buffer.consume(f_.buffer.unread());
        EXPECT_EQ(f_.memory.used(), 0u);
    }
    bool refused() const { return refused_; }

private:
    void step() {
        switch (rng_.below(10)) {
            case 0: consume(); break;
            case 1: peek(); break;
            case 2: if (rng_.chance(30'000)) drop(); break;
            default: insert(); break;
        }
        check();
    }
    void insert() {
        std::uint64_t from = next();
        if (rng_.chance(400'000)) from += rng_.below(window_ / 2 + 1);
        if (rng_.chance(300'000)) from -= rng_.below(std::min(from - start.value() + 1, 5000ul));
        const std::uint64_t end_max = begin_ + window_;
        if (from >= end_max) return;
        const std::uint64_t length =
            std::min(rng_.below(rng_.chance(200'000) ? 40'000 : 1449), end_max - from);
        std::string text(length, '\0');
        for (char& c : text) c = static_cast<char>(rng_.next());
        Payload cut;
        const Payload whole = payload(text);
        const Bytes all = whole.empty() ? Bytes{} : whole.pieces()[0];
        for (std::size_t done = 0; done != all.size();) {  // in up to four pieces
            const std::size_t left = all.size() - done;
            const std::size_t n = cut.pieces().size() == 3 ? left : rng_.below(left) + 1;
            cut.add(all.subspan(done, n));
            done += n;
        }
        judge(from, text, f_.buffer.insert(Seq(from), cut));
    }
    void judge(std::uint64_t from, const std::string& text, const RecvBuffer::Inserted& result) {
        const std::uint64_t next_before = next();
        Interval duplicate{};
        std::uint64_t fresh = 0;
        for (std::uint64_t s = from; s != from + text.size(); ++s) {
            if (s < next_before || held_.contains(s)) {
                if (duplicate.size() == 0) duplicate = {s, s};
                if (duplicate.end == s) duplicate.end = s + 1;
            } else {
                ++fresh;
                if (!result.refused) held_.set(s, text[s - from]);
            }
        }
        ASSERT_EQ(result.duplicate, duplicate.size() != 0);
        ASSERT_EQ(result.duplicate_range, duplicate);
        ASSERT_EQ(result.fresh, result.refused ? 0 : fresh);
        ASSERT_EQ(result.in_order, next() - next_before);
        refused_ |= result.refused;
        if (from > next_before && !result.refused && !text.empty()) {
            ASSERT_LE(result.merged.begin, from);
            ASSERT_GE(result.merged.end, from + text.size());
        } else {
            ASSERT_EQ(result.merged, Interval{});
        }
    }
    void consume() {
        const std::uint64_t unread = next() - begin_;
        const bool everything = rng_.chance(300'000);
        const std::string text = read(f_.buffer, everything ? unread : rng_.below(unread + 1));
        for (char c : text) {
            ASSERT_EQ(held_.at(begin_), static_cast<std::uint8_t>(c)) << "at " << begin_;
            held_.erase(begin_);
            ++begin_;
        }
        next_ = std::max(next_, begin_);
    }
    void peek() {
        const std::uint64_t unread = next() - begin_;
        ASSERT_EQ(f_.buffer.peek().empty(), unread == 0);
        const std::uint64_t offset = rng_.below(unread + 2);
        std::vector<std::uint8_t> into(rng_.below(9000));
        const std::size_t n = f_.buffer.peek(offset, into);
        ASSERT_EQ(n, offset >= unread ? 0 : std::min(unread - offset, std::uint64_t{into.size()}));
        for (std::size_t i = 0; i != n; ++i) ASSERT_EQ(into[i], held_.at(begin_ + offset + i));
    }
    void drop() {
        const std::uint64_t dropped = held_.size() - (next() - begin_);
        ASSERT_EQ(f_.buffer.drop_out_of_order(), dropped);
        held_.erase_from(next());
    }
    void check() {
        ASSERT_EQ(f_.buffer.begin().value(), begin_);
        ASSERT_EQ(f_.buffer.next().value(), next());
        ASSERT_EQ(f_.buffer.held(), held_.size());
        std::uint64_t below = next();
        for (const Interval& range : f_.buffer.out_of_order()) {
            ASSERT_LT(below, range.begin);
            ASSERT_LT(range.begin, range.end);
            ASSERT_TRUE(held_.contains(range.begin) && held_.contains(range.end - 1));
            ASSERT_FALSE(held_.contains(range.begin - 1) || held_.contains(range.end));
            below = range.end;
        }
        if (held_.size() == 0) {
            ASSERT_EQ(f_.memory.used(), 0u);
        }
    }
    std::uint64_t next() {
        while (held_.contains(next_)) ++next_;
        return next_;
    }

    Rng rng_;
    Fixture f_;
    std::uint64_t window_;
    std::uint64_t begin_ = start.value();
    std::uint64_t next_ = start.value();
    Held held_;
    bool refused_ = false;
};

TEST(RecvBuffer, KeepsEveryOctetAtItsPlace) {
    bool refused = false;
    for (std::uint64_t seed = 1; seed <= 16; ++seed) {
        SCOPED_TRACE("--seed=" + std::to_string(seed));
        const std::uint64_t window = seed % 3 == 0 ? 12'000 : seed % 3 == 1 ? 60'000 : 300'000;
        RecvLaw law{seed, seed % 4 * Memory::slab_bytes + Memory::slab_bytes, window};
        law.run(700);
        refused |= law.refused();
    }
    EXPECT_TRUE(refused);
    RecvLaw rich{99, 64 << 20, 4 << 20};
    rich.run(500);
    EXPECT_FALSE(rich.refused());
}

}  // namespace
}  // namespace estab::tcp
