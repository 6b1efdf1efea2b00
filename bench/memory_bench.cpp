// Two stacks on a wire in memory, one thread: what a segment, a connection, an idle connection and
// a look-up cost. Frames are at most MTU 1500, checksums are made and verified. Time inside is
// virtual, so that every run is the same; what is printed is the processor time of this process.
#include <time.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string_view>
#include <vector>

#include "link/memory_link.hpp"
#include "stack/turn.hpp"
#include "wire/ip.hpp"
#include "wire/tcp.hpp"

namespace {

std::uint64_t allocations = 0;  // calls of malloc and its kin, by anyone in this process

}  // namespace

extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_memalign(std::size_t, std::size_t);
void* malloc(std::size_t octets) {
    ++allocations;
    return __libc_malloc(octets);
}
void* aligned_alloc(std::size_t alignment, std::size_t octets) {
    ++allocations;
    return __libc_memalign(alignment, octets);
}
}

namespace {

using namespace estab;
using stack::ConnectionId;
using stack::Stack;
using wire::Address;

constexpr std::uint32_t mtu = 1500;
constexpr Duration turn_time = 5us;  // of virtual time

double seconds() {
    timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

[[noreturn]] void die(const char* why) {
    std::fprintf(stderr, "memory_bench: %s\n", why);
    std::exit(1);
}

device::Caps plain() { return {.link = device::LinkType::ip, .mtu = mtu, .frame_max = mtu}; }

struct World {
    Instant now = Instant(1s);
    link::MemoryLink wire{{.caps = plain(), .frames_max = 64}};
    Stack client, server;
    stack::ListenerId listener;
    std::uint32_t addresses;  // of the client

    explicit World(const tcp::Config& config = {}, std::uint32_t client_addresses = 1)
        : client(now, {.config = config, .memory_bytes = std::size_t{1} << 31, .seed = 1}),
          server(now, {.config = config, .memory_bytes = std::size_t{1} << 31, .seed = 2}),
          addresses(client_addresses) {
        client.attach(plain());
        server.attach(plain());
        bool added = server.routes().add_address({Address::v4(10, 0, 0, 2), 16}).has_value();
        for (std::uint32_t i = 0; i < addresses; ++i)
            added &= client.routes().add_address({client_address(i), 16}).has_value();
        if (!added) die("addresses");
        listener = server.listen({.any_port = true}).value();
    }
    static Address client_address(std::uint32_t i) {
        return Address::v4(10, 0, static_cast<std::uint8_t>(1 + i / 128),
                           static_cast<std::uint8_t>(1 + i % 128));
    }
    std::size_t turns() {
        now += turn_time;
        return turn(client, wire.end(0), now) + turn(server, wire.end(1), now);
    }
    void settle() {
        while (turns() != 0) {
        }
    }
    // Both ends of a new connection. A remote port has 28,232 local ones to be reached from, a
    // random free one of which is drawn each time: the port changes long before they are scarce.
    struct Pair {
        ConnectionId client, server;
    };
    ConnectionId open(std::uint64_t number) {
        const auto port = static_cast<std::uint16_t>(1000 + number / addresses / 4096);
        const auto from = client_address(static_cast<std::uint32_t>(number % addresses));
        const auto id =
            client.connect(now, {Address::v4(10, 0, 0, 2), port}, {.local_address = from});
        if (!id) die("connect");
        return *id;
    }
    Pair connect(std::uint64_t number) {
        const ConnectionId id = open(number);
        Result<ConnectionId> accepted = fail(Error::would_block);
        for (int i = 0; i < 100 && !accepted; ++i) {
            turns();
            accepted = server.accept(listener);
        }
        if (!accepted) die("accept");
        return {id, *accepted};
    }
};

// Reads what is there, in place.
std::size_t take(Stack& stack, Instant now, ConnectionId id) {
    std::size_t total = 0;
    for (;;) {
        const Bytes there = stack.peek(id);
        if (there.empty()) return total;
        total += there.size();
        stack.consume(now, id, there.size());
    }
}

// Buffers stay at a size that a processor's cache holds, as those of the peers do.
void bulk(std::uint64_t octets, std::uint32_t buffer) {
    tcp::Config config;
    config.send_buffer = config.send_buffer_max = config.recv_buffer = config.recv_buffer_max =
        buffer;
    World w{config};
    const auto pair = w.connect(0);
    w.settle();
    static std::uint8_t page[16'384];
    std::uint64_t written = 0, received = 0, allocations_at_half = 0;
    const double begin = seconds();
    while (received < octets) {
        while (written < octets) {
            const std::size_t wanted = std::min<std::uint64_t>(sizeof page, octets - written);
            const auto n = w.client.write(w.now, pair.client, {page, wanted});
            if (!n) break;
            written += *n;
            if (*n < wanted) break;
        }
        w.turns();
        received += take(w.server, w.now, pair.server);
        if (allocations_at_half == 0 && received > octets / 2) allocations_at_half = allocations;
    }
    const double time = seconds() - begin;
    const auto in = w.server.find(pair.server)->info(w.now).statistics;
    const auto out = w.client.find(pair.client)->info(w.now).statistics;
    if (out.retransmits != 0) die("retransmissions on a wire without loss");
    std::printf("%.2f Gbit/s  %.1f ns/segment  %u segments  %.3f acks/segment  %llu allocations\n",
                static_cast<double>(octets) * 8 / time / 1e9, time * 1e9 / in.data_in, in.data_in,
                static_cast<double>(out.segments_in) / in.data_in,
                static_cast<unsigned long long>(allocations - allocations_at_half));
}

// So many streams that always have something to send share the wire; how evenly, by Jain's index
// of the octets that each has brought over.
void share(std::uint64_t count, std::uint64_t octets_each) {
    tcp::Config config;
    config.send_buffer = config.send_buffer_max = config.recv_buffer = config.recv_buffer_max =
        16 * 1024;
    World w{config, 64};
    static std::uint8_t page[16'384];
    std::vector<std::uint64_t> received;  // by the server's index
    std::uint64_t total = 0;
    const auto fill = [&](ConnectionId id) {
        while (w.client.write(w.now, id, page)) {
        }
    };
    for (std::uint64_t i = 0; i < count; ++i) {
        const auto pair = w.connect(i);
        if (received.size() <= pair.server.index) received.resize(pair.server.index + 1);
        fill(pair.client);
    }
    const double begin = seconds();
    while (total < count * octets_each) {
        w.turns();
        while (const auto news = w.server.next_notification()) {
            if (!news->connection.valid()) continue;
            const std::size_t octets = take(w.server, w.now, news->connection);
            received[news->connection.index] += octets;
            total += octets;
        }
        while (const auto news = w.client.next_notification()) fill(news->connection);
    }
    const double time = seconds() - begin;
    double squares = 0;
    for (const std::uint64_t octets : received)
        squares += static_cast<double>(octets) * static_cast<double>(octets);
    const auto sum = static_cast<double>(total);
    std::printf("%.4f Jain's index of %llu streams  %.2f Gbit/s\n",
                sum * sum / (static_cast<double>(count) * squares),
                static_cast<unsigned long long>(count), sum * 8 / time / 1e9);
}

// One octet there and one back, each acknowledged with the next.
void round_trips(std::uint64_t count) {
    World w;
    const auto pair = w.connect(0);
    w.client.find(pair.client)->set_nodelay(true);
    w.server.find(pair.server)->set_nodelay(true);
    w.settle();
    const std::uint8_t octet = 'x';
    const auto pass = [&](Stack& from, ConnectionId writer, Stack& to, ConnectionId reader) {
        if (!from.write(w.now, writer, {&octet, 1})) die("write");
        for (int i = 0; i < 100; ++i) {
            w.turns();
            if (take(to, w.now, reader) != 0) return;
        }
        die("an octet was lost");
    };
    const double begin = seconds();
    for (std::uint64_t i = 0; i < count; ++i) {
        pass(w.client, pair.client, w.server, pair.server);
        pass(w.server, pair.server, w.client, pair.client);
        while (w.client.next_notification()) {
        }
        while (w.server.next_notification()) {
        }
    }
    std::printf("%.1f ns/round trip  %llu round trips\n",
                (seconds() - begin) * 1e9 / static_cast<double>(count),
                static_cast<unsigned long long>(count));
}

// Handshake, our FIN, the peer's FIN, so many at a time; the TIME-WAITs stay.
void connects(std::uint64_t count, std::uint32_t addresses, std::uint64_t at_a_time) {
    tcp::Config config;
    config.time_wait = 35min;  // longer than the run, in virtual time
    config.time_wait_max = static_cast<std::uint32_t>(count);
    World w{config, addresses};
    const double begin = seconds();
    for (std::uint64_t begun = 0; w.client.time_waits() != count;) {
        while (begun < count && w.client.connections() < at_a_time) w.open(begun++);
        w.turns();
        while (w.server.accept(w.listener)) {
        }
        while (const auto news = w.client.next_notification()) {
            if (news->what.connected) w.client.close(w.now, news->connection);
        }
        while (const auto news = w.server.next_notification()) {
            const tcp::Connection* c = w.server.find(news->connection);
            if (c != nullptr && c->peer_finished()) w.server.close(w.now, news->connection);
        }
    }
    const double time = seconds() - begin;
    std::printf("%.0f conn/s  %.0f ns/conn  %zu TIME-WAITs kept\n",
                static_cast<double>(count) / time, time * 1e9 / static_cast<double>(count),
                w.client.time_waits());
}

double rss_bytes() {
    long size = 0, resident = 0;
    std::FILE* f = std::fopen("/proc/self/statm", "r");
    if (f == nullptr || std::fscanf(f, "%ld %ld", &size, &resident) != 2) die("statm");
    std::fclose(f);
    return static_cast<double>(resident) * static_cast<double>(sysconf(_SC_PAGESIZE));
}

// A bare ACK that says nothing new, as the client of `c` would send it.
std::size_t write_ack(const tcp::Connection& c, MutableBytes room) {
    const wire::FourTuple& tuple = c.tuple();
    const std::size_t ip_bytes = wire::ip_header_bytes(true);
    const std::size_t tcp_bytes =
        wire::write_tcp(room.subspan(ip_bytes),
                        {.source_port = tuple.local.port,
                         .destination_port = tuple.remote.port,
                         .seq = c.tcb().snd.nxt.wire(),
                         .ack = c.tcb().rcv.nxt.wire(),
                         .flags = {wire::Flags::ack},
                         .window = 500,
                         .urgent = 0,
                         .options = {}},
                        {.source = tuple.local.address, .destination = tuple.remote.address,
                         .payload = {}});
    wire::write_ip(room, {.source = tuple.local.address,
                          .destination = tuple.remote.address,
                          .protocol = wire::protocol_tcp,
                          .payload_bytes = static_cast<std::uint32_t>(tcp_bytes)});
    return ip_bytes + tcp_bytes;
}

// Time for one bare ACK to reach the one of `pairs` that it is for, drawn anew for each.
double time_to_find(World& w, std::span<const World::Pair> pairs) {
    constexpr std::size_t batch = 64, rounds = 4096;
    std::array<std::array<std::uint8_t, 128>, batch> rooms;
    std::array<device::Frame, batch> frames;
    std::array<std::uint8_t, mtu> nothing;
    Rng rng{11};
    double time = 0;
    for (std::size_t round = 0; round < rounds; ++round) {
        for (std::size_t i = 0; i < batch; ++i) {
            const World::Pair& pair = pairs[rng.below(pairs.size())];
            const std::size_t octets = write_ack(*w.client.find(pair.client), rooms[i]);
            frames[i] = {.bytes = Bytes(rooms[i]).first(octets), .arrived = w.now, .offload = {}};
        }
        const double begin = seconds();
        w.server.receive(w.now, frames);
        device::Offload offload;
        if (w.server.write_next(w.now, nothing, offload) != 0) die("an answer to a bare ACK");
        time += seconds() - begin;
    }
    return time * 1e9 / (batch * rounds);
}

// What an idle connection takes, how long it takes to find one, and what it costs when the
// keepalives of all run out at once.
void idle(std::uint64_t count) {
    tcp::Config config;
    config.keepalive = true;
    World w{config, 64};
    std::vector<World::Pair> pairs(count, w.connect(0));
    w.settle();
    const double before = rss_bytes();
    const std::size_t client_before = w.client.memory().used(),
                      server_before = w.server.memory().used();
    for (std::uint64_t i = 0; i < count; ++i) {
        pairs[i] = w.connect(i + 1);
        while (w.client.next_notification()) {
        }
        while (w.server.next_notification()) {
        }
    }
    w.settle();
    const auto n = static_cast<double>(count);
    std::printf(
        "%.0f B RSS per connection end  %.0f B budget at the client  %.0f B budget at the server\n",
        (rss_bytes() - before) / (2 * n),
        static_cast<double>(w.client.memory().used() - client_before) / n,
        static_cast<double>(w.server.memory().used() - server_before) / n);
    const std::span<const World::Pair> all(pairs);
    std::printf("%.1f ns for a segment to find one of all  %.1f ns to find one of 10\n",
                time_to_find(w, all), time_to_find(w, all.first(10)));
    const double begin = seconds();
    w.client.advance(w.now + config.keepalive_idle + 1s);
    std::printf("%.1f ns per connection for a sweep of %.0f timers\n",
                (seconds() - begin) * 1e9 / n, n);
}

// One octet on each of `active` connections in turn, while `count` are established: no segment is
// for the connection of the one before, so each is looked up.
double segment_cost(std::uint64_t count, std::uint64_t active) {
    World w;
    std::vector<World::Pair> pairs;
    for (std::uint64_t i = 0; i < count; ++i) pairs.push_back(w.connect(i));
    w.settle();
    Rng rng{7};
    for (std::uint64_t i = 0; i < active; ++i) std::swap(pairs[i], pairs[i + rng.below(count - i)]);
    constexpr std::uint64_t segments = 1'000'000;
    const std::uint8_t octet = 'x';
    const double begin = seconds();
    for (std::uint64_t i = 0; i < segments;) {
        for (int k = 0; k < 10; ++k, ++i) {
            if (!w.client.write(w.now, pairs[i % active].client, {&octet, 1})) die("write");
        }
        w.turns();
        while (const auto news = w.server.next_notification()) {
            if (news->connection.valid()) take(w.server, w.now, news->connection);
        }
        w.turns();
    }
    return (seconds() - begin) * 1e9 / static_cast<double>(segments);
}

void demux() {
    const double few = segment_cost(10, 10), many = segment_cost(100'000, 10);
    std::printf("%.1f ns/segment with 10 connections  %.1f ns/segment with 100000  ratio %.2f\n",
                few, many, many / few);
    std::printf("%.1f ns/segment when all 100000 speak in turn, from memory\n",
                segment_cost(100'000, 100'000));
}

}  // namespace

int main(int argc, char** argv) {
    const std::string_view mode = argc > 1 ? argv[1] : "";
    const std::uint64_t n = argc > 2 ? std::strtoull(argv[2], nullptr, 0) : 0;
    if (mode == "bulk" && n != 0) {
        bulk(n,
             argc > 3 ? static_cast<std::uint32_t>(std::strtoul(argv[3], nullptr, 0)) : 128 * 1024);
    } else if (mode == "connect" && n != 0) {
        const std::uint64_t at_a_time = argc > 4 ? std::strtoull(argv[4], nullptr, 0) : 1;
        connects(n, argc > 3 ? static_cast<std::uint32_t>(std::strtoul(argv[3], nullptr, 0)) : 1,
                 at_a_time);
    } else if (mode == "share" && n != 0) {
        share(n, argc > 3 ? std::strtoull(argv[3], nullptr, 0) : 200'000);
    } else if (mode == "trips" && n != 0) {
        round_trips(n);
    } else if (mode == "idle" && n != 0) {
        idle(n);
    } else if (mode == "demux") {
        demux();
    } else {
        std::fprintf(stderr,
                     "usage: memory_bench bulk BYTES [BUFFER] | connect N [ADDRESSES [AT_A_TIME]] | "
                     "trips N | share N [OCTETS_EACH] | idle N | demux\n");
        return 2;
    }
}
