// Hostile frames, one after the other in virtual time, for a host on an Ethernet link: fragments,
// ICMP, ARP and neighbour discovery. The input is a list of [control][time]
// [length, 2 bytes][frame].
#include <algorithm>
#include <vector>

#include "base/check.hpp"
#include "ip/icmp.hpp"
#include "ip/neighbours.hpp"
#include "ip/path_mtu.hpp"
#include "ip/reassembler.hpp"
#include "ip/routes.hpp"
#include "wire/checksum.hpp"
#include "wire/ethernet.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace estab::ip {
namespace {

constexpr wire::Mac our_mac{{2, 0, 0, 0, 0, 2}};
constexpr std::uint8_t repair_checksums = 1, send_something = 2, wait_long = 4;

// A mutation nearly never gets a checksum right, and what lies behind would stay in the dark.
void repair(MutableBytes packet) {
    if (packet.size() >= 28 && packet[0] >> 4 == 4) {
        const std::size_t header_bytes = std::size_t{packet[0]} % 16 * 4;
        const std::size_t total = load_be16(&packet[2]);
        if (header_bytes < 20 || header_bytes + 4 > total || total > packet.size()) return;
        store_be16(&packet[10], 0);
        store_be16(&packet[10], wire::checksum(packet.first(header_bytes)));
        if (packet[9] != wire::protocol_icmp) return;
        store_be16(&packet[header_bytes + 2], 0);
        store_be16(&packet[header_bytes + 2],
                   wire::checksum(packet.subspan(header_bytes, total - header_bytes)));
    } else if (packet.size() >= 48 && packet[0] >> 4 == 6 && packet[6] == wire::protocol_icmpv6) {
        const std::size_t length = load_be16(&packet[4]);
        if (length < 4 || length > packet.size() - 40) return;
        store_be16(&packet[42], 0);
        wire::Sum sum = wire::pseudo_header(
            wire::Address::from_v6(&packet[8]), wire::Address::from_v6(&packet[24]),
            wire::protocol_icmpv6, static_cast<std::uint32_t>(length));
        sum.add(packet.subspan(40, length));
        store_be16(&packet[42], sum.checksum());
    }
}

class FuzzedHost {
public:
    FuzzedHost() {
        CHECK(routes_.add_address(*wire::Prefix::parse("10.77.0.2/24")).has_value());
        CHECK(routes_.add_address(*wire::Prefix::parse("fd77::2/64")).has_value());
        CHECK(neighbours_.answer_for(*wire::Prefix::parse("10.77.0.0/28")).has_value());
    }

    void on_frame(std::uint8_t control, std::uint8_t time, MutableBytes bytes) {
        now_ += (control & wait_long) != 0 ? time * 1s : time * 1ms;
        on_time();
        const auto frame = wire::EthernetFrame::parse(bytes);
        if (!frame) return;
        if ((control & repair_checksums) != 0) {
            repair(bytes.last(bytes.size() -
                              static_cast<std::size_t>(frame->payload.data() - bytes.data())));
        }
        if (const auto arp = wire::Arp::parse(frame->payload);
            frame->type == wire::ethertype_arp && arp) {
            neighbours_.on_arp(now_, *arp);
            if ((control & send_something) != 0) hold(arp->sender);
        } else if (const auto packet = wire::IpPacket::parse(frame->payload); packet) {
            on_packet(*packet, frame->source, 2);
            if ((control & send_something) != 0) hold(packet->source);
        }
        drain();
    }

private:
    void on_packet(const wire::IpPacket& packet, const wire::Mac& from, int depth) {
        CHECK(depth != 0);  // what was put together is whole
        if (packet.fragment) {
            const auto whole = reassembler_.add(now_, packet);
            CHECK(reassembler_.used_bytes() <= limits_.bytes_max &&
                  reassembler_.datagrams() <= limits_.datagrams_max);
            if (!whole) return;
            const std::vector<std::uint8_t> copy(whole->begin(), whole->end());
            if (const auto parsed = wire::IpPacket::parse(copy); parsed) {
                on_packet(*parsed, from, depth - 1);
            }
            return;
        }
        if (const auto ndp = wire::parse_ndp(packet); ndp) {
            neighbours_.on_ndp(now_, packet, *ndp, from);
        }
        if (packet.protocol == wire::protocol_icmp || packet.protocol == wire::protocol_icmpv6) {
            const Icmp::Input input = icmp_.read(packet);
            if (const auto* echo = std::get_if<wire::IcmpEcho>(&input)) {
                check_answer(icmp_.answer_echo(room_, packet, *echo));
            } else if (const auto* report = std::get_if<IcmpReport>(&input)) {
                CHECK(routes_.is_local(report->tuple.local.address));
                if (report->kind == IcmpKind::too_big) {
                    const auto mtu =
                        paths_.learn(now_, report->tuple.remote.address, report->mtu, 1500);
                    CHECK(!mtu || (*mtu < 1500 && *mtu >= 552));
                }
            }
        }
        check_answer(icmp_.answer_error(now_, room_, packet,
                                        {.reason = wire::IcmpReason::port_unreachable}));
    }

