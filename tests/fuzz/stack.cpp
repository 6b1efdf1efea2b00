// A stack with listeners and connections against anything: frames, time and user calls. The input
// is a list of [what][argument][length, 2 octets][frame]; a frame is an IP packet to 10.77.0.2 or
// fd77::2, whose checksums are repaired unless asked not to.
#include <algorithm>
#include <vector>

#include "base/check.hpp"
#include "stack/stack.hpp"
#include "wire/checksum.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace estab::stack {
namespace {

void repair(MutableBytes packet) {
    if (packet.size() < 40 || packet[0] != 0x45 || packet[9] != wire::protocol_tcp) return;
    store_be16(&packet[2], static_cast<std::uint16_t>(packet.size()));
    store_be16(&packet[10], 0);
    store_be16(&packet[10], wire::checksum(packet.first(20)));
    store_be16(&packet[36], 0);
    wire::Sum sum = wire::pseudo_header(wire::Address::from_v4(&packet[12]),
                                        wire::Address::from_v4(&packet[16]), wire::protocol_tcp,
                                        static_cast<std::uint32_t>(packet.size() - 20));
    sum.add(packet.subspan(20));
    store_be16(&packet[36], sum.checksum());
}

tcp::Config small() {
    tcp::Config c;
    c.syn_queue_max = 4;
    c.time_wait_max = 4;
    c.backlog = 4;
    c.held_syns_max = 4;
    c.recv_buffer = 8'000;
    c.ecn = tcp::EcnMode::on;
    return c;
}

class FuzzedStack {
public:
    FuzzedStack() : stack_(now_, {.config = small(), .memory_bytes = 1u << 20, .seed = 1}) {
        stack_.attach({});
        CHECK(stack_.routes().add_address(*wire::Prefix::parse("10.77.0.2/24")).has_value());
        CHECK(stack_.routes().add_address(*wire::Prefix::parse("fd77::2/64")).has_value());
        listener_ = *stack_.listen({.port = 80});
        holder_ = *stack_.listen({.port = 81, .hold = true});
    }

    void step(std::uint8_t what, std::uint8_t argument, MutableBytes frame) {
        switch (what % 16) {
        case 0: now_ += argument * 1ms; break;
        case 1: now_ += argument * 1s; break;
        case 2: keep(stack_.accept(listener_)); break;
        case 3:
            keep(stack_.connect(now_, {wire::Address::v4(10, 77, 0, 1), 99},
                                {.local_port = argument}));
            break;
        case 4:
            (void)stack_.write(now_, id(argument), std::vector<std::uint8_t>(argument * 64u));
            break;
        case 5: {
            std::vector<std::uint8_t> into(argument * 16u + 1);
            (void)stack_.read(now_, id(argument), into);
            break;
        }
        case 6: (void)stack_.shutdown_write(now_, id(argument)); break;
        case 7: stack_.close(now_, id(argument)); break;
        case 8: stack_.abort(now_, id(argument)); break;
        case 9: held(argument); break;
        case 10:
            (void)stack_.write_urgent(now_, id(argument), std::vector<std::uint8_t>(argument));
            break;
        case 11: receive(frame); break;                     // as it is
        case 12: (void)stack_.table(now_); break;
        default: answer(argument, frame); break;
        }
        turn();
    }

private:
    // The peer's segment: as good as the input likes. With the right numbers where the argument
    // says so, because nobody guesses 32 bits.
    void answer(std::uint8_t argument, MutableBytes frame) {
        if (frame.size() >= 40 && frame[0] == 0x45 && (argument & 1) != 0 && !ids_.empty()) {
            if (const tcp::Connection* c = stack_.find(id(argument >> 4))) {
                std::copy_n(c->tuple().remote.address.bytes().begin(), 4, frame.begin() + 12);
                std::copy_n(c->tuple().local.address.bytes().begin(), 4, frame.begin() + 16);
                store_be16(&frame[20], c->tuple().remote.port);
                store_be16(&frame[22], c->tuple().local.port);
                store_be32(&frame[24],
                           load_be32(&frame[24]) % 4096 + c->tcb().rcv.nxt.wire().raw - 2048);
                store_be32(&frame[28],
                           load_be32(&frame[28]) % 4096 + c->tcb().snd.nxt.wire().raw - 4000);
                if ((argument & 2) != 0) store_be32(&frame[24], c->tcb().rcv.nxt.wire().raw);
                if ((argument & 4) != 0) store_be32(&frame[28], c->tcb().snd.nxt.wire().raw);
            }
        } else if (frame.size() >= 40 && frame[0] == 0x45 && (argument & 8) != 0) {
            store_be32(&frame[28], last_seq_ + 1);          // completes the last handshake
        }
        repair(frame);
        receive(frame);
    }
    void receive(Bytes bytes) {
        const device::Frame f{.bytes = bytes, .arrived = now_, .offload = {}};
        stack_.receive(now_, std::span(&f, 1));
    }
    void held(std::uint8_t argument) {
        const auto syn = stack_.next_held(holder_);
        if (!syn) return;
        switch (argument % 4) {
        case 0: (void)stack_.accept_held(now_, syn->id); break;
        case 1: (void)stack_.refuse_held(now_, syn->id); break;
        case 2: (void)stack_.drop_held(syn->id); break;
        default: (void)stack_.unreachable_held(now_, syn->id, wire::IcmpReason::prohibited); break;
        }
    }
    void keep(Result<ConnectionId> id) {
        if (id && ids_.size() < 16) ids_.push_back(*id);
    }
    ConnectionId id(std::uint8_t argument) const {
        return ids_.empty() ? ConnectionId{} : ids_[argument % ids_.size()];
    }
    void turn() {
        stack_.advance(now_);
        std::vector<std::uint8_t> room(stack_.frame_bytes());
        for (int i = 0; stack_.has_output(); ++i) {
            CHECK(i < 10'000);
            device::Offload offload;
            const std::size_t octets = stack_.write_next(now_, room, offload);
            if (octets == 0) break;
            const auto packet = wire::IpPacket::parse(Bytes(room).first(octets));
            CHECK(packet.has_value());
            if (packet->protocol != wire::protocol_tcp) continue;
            const auto view = wire::TcpView::parse(packet->payload);
            CHECK(view && view->checksum_is_valid(packet->source, packet->destination));
            last_seq_ = view->seq().raw;
        }
        stack_.receive(now_, {});
        for (const ConnectionId c : ids_) {
            if (const auto* connection = stack_.find(c)) connection->check_invariants();
        }
        while (stack_.next_notification()) {}
        CHECK(stack_.memory().peak() <= stack_.memory().limit());
    }

    Instant now_{Duration(100s)};
    Stack stack_;
    ListenerId listener_, holder_;
    std::vector<ConnectionId> ids_;
    std::uint32_t last_seq_ = 0;
};

}  // namespace
}  // namespace estab::stack

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    estab::stack::FuzzedStack stack;
    estab::Bytes rest(data, size);
    for (int steps = 0; rest.size() >= 4 && steps != 300; ++steps) {
        const std::size_t length =
            std::min<std::size_t>(estab::load_be16(&rest[2]), rest.size() - 4);
        std::vector<std::uint8_t> frame(rest.begin() + 4,
                                        rest.begin() + 4 + static_cast<std::ptrdiff_t>(length));
        stack.step(rest[0], rest[1], frame);
        rest = rest.subspan(4 + length);
    }
    return 0;
}
