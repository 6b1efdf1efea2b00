// Shards in memory: each thread has two stacks on a wire of its own and carries one stream, MTU
// 1500, checksums made and verified. What all of them carry together, by the wall clock: with a
// processor for each thread it is what one carries, times the number of threads.
#include <time.h>

#include <barrier>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <thread>
#include <vector>

#include "link/memory_link.hpp"
#include "stack/turn.hpp"

namespace {

using namespace estab;

constexpr std::uint32_t mtu = 1500;

double wall_seconds() {
    timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

[[noreturn]] void die(const char* why) {
    std::fprintf(stderr, "shards_bench: %s\n", why);
    std::exit(1);
}

class Pair {
public:
    explicit Pair(std::uint64_t seed)
        : client_(now_, {.seed = seed * 2}), server_(now_, {.seed = seed * 2 + 1}) {
        client_.attach(caps());
        server_.attach(caps());
        if (!client_.routes().add_address(*wire::Prefix::parse("10.0.0.1/24")) ||
            !server_.routes().add_address(*wire::Prefix::parse("10.0.0.2/24")))
            die("addresses");
        const auto listener = server_.listen({.port = 80});
        const auto from = client_.connect(now_, {wire::Address::v4(10, 0, 0, 2), 80}, {});
        if (!listener || !from) die("connect");
        from_ = *from;
        Result<stack::ConnectionId> to = fail(Error::would_block);
        for (int i = 0; i < 100 && !to; ++i) {
            turn();
            to = server_.accept(*listener);
        }
        if (!to) die("accept");
        to_ = *to;
    }

    void carry(std::uint64_t octets) {
        static constexpr std::uint8_t page[65'536] = {};
        for (std::uint64_t sent = 0, got = 0; got < octets;) {
            while (sent < octets) {
                const auto n = client_.write(
                    now_, from_, {page, std::min<std::uint64_t>(sizeof page, octets - sent)});
                if (!n) break;
                sent += *n;
            }
            turn();
            for (Bytes there = server_.peek(to_); !there.empty(); there = server_.peek(to_)) {
                got += there.size();
                server_.consume(now_, to_, there.size());
            }
        }
    }

private:
    static device::Caps caps() {
        return {.link = device::LinkType::ip, .mtu = mtu, .frame_max = mtu};
    }
    void turn() {
        now_ += 5us;
        stack::turn(client_, wire_.end(0), now_);
        stack::turn(server_, wire_.end(1), now_);
    }

    Instant now_ = Instant(1s);
    link::MemoryLink wire_{{.caps = caps(), .frames_max = 64}};
    stack::Stack client_, server_;
    stack::ConnectionId from_, to_;
};

}  // namespace

int main(int argc, char** argv) {
    const std::uint64_t threads = argc > 2 ? std::strtoull(argv[1], nullptr, 0) : 0;
    const std::uint64_t octets = argc > 2 ? std::strtoull(argv[2], nullptr, 0) : 0;
    if (threads == 0 || threads > 1024 || octets == 0) {
        std::fprintf(stderr, "usage: shards_bench THREADS OCTETS (that each carries)\n");
        return 2;
    }
    // Made, and warmed up, by the thread that uses it: then its memory is near.
    double begin = 0;
    std::barrier ready(static_cast<std::ptrdiff_t>(threads),
                       [&begin]() noexcept { begin = wall_seconds(); });
    std::vector<std::thread> all;
    for (std::uint64_t i = 0; i < threads; ++i) {
        all.emplace_back([&ready, i, octets] {
            const auto pair = std::make_unique<Pair>(i + 1);
            pair->carry(octets / 10);
            ready.arrive_and_wait();
            pair->carry(octets);
        });
    }
    for (std::thread& thread : all) thread.join();
    const double took = wall_seconds() - begin;
    std::printf("%.2f Gbit/s with %llu shards\n",
                static_cast<double>(octets * threads) * 8 / took / 1e9,
                static_cast<unsigned long long>(threads));
}
