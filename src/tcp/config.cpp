#include "tcp/config.hpp"

#include <algorithm>
#include <bit>

namespace estab::tcp {

std::uint16_t advertised_mss(const Config& config, std::uint32_t mtu, bool v4) {
    const std::uint32_t fits = std::min<std::uint32_t>(mtu, 65'535) - (v4 ? 40 : 60);
    return static_cast<std::uint16_t>(config.mss != 0 ? std::min<std::uint32_t>(config.mss, fits)
                                                      : fits);
}

// Large enough for the largest receive buffer that autotuning may reach.
std::uint8_t wanted_shift(const Config& config) {
    const std::uint32_t most = config.recv_autotune
                                   ? std::max(config.recv_buffer, config.recv_buffer_max)
                                   : config.recv_buffer;
    const auto bits = static_cast<int>(std::bit_width(most));
    return static_cast<std::uint8_t>(std::clamp(bits - 16, 0, 14));
}

std::uint32_t first_window(const Config& config, std::uint32_t mss) {
    const std::uint32_t wanted =
        config.recv_window_initial != 0 ? config.recv_window_initial : config.recv_buffer;
    const bool cut = wanted > mss && !config.window_exact;
    const std::uint32_t whole = cut ? wanted - wanted % mss : wanted;
    return std::min<std::uint32_t>(whole, 65'535);
}

EcnMode ecn_mode(const Config& config) {
    const bool wants_marks =
        config.congestion_control != nullptr && config.congestion_control->is_l4s;
    return wants_marks && config.ecn != EcnMode::off ? EcnMode::accecn : config.ecn;
}

}  // namespace estab::tcp

namespace estab::tcp::profile {

Config linux_() { return {}; }

Config rfc() {
    Config c;
    c.idle_decay = false;
    c.rto_min = 1s;
    c.rto_min_above_srtt = false;
    c.rto_max = 60s;
    c.require_timestamps = true;
    c.nagle_minshall = false;
    c.delayed_ack = 200ms;
    c.quick_acks = 0;
    c.delay_fin_ack = false;
    c.probe_form = ProbeForm::one_octet;
    c.persist_max = 60s;
    c.time_wait = 240s;
    c.rfc1337 = false;
    c.hard_icmp_aborts = true;
    return c;
}

Config freebsd() {
    Config c;
    c.idle_decay = false;
    c.rto_min = 30ms;
    c.rto_min_above_srtt = false;
    c.rto_max = 64s;
    c.option_order = wire::OptionOrder::freebsd;
    c.nagle_minshall = false;
    c.quick_acks = 0;
    c.delay_fin_ack = false;
    c.probe_form = ProbeForm::one_octet;
    c.persist_max = 60s;
    c.keepalive_probes = 8;
    c.retries2 = 12;
    c.rto_slop = 200ms;
    c.syn_retries = 12;
    c.syn_timeout = 75s;
    c.synack_retries = 3;
    c.recv_buffer = 65'536;
    c.recv_buffer_max = 2'097'152;
    c.send_buffer = 32'768;
    c.send_buffer_max = 2'097'152;
    c.recv_buffer_whole = c.window_exact = true;
    c.ack_counts_all = c.ack_repeats_fin = true;
    c.push_bursts = false;
    c.syn_fin_opens = true;
    c.icmp_prohibited_is_hard = true;
    c.queue_before_open = true;
    c.fast_open = FastOpenMode::client;
    c.fast_open_refused = 900s;
    c.ecn = EcnMode::passive;
    c.ecn_retries = 1;
    c.reset_always_told = true;
    c.time_wait_answers_syn = false;
    return c;
}

Config tutorial() {
    Config c;
    c.idle_decay = false;
    c.rto_min = 1s;
    c.rto_min_above_srtt = false;
    c.syn_retries = 5;
    c.congestion_control = congestion::find("reno");
    c.initial_window = 1;
    c.initial_ssthresh = 65'535;
    c.probe_form = ProbeForm::one_octet;
    c.persist_max = 60s;
    c.keepalive_probes = 10;
    c.quick_acks = 0;
    c.rack = c.tail_loss_probe = c.prr = c.frto = c.undo = false;
    return c;
}

}  // namespace estab::tcp::profile
