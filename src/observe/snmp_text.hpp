// Counters as Linux shows them, so that tools that read /proc/net/snmp and /proc/net/netstat read
// ours.
#pragma once

#include "event/counters.hpp"
#include "observe/text.hpp"

namespace estab::observe {

// The groups Ip, Icmp, Udp and Tcp: for each a line of names and a line of values, in the order of
// event/counters.hpp. Names that Linux has and we do not count are left out.
void add_snmp(TextBuffer& out, const event::Counters& counters);

// The group TcpExt, then Estab: what only this stack counts.
void add_netstat(TextBuffer& out, const event::Counters& counters);

// "TcpRetransSegs 3" a line, as nstat names them; only what is not zero unless `all`.
void add_nstat(TextBuffer& out, const event::Counters& counters, bool all);

}  // namespace estab::observe
