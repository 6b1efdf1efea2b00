#include "observe/dump_dns_names.hpp"

#include <algorithm>
#include <array>
#include <span>

#include "observe/dump_parts.hpp"

namespace estab::observe::dump {
namespace {

struct Name {
    std::uint16_t number;
    std::string_view name;
};

std::string_view find(std::span<const Name> names, std::uint16_t number) {
    const auto found = std::ranges::find(names, number, &Name::number);
    return found == names.end() ? std::string_view{} : found->name;
}

constexpr Name types[] = {{1, "A"}, {2, "NS"}, {3, "MD"}, {4, "MF"}, {5, "CNAME"}, {6, "SOA"},
    {7, "MB"}, {8, "MG"}, {9, "MR"}, {10, "NULL"}, {11, "WKS"}, {12, "PTR"}, {13, "HINFO"},
    {14, "MINFO"}, {15, "MX"}, {16, "TXT"}, {17, "RP"}, {18, "AFSDB"}, {19, "X25"}, {20, "ISDN"},
    {21, "RT"}, {22, "NSAP"}, {23, "NSAP_PTR"}, {24, "SIG"}, {25, "KEY"}, {26, "PX"},
    {27, "GPOS"}, {28, "AAAA"}, {29, "LOC"}, {30, "NXT"}, {31, "EID"}, {32, "NIMLOC"},
    {33, "SRV"}, {34, "ATMA"}, {35, "NAPTR"}, {36, "KX"}, {37, "CERT"}, {38, "A6"}, {39, "DNAME"},
    {40, "SINK"}, {41, "OPT"}, {42, "APL"}, {43, "DS"}, {44, "SSHFP"}, {45, "IPSECKEY"},
    {46, "RRSIG"}, {47, "NSEC"}, {48, "DNSKEY"}, {99, "SPF"}, {100, "UINFO"}, {101, "UID"},
    {102, "GID"}, {103, "UNSPEC"}, {104, "UNSPECA"}, {249, "TKEY"}, {250, "TSIG"}, {251, "IXFR"},
    {252, "AXFR"}, {253, "MAILB"}, {254, "MAILA"}, {255, "ANY"}, {256, "URI"}};
constexpr Name edns[] = {{1, "LLQ"}, {2, "UL"}, {3, "NSID"}, {5, "DAU"}, {6, "DHU"}, {7, "N3U"},
    {8, "ECS"}, {9, "EXPIRE"}, {10, "COOKIE"}, {11, "KEEPALIVE"}, {12, "PADDING"}, {13, "CHAIN"},
    {14, "KEY-TAG"}, {16, "CLIENT-TAG"}, {17, "SERVER-TAG"}};
constexpr Name signatures[] = {{0, "DELETE"}, {1, "RSAMD5"}, {2, "DH"}, {3, "DS"}, {5, "RSASHA1"},
    {6, "DSA-NSEC3-SHA1"}, {7, "RSASHA1-NSEC3-SHA1"}, {8, "RSASHA256"}, {10, "RSASHA512"},
    {12, "ECC-GOST"}, {13, "ECDSAP256SHA256"}, {14, "ECDSAP384SHA384"}, {15, "ED25519"},
    {16, "ED448"}, {252, "INDIRECT"}, {253, "PRIVATEDNS"}, {254, "PRIVATEOID"}};
constexpr Name digests[] = {{1, "SHA-1"}, {2, "SHA-256"}, {3, "GOST_R_34.11-94"}, {4, "SHA-384"}};

void add_algorithms(TextBuffer& out, std::uint16_t code, Bytes numbers) {  // RFC 6975
    const std::span<const Name> all{digests};
    const std::span<const Name> known = code == 5   ? std::span<const Name>{signatures}
                                        : code == 6 ? all
                                                    : all.first(1);
    for (const std::uint8_t number : numbers) {
        const std::string_view name = find(known, number);
        out.add(' ');
        out.add(name);
        if (name.empty()) add_number(out, "Alg_", number);
    }
}

bool is_right(std::uint16_t code, Bytes value) {
    switch (code) {
        case 8: {  // RFC 7871 6
            if (value.size() < 4) return false;
            const std::uint16_t family = load_be16(value.data());
            const unsigned most = family == 1 ? 32 : family == 2 ? 128 : 0;
            return most != 0 && value[2] <= most && value[3] <= most &&
                   value.size() - 4 == (value[2] + 7U) / 8;
        }
        case 9: return value.size() == 4;   // RFC 7314
        case 10: return value.size() == 8 || (value.size() >= 16 && value.size() <= 40);
        case 11: return value.size() == 2;  // RFC 7828
        case 14: return value.size() % 2 == 0;  // RFC 8145 4.1
        default: return true;
    }
}

void add_subnet(TextBuffer& out, Bytes value) {
    std::array<std::uint8_t, 16> address{};
    std::ranges::copy(value.subspan(4), address.begin());
    add_address(out, load_be16(value.data()) == 2, address.data());
    add_number(out, "/", value[2]);
    add_number(out, "/", value[3]);
}

}  // namespace

std::string_view dns_type_name(std::uint16_t type) { return find(types, type); }

void add_edns_name(TextBuffer& out, std::uint16_t code) {
    const std::string_view known = find(edns, code);
    if (!known.empty()) return out.add(known);
    add_number(out, "Opt", code);
}

void add_edns_value(TextBuffer& out, std::uint16_t code, Bytes value) {
    if (code >= 5 && code <= 7) return add_algorithms(out, code, value);
    if (code == 12) {  // RFC 7830: only how much of it there is
        add_number(out, " (", value.size());
        return out.add(')');
    }
    if (!is_right(code, value)) return out.add("  (invalid)");
    out.add(' ');
    switch (code) {
        case 8: return add_subnet(out, value);
        case 9: out.decimal(load_be32(value.data())); return out.add(" sec");
        case 10:  // RFC 7873: the client's eight octets, then the server's
            out.hex_octets(value.first(8));
            if (value.size() > 8) out.add(' ');
            return out.hex_octets(value.subspan(8));
        case 11: {
            const std::uint16_t tenths = load_be16(value.data());
            add_number(out, "", tenths / 10U);
            add_number(out, ".", tenths % 10U);
            return out.add(" sec");
        }
        case 14:
            for (std::size_t i = 0; i < value.size(); i += 2) {
                add_number(out, i == 0 ? "" : " ", load_be16(value.data() + i));
            }
            return;
        default: return out.hex_octets(value);
    }
}

}  // namespace estab::observe::dump
