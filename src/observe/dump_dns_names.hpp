// The names of numbers in DNS messages, as tcpdump knows them.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/bytes.hpp"
#include "observe/text.hpp"

namespace estab::observe::dump {

std::string_view dns_type_name(std::uint16_t type);  // empty: it knows none
// Options of EDNS, RFC 6891 6.1.2.
void add_edns_name(TextBuffer& out, std::uint16_t code);
void add_edns_value(TextBuffer& out, std::uint16_t code, Bytes value);  // of one octet at least

}  // namespace estab::observe::dump
