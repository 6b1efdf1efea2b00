#include "wire/every_view.hpp"

#include "base/check.hpp"
#include "wire/arp.hpp"
#include "wire/ethernet.hpp"
#include "wire/icmp.hpp"
#include "wire/ip.hpp"
#include "wire/ndp.hpp"
#include "wire/tcp.hpp"
#include "wire/udp.hpp"

namespace estab::wire {
namespace {

std::uint64_t read_bytes(Bytes bytes) {
    std::uint64_t digest = bytes.size();
    for (const std::uint8_t b : bytes) digest = digest * 31 + b;
    return digest;
}

bool is_inside(Bytes part, Bytes whole) {
    return part.empty() || (part.data() >= whole.data() &&
                            part.data() + part.size() <= whole.data() + whole.size());
}

// What is said once more in our own order is understood as before.
void check_options_written_again(const TcpOptions& options) {
    std::array<std::uint8_t, 60> room;
    for (const auto order : {OptionOrder::linux_, OptionOrder::freebsd}) {
        TcpHeader header;
        header.options = options;
        const std::size_t size = write_tcp(
            room, header, {.source = {}, .destination = {}, .payload = {}, .order = order});
        CHECK(size == tcp_header_bytes(options, order) && size % 4 == 0 && size <= 60);
        const auto view = TcpView::parse(Bytes(room).first(size));
        CHECK(view);
        const TcpOptions again = view->options();
        CHECK(!again.malformed && again.unknown_count == 0);
        CHECK(again.mss == options.mss && again.window_scale == options.window_scale);
        CHECK(again.sack_permitted == options.sack_permitted &&
              again.timestamps == options.timestamps);
        CHECK(again.sack_count <= options.sack_count);
    }
}

std::uint64_t read_options(const TcpOptions& options) {
    std::uint64_t digest =
        options.mss.value_or(0) + options.window_scale.value_or(0) + options.unknown_count;
    if (options.timestamps) digest += options.timestamps->val ^ options.timestamps->ecr;
    for (const SackBlock& block : options.sack_blocks())
        digest = digest * 31 + (block.begin.raw ^ block.end.raw);
    if (options.fast_open) digest += read_bytes(*options.fast_open);
    return digest + (options.sack_permitted ? 1 : 0) + (options.malformed ? 2 : 0);
}

std::uint64_t read_tcp(const IpPacket& ip, Bytes segment) {
    const auto tcp = TcpView::parse(segment);
    if (!tcp) return 1;
    CHECK(is_inside(tcp->payload(), segment) && is_inside(tcp->option_bytes(), segment));
    const TcpOptions options = tcp->options();
    check_options_written_again(options);
    return read_options(options) + read_bytes(tcp->payload()) + tcp->seq().raw + tcp->ack().raw +
           tcp->flags().bits + tcp->source_port() + tcp->destination_port() + tcp->window() +
           tcp->urgent() + tcp->checksum() +
           (tcp->checksum_is_valid(ip.source, ip.destination) ? 1 : 0);
}

std::uint64_t read_udp(const IpPacket& ip) {
    const auto udp = UdpView::parse(ip.payload);
    if (!udp) return 2;
    CHECK(is_inside(udp->payload(), ip.payload));
    return read_bytes(udp->payload()) + udp->source_port() + udp->destination_port() +
           (udp->checksum_is_valid(ip.source, ip.destination) ? 1 : 0);
}

std::uint64_t read_icmp(const IpPacket& ip) {
    std::uint64_t digest = carries_icmp_error(ip) ? 1 : 0;
    if (const auto message = parse_icmp(ip)) {
        if (const auto* echo = std::get_if<IcmpEcho>(&*message)) {
            CHECK(is_inside(echo->data, ip.payload));
            digest += read_bytes(echo->data) + echo->id + echo->sequence;
        }
        if (const auto* error = std::get_if<IcmpError>(&*message)) {
            CHECK(error->source.is_v4() == error->destination.is_v4() || !ip.source.is_v4());
            CHECK(!error->seq || (error->ports && error->protocol == protocol_tcp));
            digest += error->detail + error->protocol + (error->ports ? error->ports->source : 0U);
        }
    }
    const auto ndp = parse_ndp(ip);
    return digest + (ndp ? ndp->index() + 1 : 0);
}

}  // namespace

std::uint64_t read_every_view(Bytes packet) {
    // Options and segments are worth trying wherever they would not get through the checks before
    // them.
    std::uint64_t digest = read_options(parse_tcp_options(packet));
    const auto ip = IpPacket::parse(packet);
    if (!ip) return digest;
    CHECK(is_inside(ip->header, packet) && is_inside(ip->payload, packet));
    CHECK(ip->header.size() + ip->payload.size() <= packet.size());
    CHECK(ip->source.is_v4() == ip->destination.is_v4());
    digest += read_bytes(ip->header) + ip->hop_limit + ip->flow_label + ip->dscp;
    digest += read_tcp(*ip, ip->payload) + read_udp(*ip) + read_icmp(*ip);

    // The same bytes as an error's quotation: none of its lengths are to be trusted.
    IpPacket quoting = *ip;
    quoting.payload = packet;
    return digest + read_icmp(quoting);
}

std::uint64_t read_every_frame_view(Bytes bytes) {
    const auto frame = EthernetFrame::parse(bytes);
    if (!frame) return 0;
    CHECK(is_inside(frame->payload, bytes) && frame->tags <= 2);
    std::uint64_t digest = frame->type;
    if (const auto arp = Arp::parse(frame->payload)) {
        CHECK(arp->sender.is_v4() && arp->target.is_v4());
        digest += read_bytes(arp->sender.bytes()) + read_bytes(arp->target.bytes());
    }
    return digest + read_every_view(frame->payload);
}

}  // namespace estab::wire
