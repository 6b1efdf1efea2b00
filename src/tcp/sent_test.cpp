// The scoreboard against a plain model: an array with one cell for each octet.
#include "tcp/sent.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "base/rng.hpp"

namespace estab::tcp {
namespace {

constexpr std::uint64_t start = (std::uint64_t{1} << 32) + 4'000'000'000;  // across the wrap

struct Model {
    struct Cell {
        bool sacked = false, lost = false;
        Instant sent{};
        int times = 1;
    };
    std::vector<Cell> cells;
    std::uint64_t una = 0;
    Seq seq(std::uint64_t i) const { return Seq(start + i); }
    std::uint64_t count(bool Cell::*what) const {
        return static_cast<std::uint64_t>(
            std::count_if(cells.begin() + static_cast<std::ptrdiff_t>(una), cells.end(),
                          [&](const Cell& c) { return c.*what; }));
    }
};

void compare(SentQueue& q, const Model& m) {
    std::uint64_t at = m.una;
    for (Sent* r = q.first(); r != nullptr; r = r->next) {
        ASSERT_EQ(r->begin, m.seq(at));
        ASSERT_EQ(q.find(r->begin), r);
        ASSERT_EQ(q.find(r->end - 1), r);
        for (std::uint64_t i = 0; i < r->size(); ++i, ++at) {
            ASSERT_EQ(r->sacked, m.cells[at].sacked);
            ASSERT_EQ(r->lost, m.cells[at].lost);
            if (!r->sacked) {
                ASSERT_EQ(r->sent_at, m.cells[at].sent);
            }
        }
    }
    ASSERT_EQ(at, m.cells.size());
    ASSERT_EQ(q.lost_bytes(), m.count(&Model::Cell::lost));
    ASSERT_EQ(q.sacked_bytes(), m.count(&Model::Cell::sacked));
    Instant before = Instant::min();
    std::uint64_t flying = 0;
    for (Sent* r = q.oldest_in_flight(); r != nullptr; r = SentQueue::next_in_flight(*r)) {
        ASSERT_TRUE(r->in_flight());
        ASSERT_LE(before, r->sent_at);  // in the order of sending
        before = r->sent_at;
        flying += r->size();
    }
    ASSERT_EQ(flying + q.lost_bytes() + q.sacked_bytes(), m.cells.size() - m.una);
}

void run(std::uint64_t seed) {
    SCOPED_TRACE(testing::Message() << "--seed=" << seed);
    Memory memory(8 << 20);
    SentPool pool(memory);
    {
        SentQueue q(pool);
        Model m;
        Rng rng(seed);
        Instant now(1s);
        for (int step = 0; step < 400; ++step) {
            now += 1ms;
            switch (rng.below(6)) {
            case 0:
            case 1: {
                const std::uint64_t n = 1 + rng.below(40);
                q.append(m.seq(m.cells.size()), m.seq(m.cells.size() + n), 1, now);
                m.cells.insert(m.cells.end(), n, {.sent = now});
                break;
            }
            case 2: {  // a SACK block anywhere
                if (m.una == m.cells.size()) break;
                const std::uint64_t from = m.una + rng.below(m.cells.size() - m.una);
                const std::uint64_t to =
                    std::min<std::uint64_t>(from + 1 + rng.below(60), m.cells.size());
                SentQueue::Acked acked;
                q.sack(m.seq(from), m.seq(to), acked, [](const Sent&, std::uint64_t) {});
                std::uint64_t fresh = 0;
                for (std::uint64_t i = from; i < to; ++i) {
                    fresh += !m.cells[i].sacked;
                    m.cells[i].sacked = true;
                    m.cells[i].lost = false;
                }
                ASSERT_EQ(acked.delivered, fresh);
                break;
            }
            case 3: {  // a cumulative acknowledgment
                const std::uint64_t to = m.una + rng.below(m.cells.size() - m.una + 1) / 2;
                std::uint64_t fresh = 0;
                for (std::uint64_t i = m.una; i < to; ++i) fresh += !m.cells[i].sacked;
                ASSERT_EQ(q.acknowledge(m.seq(to)).delivered, fresh);
                m.una = to;
                break;
            }
            case 4: {  // something is lost
                if (m.una == m.cells.size()) break;
                Sent* r = q.find(m.seq(m.una + rng.below(m.cells.size() - m.una)));
                ASSERT_NE(r, nullptr);
                q.mark_lost(*r);
                if (r->sacked) break;
                for (std::uint64_t i = 0; i < r->size(); ++i) {
                    m.cells[r->begin.value() - start + i].lost = true;
                }
                break;
            }
            case 5: {  // and sent again
                Sent* r = q.first_lost();
                if (r == nullptr) break;
                if (r->size() > 7) q.split(*r, r->begin + 7);
                for (std::uint64_t i = 0; i < r->size(); ++i) {
                    Model::Cell& c = m.cells[r->begin.value() - start + i];
                    c.lost = false;
                    c.sent = now;
                }
                q.mark_retransmitted(*r, now);
                break;
            }
            }
            compare(q, m);
            if (testing::Test::HasFatalFailure()) return;
        }
    }
    EXPECT_EQ(pool.in_use(), 0u);
    EXPECT_EQ(memory.used(), 0u);
}

TEST(SentQueue, ASegmentOfWhichABlockCoversAPartIsMissing) {
    Memory memory(1 << 20);
    SentPool pool(memory);
    SentQueue q(pool);
    q.append(Seq(start), Seq(start + 40), 10, Instant(1s));
    SentQueue::Acked acked;
    q.sack(Seq(start + 13), Seq(start + 37), acked, [](const Sent&, std::uint64_t) {});
    EXPECT_EQ(acked.delivered, 10u);  // [20, 30)
    EXPECT_EQ(q.sacked_bytes(), 10u);
    q.sack(Seq(start + 1), Seq(start + 9), acked, [](const Sent&, std::uint64_t) {});
    EXPECT_EQ(acked.delivered, 10u);
    EXPECT_EQ(q.acknowledge(Seq(start + 40)).delivered, 30u);
}

TEST(SentQueue, AgreesWithAModelOfOctets) {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) run(seed);
}

TEST(SentQueue, TenThousandHolesAreFoundInFewSteps) {
    Memory memory(16 << 20);
    SentPool pool(memory);
    SentQueue q(pool);
    for (std::uint64_t i = 0; i < 20'000; ++i)
        q.append(Seq(start + i * 10), Seq(start + i * 10 + 10), 10, Instant(1s));
    SentQueue::Acked acked;
    for (std::uint64_t i = 1; i < 20'000; i += 2) {  // every other one, from both ends inwards
        const std::uint64_t k = i % 4 == 1 ? i : 20'000 - i;
        q.sack(Seq(start + (k | 1) * 10), Seq(start + (k | 1) * 10 + 10), acked,
               [](const Sent&, std::uint64_t) {});
    }
    EXPECT_GT(q.sacked_bytes(), 0u);
    EXPECT_EQ(acked.delivered, q.sacked_bytes());
}

TEST(SentQueue, JoinsTheLastRecordWithoutMemory) {
    Memory memory(Memory::slab_bytes);
    SentPool pool(memory);
    SentQueue q(pool);
    const std::uint64_t n = SentPool::per_slab() + 10;
    for (std::uint64_t i = 0; i < n; ++i) {
        ASSERT_TRUE(
            q.append(Seq(start + i * 10), Seq(start + i * 10 + 10), 10, Instant(Duration(i))));
    }
    EXPECT_EQ(q.last()->end, Seq(start + n * 10));
    EXPECT_EQ(q.last()->size(), 110u);
    EXPECT_EQ(q.last()->sent_at, Instant(Duration(n - 1)));
}

}  // namespace
}  // namespace estab::tcp
