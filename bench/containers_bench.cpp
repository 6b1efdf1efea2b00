// What the containers of the core cost: each beside the memcpy that cannot be avoided, or alone.
#include <benchmark/benchmark.h>

#include <cstring>
#include <vector>

#include "base/arena.hpp"
#include "base/rng.hpp"
#include "stack/flow_table.hpp"
#include "stack/timer_wheel.hpp"
#include "tcp/buffers.hpp"

namespace {

using namespace estab;

constexpr std::size_t mss = 1448;
std::uint8_t source[65536];

// The floor: one copy into memory that wanders like the buffers' chunks.
void copy(benchmark::State& state) {
    static std::uint8_t to[65536];
    std::size_t at = 0;
    for (auto _ : state) {
        std::memcpy(to + at, source, mss);
        benchmark::ClobberMemory();
        at = (at + mss) & 0x7fff;
    }
}
BENCHMARK(copy);

void append_gather_release(benchmark::State& state) {
    Memory memory{1 << 26};
    tcp::ChunkPool chunks{memory};
    tcp::SendBuffer buffer{chunks, tcp::Seq(std::uint64_t{1} << 32)};
    buffer.append({source, static_cast<std::size_t>(state.range(0))});
    tcp::Seq una = buffer.begin();
    tcp::Payload out;
    for (auto _ : state) {
        buffer.append({source, mss});
        out.clear();
        buffer.gather(buffer.end() - mss, mss, out);
        benchmark::DoNotOptimize(out.size());
        una += mss;
        buffer.release(una);
    }
}
BENCHMARK(append_gather_release)->Arg(0)->Arg(10'000)->Arg(65'536);

void insert_consume(benchmark::State& state) {
    Memory memory{1 << 26};
    tcp::ChunkPool chunks{memory};
    tcp::RecvBuffer buffer{chunks, tcp::Seq(std::uint64_t{1} << 32)};
    const tcp::Payload segment{Bytes{source, mss}};
    buffer.insert(buffer.next(),
                  tcp::Payload{Bytes{source, static_cast<std::size_t>(state.range(0))}});
    for (auto _ : state) {
        auto inserted = buffer.insert(buffer.next(), segment);
        benchmark::DoNotOptimize(inserted);
        buffer.consume(mss);
    }
}
BENCHMARK(insert_consume)->Arg(0)->Arg(10'000)->Arg(65'535);

struct Find {
    std::vector<stack::TimerLinks>* records;
    stack::TimerLinks& operator()(std::uint32_t ref) const { return (*records)[ref]; }
};

// A connection's retransmission timer under load: armed anew with each segment, and rarely fired.
void arm_later(benchmark::State& state) {
    std::vector<stack::TimerLinks> records(static_cast<std::size_t>(state.range(0)));
    stack::TimerWheel<Find> wheel{Instant{}, Find{&records}};
    Instant now{};
    std::uint32_t ref = 0;
    for (auto _ : state) {
        now += 1us;
        wheel.arm(ref, now + 200ms);
        wheel.advance(now, [&](std::uint32_t late) { wheel.arm(late, now + 200ms); });
        if (++ref == records.size()) ref = 0;
    }
}
BENCHMARK(arm_later)->Arg(1)->Arg(1'000)->Arg(1'000'000);

void flow_find(benchmark::State& state) {
    const auto many = static_cast<std::uint32_t>(state.range(0));
    Memory memory{1 << 28};
    std::vector<wire::FourTuple> tuples(many);
    stack::FlowTable table{memory, {1, 2}};
    for (std::uint32_t n = 0; n != many; ++n) {
        const auto octet = [n](int i) { return static_cast<std::uint8_t>(n >> (8 * i)); };
        tuples[n] = {{wire::Address::v4(10, 0, 0, 1), 80},
                     {wire::Address::v4(10, octet(2), octet(1), octet(0)), 9}};
        if (!table.insert(tuples[n], n)) return state.SkipWithError("full");
    }
    Rng rng{1};
    const auto tuple = [&](std::uint32_t ref) -> const wire::FourTuple& { return tuples[ref]; };
    for (auto _ : state) {
        benchmark::DoNotOptimize(table.find(tuples[rng.below(many)], tuple));
    }
}
BENCHMARK(flow_find)->Arg(10)->Arg(10'000)->Arg(1'000'000);

struct Record {
    std::uint8_t octets[512];
    Record() {}
};

void arena_make_free(benchmark::State& state) {
    Memory memory{1 << 26};
    Arena<Record> arena{memory};
    for (auto _ : state) {
        const std::uint32_t index = arena.make();
        benchmark::DoNotOptimize(arena[index]);
        arena.free(index);
    }
}
BENCHMARK(arena_make_free);

}  // namespace

BENCHMARK_MAIN();
