// What `estab conform` asks of a TCP endpoint, clause by clause.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "cli/conform_prober.hpp"

namespace estab::cli {

enum class Verdict : std::uint8_t { pass, fail, not_observable };
const char* to_string(Verdict verdict);

struct Finding {
    Verdict verdict = Verdict::pass;
    std::string why;              // of a failure, or why it could not be seen
};

struct Asks {                     // what the user says about the target
    std::string request = "GET / HTTP/1.0\r\n\r\n";  // makes it talk
    std::uint16_t closed_port = 9;                    // where nothing listens
};

enum class Level : std::uint8_t { must, should, may };
const char* to_string(Level level);

struct Check {
    const char* name;             // "handshake.syn-ack"
    Level level;
    const char* clause;           // "RFC 9293 3.5"
    const char* what;             // what must be so
    Finding (*ask)(Prober& prober, const Asks& asks);
};
std::span<const Check> checks_of_opening();
std::span<const Check> checks_of_text();
std::span<const Check> checks_of_sending();
std::vector<const Check*> all_checks();

}  // namespace estab::cli