    // Whatever we answer is a packet that we would take ourselves, to one host, and no answer to an
    // error.
    void check_answer(std::size_t written) {
        if (written == 0) return;
        const auto answer = wire::IpPacket::parse(Bytes(room_).first(written));
        CHECK(answer.has_value() && wire::parse_icmp(*answer).has_value());
        CHECK(routes_.is_unicast(answer->destination));
        CHECK(answer->source.is_v4() == answer->destination.is_v4());
        CHECK(!wire::carries_icmp_error(*answer) ||
              !may_answer_with_error(*answer, routes_, false));
    }

    void hold(const wire::Address& next_hop) {
        if (!routes_.is_unicast(next_hop) || neighbours_.find(now_, next_hop)) return;
        const auto source = routes_.source_for(next_hop);
        if (!source) return;
        const std::vector<std::uint8_t> frame(60, 7);
        CHECK(neighbours_.hold(
            now_, {.next_hop = next_hop, .source = *source, .frame = frame, .offload = {}}));
    }

    void drain() {
        int frames = 0;
        while (const std::size_t bytes = neighbours_.next_bytes()) {
            std::vector<std::uint8_t> frame(bytes);
            neighbours_.write_next(frame);
            CHECK(++frames < 1000);
        }
        CHECK(neighbours_.size() <= 256);
    }

    void on_time() {
        neighbours_.on_time(now_);
        CHECK(neighbours_.deadline() > now_);
        while (neighbours_.take_unreachable()) {}
        while (const auto first = reassembler_.expire(now_)) {
            const std::vector<std::uint8_t> copy(first->begin(), first->end());
            const auto packet = wire::IpPacket::parse(copy);
            CHECK(copy.empty() || packet.has_value());
            if (packet) {
                check_answer(icmp_.answer_error(
                    now_, room_, *packet, {.reason = wire::IcmpReason::reassembly_timed_out}));
            }
        }
        CHECK(reassembler_.deadline() > now_);
        paths_.expire(now_);
    }

    Instant now_{};
    event::Counters counters_;
    Routes routes_;
    Reassembler::Limits limits_{
        .bytes_max = 16 * 1024, .bytes_per_source_max = 8 * 1024, .datagrams_max = 8};
    Reassembler reassembler_{counters_, limits_};
    Icmp icmp_{counters_, routes_};
    Neighbours neighbours_{our_mac, routes_};
    PathMtu paths_;
    std::vector<std::uint8_t> room_ = std::vector<std::uint8_t>(1500);
};

}  // namespace
}  // namespace estab::ip

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    estab::ip::FuzzedHost host;
    estab::Bytes rest(data, size);
    while (rest.size() > 4) {
        const std::size_t length =
            std::min<std::size_t>(estab::load_be16(&rest[2]), rest.size() - 4);
        std::vector<std::uint8_t> frame(rest.begin() + 4,
                                        rest.begin() + 4 + static_cast<std::ptrdiff_t>(length));
        host.on_frame(rest[0], rest[1], frame);
        rest = rest.subspan(4 + length);
    }
    return 0;
}
