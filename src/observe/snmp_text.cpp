#include "observe/snmp_text.hpp"

#include <cstdint>
#include <string_view>

namespace estab::observe {
namespace {

struct Counter {
    std::string_view group, name;
    std::uint64_t event::Counters::*field;
};

constexpr Counter table[] = {
#define ESTAB_COUNTER_ROW(group, name) {#group, #name, &event::Counters::group##_##name},
    ESTAB_COUNTERS(ESTAB_COUNTER_ROW)
#undef ESTAB_COUNTER_ROW
};

void add_group(TextBuffer& out, const event::Counters& counters, std::string_view group) {
    out.add(group);
    out.add(':');
    for (const Counter& c : table) {
        if (c.group != group) continue;
        out.add(' ');
        out.add(c.name);
    }
    out.add('\n');
    out.add(group);
    out.add(':');
    for (const Counter& c : table) {
        if (c.group != group) continue;
        out.add(' ');
        out.decimal(counters.*c.field);
    }
    out.add('\n');
}

}  // namespace

void add_snmp(TextBuffer& out, const event::Counters& counters) {
    for (const std::string_view group : {"Ip", "Icmp", "Udp", "Tcp"})
        add_group(out, counters, group);
}

void add_netstat(TextBuffer& out, const event::Counters& counters) {
    for (const std::string_view group : {"TcpExt", "Estab"}) add_group(out, counters, group);
}

void add_nstat(TextBuffer& out, const event::Counters& counters, bool all) {
    for (const Counter& c : table) {
        if (!all && counters.*c.field == 0) continue;
        out.add(c.group);
        out.add(c.name);
        out.add(' ');
        out.decimal(counters.*c.field);
        out.add('\n');
    }
}

}  // namespace estab::observe
