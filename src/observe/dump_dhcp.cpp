// BOOTP and DHCP for IPv4. RFC 951, RFC 2131, RFC 2132.
#include <algorithm>
#include <array>

#include "observe/dump_dhcp_options.hpp"
#include "observe/dump_parts.hpp"

namespace estab::observe::dump {
namespace {

using Form = DhcpOption::Form;

constexpr std::uint8_t pad = 0, end_of_options = 255;
constexpr std::size_t hardware_at = 28, server_name_at = 44, file_at = 108, options_at = 236;

constexpr std::array<std::string_view, 14> messages = {
    "", "Discover", "Offer", "Request", "Decline", "ACK", "NACK", "Release", "Inform", "",
    "LeaseQuery", "LeaseUnassigned", "LeaseUnknown", "LeaseActive"};

void add_mark(TextBuffer& out, std::uint8_t number) { add_number(out, "#", number); }

void add_node(TextBuffer& out, std::uint8_t kind) {
    switch (kind) {
        case 1: return out.add("b-node");
        case 2: return out.add("p-node");
        case 4: return out.add("m-node");
        case 8: return out.add("h-node");
        default: return add_mark(out, kind);
    }
}

void add_overload(TextBuffer& out, std::uint8_t fields) {
    static constexpr const char* names[] = {"", "file", "sname", "file+sname"};
    if (fields == 0 || fields > 3) return add_mark(out, fields);
    out.add(names[fields]);
}

void add_message(TextBuffer& out, std::uint8_t type) {
    if (type < messages.size() && !messages[type].empty()) return out.add(messages[type]);
    add_number(out, "Unknown (", type);
    out.add(')');
}

void add_quoted(TextBuffer& out, Bytes text) {
    out.add('"');
    add_visible(out, text);
    out.add('"');
}

// Each of `unit` octets by `add`. What is left: fewer than one of them.
template <typename Add>
Bytes add_each(TextBuffer& out, Bytes value, std::size_t unit, char separator, Add add) {
    for (bool first = true; value.size() >= unit; value = value.subspan(unit), first = false) {
        if (!first) out.add(separator);
        add(value.data());
    }
    return value;
}

Bytes add_client(TextBuffer& out, Bytes value) {
    const std::uint8_t kind = value[0];
    const Bytes rest = value.subspan(1);
    if (kind == 0) {  // not hardware but words
        add_quoted(out, rest);
        return {};
    }
    switch (kind) {
        case 1: out.add("ether"); break;
        case 6: out.add("ieee802"); break;
        case 7: out.add("arcnet"); break;
        case 15: out.add("frelay"); break;
        case 23: out.add("strip"); break;
        case 24: out.add("ieee1394"); break;
        default:
            add_number(out, "hardware-type ", kind);
            out.add(',');
            break;
    }
    out.add(' ');
    return add_each(out, rest, 1, ':', [&](const std::uint8_t* p) { out.hex_octet(*p); });
}

Bytes add_classes(TextBuffer& out, Bytes value) {
    for (unsigned instance = 1; !value.empty(); ++instance) {
        add_number(out, "\n\t      instance#", instance);
        out.add(": ");
        const std::size_t octets = value[0];
        if (octets == 0) {
            out.add("[ERROR: suboption length must be non-zero]");
            return {};
        }
        if (octets > value.size() - 1) {
            out.add("[ERROR: invalid option]");
            return {};
        }
        add_quoted(out, value.subspan(1, octets));
        add_number(out, ", length ", octets);
        value = value.subspan(1 + octets);
    }
    return {};
}

Bytes add_fqdn(TextBuffer& out, Bytes value) {
    const std::uint8_t flags = value[0];
    if ((flags & 0xf0) != 0) {
        out.add("[ERROR: MBZ nibble 0x");
        out.hex(flags >> 4);
        out.add(" != 0] ");
    }
    if ((flags & 0x0f) != 0) {
        out.add('[');
        for (unsigned bit = 0; bit < 4; ++bit) {
            if ((flags >> bit & 1) != 0) out.add("SOEN"[bit]);
        }
        out.add("] ");
    }
    if (value[1] != 0 || value[2] != 0) {  // what DNS answered, to client and server
        out.decimal(value[1]);
        add_number(out, "/", value[2]);
        out.add(' ');
    }
    add_quoted(out, value.subspan(3));
    return {};
}

Bytes add_agent(TextBuffer& out, Bytes value) {
    while (value.size() >= 2) {
        const std::uint8_t kind = value[0];
        const std::size_t octets = value[1];
        const char* name = kind == 1   ? "Circuit-ID"
                           : kind == 2 ? "Remote-ID"
                           : kind == 6 ? "Subscriber-ID"
                                       : "Unknown";
        out.add("\n\t      ");
        out.add(name);
        add_number(out, " SubOption ", kind);
        add_number(out, ", length ", octets);
        out.add(": ");
        value = value.subspan(2);
        if (octets > value.size()) {
            out.add("length goes past end of option");
            return {};
        }
        if (*name != 'U') {
            add_visible(out, value.first(octets));
        } else {
            add_hex_lines(out, value.first(octets), "\n\t\t");
        }
        value = value.subspan(octets);
    }
    return value;
}

Bytes add_routes(TextBuffer& out, Bytes value) {
    const auto fail = [&out](std::string_view what, std::size_t number, std::string_view rest) {
        add_number(out, what, number);
        out.add(rest);
        return Bytes{};
    };
    for (bool first = true; !value.empty(); first = false) {
        if (!first) out.add(',');
        const std::size_t bits = value[0], octets = (bits + 7) / 8;
        if (bits > 32) return fail("[ERROR: Mask width (", bits, ") > 32]");
        value = value.subspan(1);
        if (value.size() < octets + 4) {
            add_number(out, "[ERROR: Remaining length (", value.size());
            return fail(") < ", octets + 4, " bytes]");
        }
        std::array<std::uint8_t, 4> network{};
        for (std::size_t i = 0; i < octets; ++i) network[i] = value[i];
        if (bits % 8 != 0) network[octets - 1] &= static_cast<std::uint8_t>(0xff << (8 - bits % 8));
        out.add('(');
        if (bits == 0) {
            out.add("default");
        } else {
            add_v4(out, network.data());
            add_number(out, "/", bits);
        }
        out.add(':');
        add_v4(out, value.data() + octets);
        out.add(')');
        value = value.subspan(octets + 4);
    }
    return {};
}

void add_option_name(TextBuffer& out, std::uint8_t code) {
    const DhcpOption* known = dhcp_option(code);
    out.add(known != nullptr         ? known->name
            : code == pad            ? "PAD"
            : code == end_of_options ? "END"
                                     : "Unknown");
    add_number(out, " (", code);
    out.add(')');
}

Bytes add_requested(TextBuffer& out, Bytes value) {
    for (std::size_t i = 0; i < value.size(); ++i) {
        out.add(i % 4 == 0 ? "\n\t      " : ", ");
        add_option_name(out, value[i]);
    }
    return {};
}

// Of an option that is not known by how long it is.
Form form_of(const DhcpOption* known, std::size_t octets) {
    if (known == nullptr) {
        return octets % 2 != 0 ? Form::octets : octets % 4 != 0 ? Form::shorts : Form::longs;
    }
    return known->form == Form::message && octets != 1 ? Form::octets : known->form;
}

std::size_t least_octets(Form form) {
    switch (form) {
        case Form::node:
        case Form::overload:
        case Form::client: return 1;
        case Form::classes: return 2;
        case Form::fqdn: return 3;
        case Form::routes: return 5;
        case Form::addresses:
        case Form::pairs:
        case Form::longs:
        case Form::signed_longs:
        case Form::shorts:
        case Form::octets:
        case Form::flags:
        case Form::text:
        case Form::message:
        case Form::requested:
        case Form::agent: return 0;
    }
    return 0;
}

// What of the value was not written.
Bytes add_value(TextBuffer& out, Form form, Bytes value) {
    const auto numbers = [&](std::size_t unit, char separator, auto add) {
        return add_each(out, value, unit, separator, add);
    };
    switch (form) {
        case Form::addresses:
            return numbers(4, ',', [&](const std::uint8_t* p) { add_v4(out, p); });
        case Form::pairs:
            return numbers(8, ',', [&](const std::uint8_t* p) {
                out.add('(');
                add_v4(out, p);
                out.add(':');
                add_v4(out, p + 4);
                out.add(')');
            });
        case Form::longs:
            return numbers(4, ',', [&](const std::uint8_t* p) { out.decimal(load_be32(p)); });
        case Form::signed_longs:
            return numbers(4, ',', [&](const std::uint8_t* p) {
                out.signed_decimal(static_cast<std::int32_t>(load_be32(p)));
            });
        case Form::shorts:
            return numbers(2, ',', [&](const std::uint8_t* p) { out.decimal(load_be16(p)); });
        case Form::octets:
            return numbers(1, '.', [&](const std::uint8_t* p) { out.decimal(*p); });
        case Form::flags:
            return numbers(1, ',', [&](const std::uint8_t* p) {
                if (*p <= 1) return out.add(*p == 0 ? 'N' : 'Y');
                out.decimal(*p);
                out.add('?');
            });
        case Form::text: add_quoted(out, value); return {};
        case Form::node: add_node(out, value[0]); return value.subspan(1);
        case Form::overload: add_overload(out, value[0]); return value.subspan(1);
        case Form::message: add_message(out, value[0]); return value.subspan(1);
        case Form::requested: return add_requested(out, value);
        case Form::client: return add_client(out, value);
        case Form::classes: return add_classes(out, value);
        case Form::fqdn: return add_fqdn(out, value);
        case Form::agent: return add_agent(out, value);
        case Form::routes: return add_routes(out, value);
    }
    return {};
}

void add_option(TextBuffer& out, std::uint8_t code, Bytes value) {
    const DhcpOption* known = dhcp_option(code);
    const Form form = form_of(known, value.size());
    if (const std::size_t least = least_octets(form); value.size() < least) {
        add_number(out, "[ERROR: length < ", least);
        return out.add(" bytes]");
    }
    const Bytes left = add_value(out, form, value);
    if (left.empty()) return;
    add_number(out, "\n\t  trailing data length ", left.size());
}

void print_options(TextBuffer& out, Bytes options, bool all) {
    out.add("\n\t  Vendor-rfc1048 Extensions\n\t    Magic Cookie 0x");
    out.hex(load_be32(options.data()));
    options = options.subspan(4);
    while (!options.empty()) {
        const std::uint8_t code = options[0];
        options = options.subspan(1);
        if (code == end_of_options && !all) return;
        if (code == pad && !all) continue;
        const bool has_value = code != pad && code != end_of_options;
        if (has_value && options.empty()) return add_cut(out, "bootp");
        out.add("\n\t    ");
        add_option_name(out, code);
        if (!has_value) {
            out.add(", length 0");
            std::size_t run = 1;
            for (; code == pad && !options.empty() && options[0] == pad; ++run) {
                options = options.subspan(1);
            }
            if (run > 1) add_number(out, ", occurs ", run);
            continue;
        }
        const std::size_t octets = options[0];
        options = options.subspan(1);
        add_number(out, ", length ", octets);
        if (octets > 0) out.add(": ");
        if (octets > options.size()) return add_cut(out, "bootp");
        add_option(out, code, options.first(octets));
        options = options.subspan(octets);
    }
}

// Text that ends with a zero or the field. False: no zero.
bool add_field(TextBuffer& out, std::string_view name, Bytes field, std::size_t octets) {
    field = field.first(std::min(field.size(), octets));
    std::size_t length = 0;
    while (length < field.size() && field[length] != 0) ++length;
    out.add("\n\t  ");
    out.add(name);
    out.add(' ');
    add_quoted(out, field.first(length));
    return length < field.size();
}

// Hops, the transaction's number, seconds and flags. False: it was cut off.
bool add_header(TextBuffer& out, Part message, int verbose) {
    const std::uint8_t* p = message.bytes.data();
    if (!message.has(10)) return false;
    if (p[1] != 1) add_number(out, ", htype ", p[1]);
    if (p[1] != 1 || p[2] != 6) add_number(out, ", hlen ", p[2]);
    if (p[3] != 0) add_number(out, ", hops ", p[3]);
    if (const std::uint32_t number = load_be32(p + 4); number != 0) {
        out.add(", xid 0x");
        out.hex(number);
    }
    if (const std::uint16_t seconds = load_be16(p + 8); seconds != 0) {
        add_number(out, ", secs ", seconds);
    }
    if (!message.has(12)) return false;
    const std::uint16_t flags = load_be16(p + 10);
    out.add((flags & 0x8000) != 0 ? ", Flags [Broadcast]" : ", Flags [none]");
    if (verbose > 1) {
        out.add(" (");
        add_hex16(out, flags);
        out.add(')');
    }
    return true;
}

bool add_addresses(TextBuffer& out, Part message) {
    static constexpr const char* names[] = {"Client-IP ", "Your-IP ", "Server-IP ",
                                            "Gateway-IP "};
    for (std::size_t i = 0; i < 4; ++i) {
        const std::size_t at = 12 + 4 * i;
        if (!message.has(at + 4)) return false;
        if (load_be32(message.bytes.data() + at) == 0) continue;
        out.add("\n\t  ");
        out.add(names[i]);
        add_v4(out, message.bytes.data() + at);
    }
    return true;
}

void print_verbose(TextBuffer& out, Part message, int verbose) {
    const std::uint8_t* p = message.bytes.data();
    if (!add_header(out, message, verbose) || !add_addresses(out, message)) {
        return add_cut(out, "bootp");
    }
    if (p[1] == 1 && p[2] == 6) {
        if (!message.has(hardware_at + 6)) return add_cut(out, "bootp");
        out.add("\n\t  Client-Ethernet-Address ");
        add_mac(out, p + hardware_at);
    }
    struct Field {
        std::string_view name;
        std::size_t at, octets;
    };
    static constexpr Field fields[] = {{"sname", server_name_at, 64}, {"file", file_at, 128}};
    for (const Field& field : fields) {
        if (!message.has(field.at + 1)) return add_cut(out, "bootp");
        if (p[field.at] == 0) continue;
        if (!add_field(out, field.name, message.bytes.subspan(field.at), field.octets)) {
            return add_cut(out, "bootp");
        }
    }
    if (!message.has(options_at + 4)) return add_cut(out, "bootp");
    const std::uint32_t magic = load_be32(p + options_at);
    constexpr std::uint32_t rfc1048 = 0x63825363;
    if (magic == rfc1048) return print_options(out, message.bytes.subspan(options_at), verbose > 2);
    if (magic == 0) return;
    out.add("\n\t  Vendor-#0x");
    out.hex(magic);
}

}  // namespace

void print_dhcp(TextBuffer& out, Part message, const Context& context) {
    if (!message.has(1)) return add_cut(out, "bootp");
    const std::uint8_t* p = message.bytes.data();
    out.add("BOOTP/DHCP, ");
    if (p[0] == 1 || p[0] == 2) {
        out.add(p[0] == 1 ? "Request" : "Reply");
    } else {
        out.add("unknown (0x");
        out.hex_octet(p[0]);
        out.add(')');
    }
    if (!message.has(3)) return add_cut(out, "bootp");
    if (p[0] == 1 && p[1] == 1 && p[2] == 6) {
        if (!message.has(hardware_at + 6)) return add_cut(out, "bootp");
        out.add(" from ");
        add_mac(out, p + hardware_at);
    }
    add_length(out, message.length);
    if (context.options.verbose > 0) print_verbose(out, message, context.options.verbose);
}

}  // namespace estab::observe::dump
