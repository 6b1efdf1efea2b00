#include "conversation/machine.hpp"

#include <gtest/gtest.h>

namespace estab::conversation {

std::vector<std::uint8_t> pattern_run(std::uint64_t from, std::size_t octets) {
    std::vector<std::uint8_t> run(octets);
    for (std::size_t i = 0; i < octets; ++i) run[i] = pattern(from + i);
    return run;
}

Frame write_frame(Instant at, const tcp::Segment& s, const wire::FourTuple& tuple,
                  wire::OptionOrder order) {
    Frame frame{.at = at, .octets = {}, .ecn = s.ecn};
    frame.octets.resize(60 + s.payload.size());
    const wire::TcpHeader header{.source_port = tuple.local.port,
                                 .destination_port = tuple.remote.port,
                                 .seq = s.seq.wire(),
                                 .ack = s.has(wire::Flags::ack) ? s.ack.wire() : wire::SeqNum{0},
                                 .flags = s.flags,
                                 .window = s.window_field,
                                 .urgent = s.urgent,
                                 .options = s.options};
    const std::size_t size = wire::write_tcp(frame.octets, header,
                                             {.source = tuple.local.address,
                                              .destination = tuple.remote.address,
                                              .payload = s.payload.pieces(),
                                              .order = order});
    frame.octets.resize(size);
    return frame;
}

Machine::Machine(const tcp::Config& c, const wire::FourTuple& tuple, std::uint16_t mtu,
                 std::size_t events)
    : config(c), connection(tuple, config, 1, mtu), room_(events) {
    log_.store_all(events != 0);
}

Machine::~Machine() { connection.release(env_); }

void Machine::receive(Instant now, const Frame& frame, std::vector<Frame>& out) {
    tcp::Segment segment = connection.tcb().read(frame.view(), frame.ecn);
    const tcp::Segment as_it_came = segment;
    if (connection.on_segment(env_, now, now, segment) == tcp::Connection::Verdict::reset) {
        tcp::Segment reset;
        if (tcp::answer_reset(as_it_came, reset)) {
            out.push_back(write_frame(now, reset, connection.tuple(), config.option_order));
        }
    }
    connection.check_invariants();
}

void Machine::pull(Instant now, std::vector<Frame>& out) {
    tcp::Segment segment;
    int burst = 0;
    for (;;) {
        const bool silent = connection.is_silent();
        if (!connection.next_segment(env_, now, {}, segment)) return;
        ASSERT_FALSE(silent) << "is_silent() said that nothing would come";
        connection.check_invariants();
        out.push_back(write_frame(now, segment, connection.tuple(), config.option_order));
        ASSERT_LE(out.back().octets.size(), 1480u) << "larger than the device takes";
        ASSERT_LT(++burst, 10'000) << "it does not stop talking";
    }
}

Result<std::size_t> Machine::write(Instant now, std::size_t octets, bool urgent) {
    const std::vector<std::uint8_t> text = pattern_run(written_, octets);
    const auto taken =
        urgent ? connection.write_urgent(env_, now, text) : connection.write(env_, now, text);
    if (taken) written_ += *taken;
    connection.check_invariants();
    return taken;
}

Result<std::size_t> Machine::read(Instant now, std::size_t octets) {
    std::vector<std::uint8_t> text(octets);
    const auto got = connection.read(env_, now, text);
    for (std::size_t i = 0; got && i < *got; ++i) {
        if (text[i] != pattern(read_ + i)) {
            ADD_FAILURE() << "octet " << read_ + i << " of the stream is not the one that was sent";
            break;
        }
    }
    if (got) read_ += *got;
    connection.check_invariants();
    return got;
}

}  // namespace estab::conversation
