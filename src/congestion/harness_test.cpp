#include "congestion/harness.hpp"

#include <gtest/gtest.h>

#include <string>

#include "congestion/cubic.hpp"
#include "congestion/reno.hpp"

namespace estab::congestion {

void PrintTo(const Violation& v, std::ostream* os) {
    *os << "rule " << static_cast<int>(v.rule) << " broken at event " << v.event
        << ", --seed=" << v.seed << ": cwnd " << v.before << " -> " << v.after << ", mss " << v.mss;
}

namespace {

TEST(Harness, EveryBuiltInAlgorithmKeepsTheRules) {
    for (const Table* table : built_in()) {
        for (std::uint64_t seed = 1; seed <= 60; ++seed) {
            Trial trial{.seed = seed, .events = 5'000};
            const bool has_model = table->name == "bbr";  // of the path, which is its window
            trial.reacts_to_loss = table->name != "fixed" && !has_model;
            trial.validates_window = !has_model;
            ASSERT_EQ(try_out(*table, trial), std::nullopt) << table->name;
        }
    }
}

TEST(Harness, LinuxsCubicKeepsThemToo) {
    const Table* table = find("cubic-linux");
    ASSERT_NE(table, nullptr);
    for (std::uint64_t seed = 1; seed <= 60; ++seed)
        ASSERT_EQ(try_out(*table, {.seed = seed, .events = 5'000}), std::nullopt);
}

TEST(Harness, EveryBuiltInAlgorithmIsFoundByItsName) {
    std::string all;
    for (const Table* table : built_in()) {
        EXPECT_EQ(find(table->name), table);
        all += (all.empty() ? "" : ", ") + std::string(table->name);
    }
    EXPECT_EQ(names(), all);
    EXPECT_EQ(find("vegas"), nullptr);
    EXPECT_EQ(find(""), nullptr);
}

// Algorithms with one fault each.
struct Deaf : Reno {
    using Reno::on;
    void on(const Congested&) {}
};
struct Collapsing : Reno {
    using Reno::on;
    void on(const TimedOut& e) {
        Reno::on(e);
        collapsed = true;
    }
    void on(const Acked& e) {
        Reno::on(e);
        collapsed = false;
    }
    std::uint64_t cwnd() const { return collapsed ? 0 : Reno::cwnd(); }
    bool collapsed = false;
};
struct Greedy : Reno {
    using Reno::on;
    void on(const Acked& e) {
        Acked twice = e;
        twice.bytes *= 3;
        Reno::on(twice);
    }
};
struct Blind : Reno {
    using Reno::on;
    void on(const Acked& e) {
        Acked limited = e;
        limited.cwnd_limited = true;
        Reno::on(limited);
    }
};
struct Shallow : Reno {
    using Reno::on;
    std::uint64_t ssthresh() const { return Reno::ssthresh() / 2; }
};
struct Eager : Reno {
    using Reno::on;
    void on(const Recovered& e) { Reno::on(Undone{e.now, cwnd() + e.mss, ssthresh()}); }
};

template <class A>
std::optional<Rule> rule_broken() {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        const auto found = try_out(table_of<A>, {.seed = seed});
        if (found) return found->rule;
    }
    return std::nullopt;
}

TEST(Harness, FindsWhatIsPlanted) {
    EXPECT_EQ(rule_broken<Reno>(), std::nullopt);
    EXPECT_EQ(rule_broken<Deaf>(), Rule::falls_with_loss);
    EXPECT_EQ(rule_broken<Collapsing>(), Rule::at_least_one_segment);
    EXPECT_EQ(rule_broken<Greedy>(), Rule::bounded);
    EXPECT_EQ(rule_broken<Blind>(), Rule::unused_window_stays);
    EXPECT_EQ(rule_broken<Shallow>(), Rule::keeps_two_segments);
    EXPECT_EQ(rule_broken<Eager>(), Rule::grows_with_acks_only);
}

TEST(Harness, ASeedTellsTheSameStoryTwice) {
    EXPECT_NE(try_out(table_of<Deaf>, {.seed = 3}), std::nullopt);
    EXPECT_EQ(try_out(table_of<Deaf>, {.seed = 3}), try_out(table_of<Deaf>, {.seed = 3}));
}

TEST(Exchange, GoesOnFromTheSameWindow) {
    Control control(table_of<Reno>, {.mss = 1000, .cwnd = 20'000, .ssthresh = 15'000});
    control.exchange(table_of<Cubic>, Instant{1s}, 1000);
    EXPECT_EQ(control.name(), "cubic");
    EXPECT_EQ(control.cwnd(), 20'000U);
    EXPECT_EQ(control.ssthresh(), 15'000U);
}

}  // namespace
}  // namespace estab::congestion
