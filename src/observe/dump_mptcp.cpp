// The Multipath TCP option (RFC 8684 3) as tcpdump writes it.
#include "observe/dump_parts.hpp"

namespace estab::observe::dump {
namespace {

constexpr std::uint8_t syn = 0x02, ack = 0x10;

void add_hex(TextBuffer& out, std::uint64_t value) {
    out.add("0x");
    out.hex(value);
}

bool print_capable(TextBuffer& out, Bytes o, std::uint8_t flags) {
    const std::size_t n = o.size();
    const bool is_syn = (flags & syn) != 0;
    const bool is_third = !is_syn && (flags & ack) != 0;
    if (!((n == 4 || n == 12) && is_syn) && !((n == 20 || n == 22) && is_third)) return false;
    const std::uint8_t version = o[2] & 0xf;
    if (version > 1) {
        out.add(" Unknown Version (");
        out.decimal(version);
        out.add(')');
        return true;
    }
    out.add(" v");
    out.decimal(version);
    if ((o[3] & 0x80) != 0) out.add(" csum");
    if (n < 12) return true;
    out.add(" {");
    add_hex(out, load_be64(o.data() + 4));
    if (n >= 20) {
        out.add(',');
        add_hex(out, load_be64(o.data() + 12));
    }
    out.add('}');
    return true;
}

bool print_join(TextBuffer& out, Bytes o, std::uint8_t flags) {
    const std::size_t n = o.size();
    const bool fits = (n == 12 && (flags & syn) != 0) ||
                      (n == 16 && (flags & (syn | ack)) == (syn | ack)) ||
                      (n == 24 && (flags & ack) != 0);
    if (!fits) return false;
    if (n == 24) {
        out.add(" hmac 0x");
        out.hex_octets(o.subspan(4, 20));
        return true;
    }
    if ((o[2] & 1) != 0) out.add(" backup");
    out.add(" id ");
    out.decimal(o[3]);
    if (n == 12) {
        out.add(" token ");
        add_hex(out, load_be32(o.data() + 4));
    } else {
        out.add(" hmac ");
        add_hex(out, load_be64(o.data() + 4));
    }
    out.add(" nonce ");
    add_hex(out, load_be32(o.data() + (n == 12 ? 8 : 12)));
    return true;
}

// A number of four octets or eight, off the front. False when there are too few.
bool add_number(TextBuffer& out, Bytes& rest, bool eight) {
    const std::size_t bytes = eight ? 8 : 4;
    if (rest.size() < bytes) return false;
    out.decimal(eight ? load_be64(rest.data()) : load_be32(rest.data()));
    rest = rest.subspan(bytes);
    return true;
}

bool print_dss(TextBuffer& out, Bytes o, std::uint8_t flags) {
    if (o.size() < 4 || (flags & syn) != 0) return false;
    const std::uint8_t bits = o[3];
    if ((bits & 0x10) != 0) out.add(" fin");
    Bytes rest = o.subspan(4);
    if ((bits & 0x01) != 0) {
        out.add(" ack ");
        if (!add_number(out, rest, (bits & 0x02) != 0)) return false;
    }
    if ((bits & 0x04) != 0) {
        out.add(" seq ");
        if (!add_number(out, rest, (bits & 0x08) != 0)) return false;
        if (rest.size() < 4) return false;
        out.add(" subseq ");
        add_number(out, rest, false);
        if (rest.size() < 2) return false;
        out.add(" len ");
        out.decimal(load_be16(rest.data()));
        rest = rest.subspan(2);
        if (rest.size() >= 2) {
            out.add(" csum ");
            add_hex(out, load_be16(rest.data()));
            rest = rest.subspan(2);
        }
    }
    return rest.empty();
}

bool print_add_address(TextBuffer& out, Bytes o) {
    const std::size_t n = o.size();
    if (n < 4) return false;
    const bool v4 = n == 8 || n == 10 || n == 16 || n == 18;
    const bool v6 = n == 20 || n == 22 || n == 28 || n == 30;
    if (!v4 && !v6) return false;
    switch (o[2] & 0xf) {
        case 0: out.add(" v1"); break;
        case 1: out.add(" v1-echo"); break;
        case 4: out.add(" v0-ip4"); break;
        case 6: out.add(" v0-ip6"); break;
        default: out.add(" [bad version/echo]"); break;
    }
    out.add(" id ");
    out.decimal(o[3]);
    out.add(' ');
    add_address(out, v6, o.data() + 4);
    const std::size_t behind = v4 ? 8 : 20;
    const bool port = (n - behind) % 8 == 2;
    if (port) {
        out.add(':');
        out.decimal(load_be16(o.data() + behind));
    }
    if (n - behind >= 8) {
        out.add(" hmac ");
        add_hex(out, load_be64(o.data() + behind + (port ? 2 : 0)));
    }
    return true;
}

bool print_remove_address(TextBuffer& out, Bytes o) {
    if (o.size() < 4) return false;
    out.add(" id");
    for (const std::uint8_t id : o.subspan(3)) {
        out.add(' ');
        out.decimal(id);
    }
    return true;
}

bool print_priority(TextBuffer& out, Bytes o) {
    if (o.size() != 3 && o.size() != 4) return false;
    out.add((o[2] & 1) != 0 ? " backup" : " non-backup");
    if (o.size() == 4) {
        out.add(" id ");
        out.decimal(o[3]);
    }
    return true;
}

bool print_eight(TextBuffer& out, Bytes o, bool key) {
    if (o.size() != 12) return false;
    if (key) {
        out.add(" key ");
        add_hex(out, load_be64(o.data() + 4));
    } else {
        out.add(" seq ");
        out.decimal(load_be64(o.data() + 4));
    }
    return true;
}

}  // namespace

bool print_mptcp(TextBuffer& out, Bytes o, std::uint8_t flags) {
    if (o.size() < 3) return false;
    static constexpr std::string_view names[] = {
        "capable", "join", "dss", "add-addr", "rem-addr", "prio", "fail", "fast-close", "unknown"};
    const unsigned subtype = o[2] >> 4 < 8 ? o[2] >> 4 : 8;
    out.add(' ');
    out.decimal(o.size());
    out.add(' ');
    out.add(names[subtype]);
    switch (subtype) {
        case 0: return print_capable(out, o, flags);
        case 1: return print_join(out, o, flags);
        case 2: return print_dss(out, o, flags);
        case 3: return print_add_address(out, o);
        case 4: return print_remove_address(out, o);
        case 5: return print_priority(out, o);
        case 6: return print_eight(out, o, false);
        case 7: return print_eight(out, o, true);
        default: return true;
    }
}

}  // namespace estab::observe::dump
