#include "tcp/config.hpp"

namespace estab::tcp::profile {

Config linux_() { return {}; }

Config rfc() {
    Config c;
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
    c.hard_icmp_aborts = true;
    return c;
}

Config freebsd() {
    Config c;
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
    c.ecn = EcnMode::passive;
    return c;
}

Config tutorial() {
    Config c;
    c.rto_min = 1s;
    c.rto_min_above_srtt = false;
    c.syn_retries = 5;
    c.initial_window = 1;
    c.initial_ssthresh = 65'535;
    c.probe_form = ProbeForm::one_octet;
    c.persist_max = 60s;
    c.keepalive_probes = 10;
    c.quick_acks = 0;
    return c;
}

}  // namespace estab::tcp::profile
