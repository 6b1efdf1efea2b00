// What an acknowledgment costs a sender whose peer attacks its scoreboard: every second segment of
// a long flight is selectively acknowledged, so there are HOLES holes, and then ACKS more come,
// each with three blocks anywhere among them and a fourth that is news. Run it under callgrind with
// two numbers of ACKs: the difference is what one costs.
#include <time.h>

#include <cstdio>
#include <cstdlib>
#include <memory>

#include "base/rng.hpp"
#include "congestion/reno.hpp"
#include "tcp/connection.hpp"
#include "tcp/extras.hpp"
#include "tcp/history.hpp"

namespace {

using namespace estab;

constexpr std::uint32_t mss = 100;
constexpr std::uint8_t text[mss] = {};

struct Sender {
    Memory memory{std::size_t{1} << 30};
    tcp::ChunkPool chunks{memory};
    tcp::SentPool sents{memory};
    Pool<tcp::Active> actives{memory};
    Pool<tcp::Config> configs{memory};
    Pool<tcp::Extras> extras{memory};
    Pool<tcp::History> histories{memory};
    event::Log log{{}};
    event::Counters counters;
    tcp::ChallengeLimit challenges{1};
    tcp::Environment env{chunks,    sents, actives,  configs,   extras,
                         histories, log,   counters, challenges};
    tcp::Config config;
    tcp::Connection connection;
    Instant now{1000s};
    tcp::Seq first;  // of the text

    static tcp::Config settings(std::uint32_t segments) {
        tcp::Config c;
        c.congestion_control = &congestion::table_of<congestion::Fixed>;
        c.fixed_window = segments;
        c.send_buffer = c.send_buffer_max = segments * mss;
        return c;
    }
    explicit Sender(std::uint32_t segments)
        : config(settings(segments)),
          connection({{wire::Address::v4(10, 0, 0, 1), 80}, {wire::Address::v4(10, 0, 0, 2), 9}},
                     config, 1, 1500) {
        tcp::Handshake h;
        h.iss = tcp::Seq::initial({1});
        h.irs = tcp::Seq::initial({1});
        h.peer_mss = mss;
        h.sack = h.scaling = true;
        h.snd_shift = 14;
        h.rcv_window = 65'535;
        connection.resume(env, now, h);
        first = h.iss + 1;
        acknowledge({}, 0);
        for (std::uint32_t i = 0; i < segments; ++i)
            if (!connection.write(env, now, text)) std::exit(1);
        connection.set_nodelay(true);
        pull();
    }
    ~Sender() { connection.release(env); }
    void pull() {
        tcp::Segment out;
        while (connection.next_segment(env, now, {}, out)) now += 1us;
    }
    tcp::Seq at(std::uint64_t segment) const { return first + segment * mss; }
    wire::SackBlock block(std::uint64_t segment, std::uint64_t count = 1) const {
        return {at(segment).wire(), at(segment + count).wire()};
    }
    void acknowledge(std::array<wire::SackBlock, 4> blocks, std::uint8_t count) {
        tcp::Segment s;
        s.seq = tcp::Seq::initial({2});
        s.ack = first;
        s.flags = {wire::Flags::ack};
        s.wnd = 65'535u << 14;
        s.options.sack = blocks;
        s.options.sack_count = count;
        connection.on_segment(env, now, now, s);
        pull();
        now += 1us;
    }
};

double seconds() {
    timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

}  // namespace

int main(int argc, char** argv) {
    const std::uint64_t holes = argc > 2 ? std::strtoull(argv[1], nullptr, 0) : 0;
    const std::uint64_t acks = argc > 2 ? std::strtoull(argv[2], nullptr, 0) : 0;
    if (holes < 4 || acks == 0 || holes > 1'000'000 || acks > 1'000'000) {
        std::fprintf(stderr, "usage: sack_attack_bench HOLES ACKS\n");
        return 2;
    }
    Sender sender(static_cast<std::uint32_t>(2 * holes + acks));
    for (std::uint64_t hole = 0; hole < holes; ++hole)
        sender.acknowledge({sender.block(2 * hole + 1)}, 1);
    Rng rng(7);
    const double begin = seconds();
    for (std::uint64_t i = 0; i < acks; ++i) {
        sender.acknowledge({sender.block(2 * holes, i + 1), sender.block(2 * rng.below(holes) + 1),
                            sender.block(2 * rng.below(holes) + 1),
                            sender.block(2 * rng.below(holes) + 1)},
                           4);
    }
    const double each = (seconds() - begin) * 1e9 / static_cast<double>(acks);
    const tcp::Info info = sender.connection.info(sender.now);
    if (info.sacked_segments < holes + acks - 1) {
        std::fprintf(stderr, "sack_attack_bench: only %llu segments are acknowledged\n",
                     static_cast<unsigned long long>(info.sacked_segments));
        return 1;
    }
    std::printf("%llu acks  %llu holes  %.0f ns/ack\n", static_cast<unsigned long long>(acks),
                static_cast<unsigned long long>(holes), each);
}
