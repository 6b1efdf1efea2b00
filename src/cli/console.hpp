// Standard output and standard error. Data goes to the one, reasons and progress to the other.
#pragma once

#include <string>
#include <string_view>

#include "base/bytes.hpp"

namespace estab::cli {

// Whoever read our output has gone. The program ends then, without a word.
struct OutputClosed {};

// Writes everything to standard output. Throws OutputClosed, or drivers::SystemError when the disk
// is full.
void print(std::string_view text);
void print(Bytes bytes);
// A line on standard error, as "estab serve: …"; nobody reading it is not an error.
void note(std::string_view who, std::string_view line);
// Everything to a descriptor; 0 or the errno.
int write_all(int fd, Bytes bytes);

// What came from outside, without anything that a terminal would take as a command.
std::string printable(std::string_view text);

}  // namespace estab::cli
