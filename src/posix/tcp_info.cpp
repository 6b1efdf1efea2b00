#include "posix/tcp_info.hpp"

#include <algorithm>

namespace estab::posix {

std::uint8_t linux_state(tcp::State state) {
    switch (state) {
    case tcp::State::established: return 1;
    case tcp::State::syn_sent: return 2;
    case tcp::State::syn_received: return 3;
    case tcp::State::fin_wait_1: return 4;
    case tcp::State::fin_wait_2: return 5;
    case tcp::State::time_wait: return 6;
    case tcp::State::closed: return 7;
    case tcp::State::close_wait: return 8;
    case tcp::State::last_ack: return 9;
    case tcp::State::listen: return 10;
    case tcp::State::closing: return 11;
    }
    return 7;
}

namespace {

std::uint8_t congestion_state(const tcp::Info& info) {
    switch (info.recovery) {
    case tcp::Recovery::open:
        if (info.reducing) return TCP_CA_CWR;
        return info.in_disorder ? TCP_CA_Disorder : TCP_CA_Open;
    case tcp::Recovery::fast: return TCP_CA_Recovery;
    case tcp::Recovery::timeout: return TCP_CA_Loss;
    }
    return TCP_CA_Open;
}

constexpr std::uint32_t infinite_ssthresh = 0x7fff'ffff;

std::uint32_t in_segments(std::uint64_t octets, std::uint32_t mss) {
    return static_cast<std::uint32_t>((octets + mss - 1) / mss);
}

}  // namespace

tcp_info make_tcp_info(const Socket& s, const tcp::Connection* c, Instant now) {
    tcp_info out{};
    if (c == nullptr) {
        out.tcpi_state = linux_state(s.state == Socket::State::listening ? tcp::State::listen
                                                                         : tcp::State::closed);
        return out;
    }
    const tcp::Info i = c->info(now);
    const std::uint32_t mss = std::max<std::uint32_t>(i.snd_mss, 1);
    const auto ms = [](Duration d) {
        return static_cast<std::uint32_t>(std::max<std::int64_t>(to_ms(d), 0));
    };
    out.tcpi_state = linux_state(i.state);
    out.tcpi_ca_state = congestion_state(i);
    out.tcpi_retransmits = i.retries;
    out.tcpi_probes = i.probes;
    out.tcpi_backoff = i.backoff;
    if (i.timestamps) out.tcpi_options |= TCPI_OPT_TIMESTAMPS;
    if (i.sack) out.tcpi_options |= TCPI_OPT_SACK;
    if (i.scaling) out.tcpi_options |= TCPI_OPT_WSCALE;
    if (i.fast_open) out.tcpi_options |= TCPI_OPT_SYN_DATA;
    if (i.ecn) out.tcpi_options |= TCPI_OPT_ECN;
    out.tcpi_snd_wscale = i.scaling ? i.snd_shift & 15 : 0;
    out.tcpi_rcv_wscale = i.scaling ? i.rcv_shift & 15 : 0;
    out.tcpi_rto = i.rto_us;
    out.tcpi_ato = 40'000;
    out.tcpi_snd_mss = i.snd_mss;
    out.tcpi_rcv_mss = i.rcv_mss;
    out.tcpi_unacked = in_segments(i.unacked, mss);
    const bool repairs = i.recovery != tcp::Recovery::open;  // else it was a probe of the tail
    out.tcpi_lost = in_segments(i.lost + (repairs ? i.resent : 0), mss);
    out.tcpi_retrans = in_segments(i.resent, mss);
    out.tcpi_last_data_sent = ms(i.since_sent);
    out.tcpi_last_data_recv = ms(i.since_received);
    out.tcpi_last_ack_recv = ms(i.since_ack);
    out.tcpi_pmtu = i.path_mtu;
    out.tcpi_rcv_ssthresh = i.rcv_wnd;
    out.tcpi_rtt = i.rtt_us;
    out.tcpi_rttvar = i.rttvar_us;
    out.tcpi_snd_ssthresh = i.ssthresh == congestion::infinite
                                ? infinite_ssthresh
                                : static_cast<std::uint32_t>(i.ssthresh / mss);
    out.tcpi_snd_cwnd = static_cast<std::uint32_t>(i.cwnd / mss);
    out.tcpi_advmss = static_cast<std::uint32_t>(
        tcp::advertised_mss(c->config(), i.path_mtu, c->tuple().remote.address.is_v4()) -
        (i.timestamps ? 12 : 0));
    out.tcpi_reordering = std::max<std::uint32_t>(c->config().dupack_threshold, i.reordering);
    out.tcpi_reord_seen = i.reorderings;
    const auto limited = [&i](tcp::Limit limit) {
        return static_cast<std::uint64_t>(to_us(i.limited[static_cast<std::size_t>(limit)]));
    };
    out.tcpi_rwnd_limited =
        limited(tcp::Limit::receive_window) + limited(tcp::Limit::zero_window);
    out.tcpi_sndbuf_limited = limited(tcp::Limit::send_buffer);
    out.tcpi_busy_time = static_cast<std::uint64_t>(to_us(i.busy));
    out.tcpi_rcv_space = i.rcv_space;
    out.tcpi_total_retrans = i.statistics.retransmits;
    out.tcpi_bytes_acked = i.statistics.octets_acked;
    out.tcpi_bytes_received = i.statistics.octets_received;
    out.tcpi_segs_out = i.statistics.segments_out;
    out.tcpi_segs_in = i.statistics.segments_in;
    out.tcpi_notsent_bytes = static_cast<std::uint32_t>(i.not_sent);
    out.tcpi_min_rtt = i.rtt_min_us != 0 ? i.rtt_min_us : ~0u;
    out.tcpi_data_segs_in = i.statistics.data_in;
    out.tcpi_data_segs_out = i.statistics.data_out;
    out.tcpi_bytes_sent = i.statistics.octets_sent;
    out.tcpi_bytes_retrans = i.statistics.octets_retransmitted;
    out.tcpi_dsack_dups = i.statistics.dsacks_in;
    out.tcpi_rcv_ooopack = i.statistics.out_of_order_in;
    out.tcpi_snd_wnd = i.snd_wnd;
    out.tcpi_sacked = static_cast<std::uint32_t>(i.sacked_segments);
    out.tcpi_delivered = in_segments(i.delivered, mss) + 1;
    out.tcpi_delivery_rate = i.delivery_rate;
    out.tcpi_delivery_rate_app_limited = i.app_limited ? 1 : 0;
    out.tcpi_pacing_rate = i.pacing_rate != 0 ? i.pacing_rate : ~std::uint64_t{0};
    const std::uint32_t most = c->config().pacing_rate_max;
    out.tcpi_max_pacing_rate = most != 0 ? most : ~std::uint64_t{0};
    return out;
}

}  // namespace estab::posix
