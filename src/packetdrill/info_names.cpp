#include "packetdrill/info_names.hpp"

#include "posix/tcp_info.hpp"

namespace estab::packetdrill {
namespace {

struct Constant {
    const char* name;
    std::int64_t value;
};
constexpr Constant constants[] = {
    {"TCP_ESTABLISHED", 1}, {"TCP_SYN_SENT", 2},   {"TCP_SYN_RECV", 3},
    {"TCP_FIN_WAIT1", 4},   {"TCP_FIN_WAIT2", 5},  {"TCP_TIME_WAIT", 6},
    {"TCP_CLOSE", 7},       {"TCP_CLOSE_WAIT", 8}, {"TCP_LAST_ACK", 9},
    {"TCP_LISTEN", 10},     {"TCP_CLOSING", 11},   {"TCP_NEW_SYN_RECV", 12},
    {"TCP_CA_Open", 0},     {"TCP_CA_Disorder", 1}, {"TCP_CA_CWR", 2},
    {"TCP_CA_Recovery", 3}, {"TCP_CA_Loss", 4},    {"TCPI_OPT_TIMESTAMPS", 1},
    {"TCPI_OPT_SACK", 2},   {"TCPI_OPT_WSCALE", 4}, {"TCPI_OPT_ECN", 8},
    {"TCPI_OPT_ECN_SEEN", 16}, {"TCPI_OPT_SYN_DATA", 32},
    {"TCP_INFINITE_SSTHRESH", 0x7fff'ffff},
    // FreeBSD's names, for the numbers that tcpi_state has here.
    {"TCPI_ESTABLISHED", 1}, {"TCPI_SYN_SENT", 2}, {"TCPI_SYN_RECEIVED", 3},
    {"TCPI_FIN_WAIT_1", 4}, {"TCPI_FIN_WAIT_2", 5}, {"TCPI_TIME_WAIT", 6},
    {"TCPI_CLOSED", 7}, {"TCPI_CLOSE_WAIT", 8}, {"TCPI_LAST_ACK", 9},
    {"TCPI_LISTEN", 10}, {"TCPI_CLOSING", 11},
};

}  // namespace

void fill_info_names(const posix::Sockets& os, int fd, Instant now, PythonNames& names) {
    for (const Constant& c : constants) names[c.name] = c.value;
    const posix::Socket* socket = os.find(fd);
    static const posix::Socket closed;  // what has ended is all zeros
    if (socket == nullptr) socket = &closed;
    const tcp_info i = posix::make_tcp_info(*socket, os.connection(fd), now);
    const auto set = [&names](const char* name, auto value) {
        names[name] = static_cast<std::int64_t>(value);
    };
#define ESTAB_INFO(field) set(#field, i.field)
    ESTAB_INFO(tcpi_state);
    ESTAB_INFO(tcpi_ca_state);
    ESTAB_INFO(tcpi_retransmits);
    ESTAB_INFO(tcpi_probes);
    ESTAB_INFO(tcpi_backoff);
    ESTAB_INFO(tcpi_options);
    ESTAB_INFO(tcpi_snd_wscale);
    ESTAB_INFO(tcpi_rcv_wscale);
    ESTAB_INFO(tcpi_rto);
    ESTAB_INFO(tcpi_ato);
    ESTAB_INFO(tcpi_snd_mss);
    ESTAB_INFO(tcpi_rcv_mss);
    ESTAB_INFO(tcpi_unacked);
    ESTAB_INFO(tcpi_sacked);
    ESTAB_INFO(tcpi_lost);
    ESTAB_INFO(tcpi_retrans);
    ESTAB_INFO(tcpi_fackets);
    ESTAB_INFO(tcpi_last_data_sent);
    ESTAB_INFO(tcpi_last_ack_sent);
    ESTAB_INFO(tcpi_last_data_recv);
    ESTAB_INFO(tcpi_last_ack_recv);
    ESTAB_INFO(tcpi_pmtu);
    ESTAB_INFO(tcpi_rcv_ssthresh);
    ESTAB_INFO(tcpi_rtt);
    ESTAB_INFO(tcpi_rttvar);
    ESTAB_INFO(tcpi_snd_ssthresh);
    ESTAB_INFO(tcpi_snd_cwnd);
    ESTAB_INFO(tcpi_advmss);
    ESTAB_INFO(tcpi_reordering);
    ESTAB_INFO(tcpi_rcv_rtt);
    ESTAB_INFO(tcpi_rcv_space);
    ESTAB_INFO(tcpi_total_retrans);
    ESTAB_INFO(tcpi_pacing_rate);
    ESTAB_INFO(tcpi_max_pacing_rate);
    ESTAB_INFO(tcpi_bytes_acked);
    ESTAB_INFO(tcpi_bytes_received);
    ESTAB_INFO(tcpi_segs_out);
    ESTAB_INFO(tcpi_segs_in);
    ESTAB_INFO(tcpi_notsent_bytes);
    ESTAB_INFO(tcpi_min_rtt);
    ESTAB_INFO(tcpi_data_segs_in);
    ESTAB_INFO(tcpi_data_segs_out);
    ESTAB_INFO(tcpi_delivery_rate_app_limited);
    ESTAB_INFO(tcpi_delivery_rate);
    ESTAB_INFO(tcpi_busy_time);
    ESTAB_INFO(tcpi_rwnd_limited);
    ESTAB_INFO(tcpi_sndbuf_limited);
    ESTAB_INFO(tcpi_delivered);
    ESTAB_INFO(tcpi_delivered_ce);
    ESTAB_INFO(tcpi_bytes_sent);
    ESTAB_INFO(tcpi_bytes_retrans);
    ESTAB_INFO(tcpi_dsack_dups);
    ESTAB_INFO(tcpi_reord_seen);
    ESTAB_INFO(tcpi_rcv_ooopack);
    ESTAB_INFO(tcpi_snd_wnd);
#undef ESTAB_INFO
    // Accurate ECN's part of it is too young for this machine's header.
    if (const tcp::Connection* c = os.connection(fd)) {
        const tcp::Info& info = c->info(now);
        set("tcpi_delivered_ce", info.delivered_ce);
        set("tcpi_received_ce", info.received_ce);
        const char* const parts[] = {"ce_bytes", "e0_bytes", "e1_bytes"};
        for (std::size_t k = 0; k < std::size(parts); ++k) {
            set((std::string("tcpi_delivered_") + parts[k]).c_str(), info.delivered_octets[k]);
            set((std::string("tcpi_received_") + parts[k]).c_str(), info.received_octets[k]);
        }
    }
    // SO_MEMINFO: the buffers, as getsockopt tells them.
    set("SK_MEMINFO_RCVBUF", socket->recv_buffer);
    set("SK_MEMINFO_SNDBUF", socket->send_buffer);
}

}  // namespace estab::packetdrill
