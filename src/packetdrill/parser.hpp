// The grammar's parts, for parse().
#pragma once

#include "packetdrill/scanner.hpp"
#include "packetdrill/script.hpp"

namespace estab::packetdrill {

// Behind `<` or `>`.
Packet parse_packet(Scanner& in, bool inbound, const std::vector<Define>& defines);
// Behind the name of a system call: arguments, result, errno, note.
CallLine parse_call(Scanner& in, const std::string& name, const std::vector<Define>& defines);
Value parse_value(Scanner& in, const std::vector<Define>& defines);

}  // namespace estab::packetdrill
