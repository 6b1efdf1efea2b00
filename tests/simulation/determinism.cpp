// A run is a function of its scenario and its seed: the hash of everything that happened is the
// same twice, in pieces, on every machine and with every compiler. tests/simulation/hashes.txt has
// those of a few runs; g++ and clang both compare with it. Who changes what TCP sends writes it
// anew, and looks at what else has changed:
//
//   ESTAB_HASHES=write simulation_test --gtest_filter=Determinism.*
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>

#include "congestion/algorithm.hpp"
#include "sim/dumbbell.hpp"
#include "sim/swarm.hpp"

namespace estab::sim {
namespace {

constexpr const char* file = ESTAB_SOURCE_DIR "/tests/simulation/hashes.txt";

DumbbellSettings shared(std::uint64_t seed, std::string_view cc, std::string_view path) {
    DumbbellSettings s;
    s.seed = seed;
    s.there = link::parse_path(path)->up;
    s.flows.resize(2);
    for (tcp::Config& config : s.flows) config.congestion_control = congestion::find(cc);
    s.spread = 500ms;
    s.duration = 4s;
    return s;
}

// As different as they can be: each algorithm, queue and fault, applications, a middlebox, an
// outage, datagrams, another MTU, a rate that changes.
std::map<std::string, DumbbellSettings> runs() {
    std::map<std::string, DumbbellSettings> all;
    for (const std::uint64_t seed : {1u, 2u}) {
        const std::string n = "-" + std::to_string(seed);
        all["cubic" + n] = shared(seed, "cubic", "rate=20mbit,queue=1bdp,loss=0.1%");
        all["reno-red" + n] = shared(seed, "reno", "rate=20mbit,queue=red");
        all["bbr" + n] = shared(seed, "bbr", "rate=20mbit,queue=2bdp,loss=1%,jitter=2ms");
        all["dctcp-ce" + n] = shared(seed, "dctcp", "rate=20mbit,queue=100p,ce=20p");
        for (tcp::Config& c : all["dctcp-ce" + n].flows) c.ecn = tcp::EcnMode::on;
        for (const char* queue : {"codel", "fq_codel", "pie", "dualpi2"}) {
            all[queue + n] = shared(seed, "cubic", std::string("rate=10mbit,queue=") + queue);
        }
        DumbbellSettings wild = shared(
            seed, "cubic",
            "rate=20mbit,queue=64k,burst-loss=1%/20%,reorder=2%,duplicate=1%,corrupt=0.1%");
        wild.big_segments = true;
        wild.clock = 1ms;
        all["wild" + n] = wild;
        DumbbellSettings life = shared(seed, "cubic", "rate=10mbit,queue=1bdp");
        life.flows.resize(3);
        life.plans = {{.order = {.up = 1'000, .down = 20'000, .rounds = 50}},
                      {.order = {.up = 1'000'000, .client_writes = {100'000, 300ms}}},
                      {.order = {.up = 2'000'000, .server_reads = {50'000, 100ms}}}};
        life.datagrams = {{.rate_bits = 2'000'000, .on = 500ms, .off = 300ms, .is_random = true}};
        life.changes = {{.at = 1s, .there = {.loss = ppm_all}, .back = life.there},
                        {.at = 1500ms, .there = life.there, .back = life.there, .mtu = 1300}};
        life.box = Middlebox::Settings{.rewrite_numbers = true, .split_over = 700};
        all["life" + n] = life;
        DumbbellSettings traced = shared(seed, "bbr", "queue=50p");
        link::follow(traced.there, *link::parse_rate_trace("", "1\n2\n2\n5\n9\n10\n"));
        all["trace" + n] = traced;
    }
    return all;
}

std::uint64_t hash_of(const DumbbellSettings& settings, Duration piece) {
    Dumbbell d(settings);
    for (Instant at = d.world().now(); at < d.end(); at = after(at, piece)) d.run_to(at);
    d.run_to(d.end());
    return d.report().hash;
}

std::uint64_t swarm_hash(std::uint64_t first) {
    std::uint64_t sum = 0;
    for (std::uint64_t seed = first; seed < first + 20; ++seed) sum += run_seed(seed).hash;
    return sum;
}

std::string in_hex(std::uint64_t hash) {
    char text[17];
    std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(hash));
    return text;
}

TEST(Determinism, TheHashesAreTheRecordedOnes) {
    std::map<std::string, std::string> found, recorded;
    for (const auto& [name, settings] : runs()) {
        found[name] = in_hex(hash_of(settings, 10s));
        EXPECT_EQ(found[name], in_hex(hash_of(settings, 333ms))) << name << " in pieces";
    }
    for (const std::uint64_t first : {1u, 5'001u}) {
        found["swarm-" + std::to_string(first)] = in_hex(swarm_hash(first));
    }
    if (std::getenv("ESTAB_HASHES") != nullptr) {
        std::ofstream out(file);
        for (const auto& [name, hash] : found) out << name << " " << hash << "\n";
        return;
    }
    std::ifstream in(file);
    for (std::string name, hash; in >> name >> hash;) recorded[name] = hash;
    EXPECT_EQ(found, recorded) << "TCP sends something else than when " << file
                               << " was written, or the compilers disagree. To write it anew: "
                                  "ESTAB_HASHES=write simulation_test "
                                  "--gtest_filter='Determinism.*'";
}

TEST(Determinism, AnotherSeedIsAnotherRun) {
    const auto all = runs();
    for (const char* name : {"cubic", "bbr", "wild"}) {
        const std::string text = name;
        EXPECT_NE(hash_of(all.at(text + "-1"), 10s), hash_of(all.at(text + "-2"), 10s));
    }
}

}  // namespace
}  // namespace estab::sim
