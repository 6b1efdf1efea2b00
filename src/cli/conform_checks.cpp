#include "cli/conform_checks.hpp"

namespace estab::cli {

const char* to_string(Verdict verdict) {
    switch (verdict) {
    case Verdict::pass: return "pass";
    case Verdict::fail: return "fail";
    case Verdict::not_observable: return "not observable";
    }
    return "";
}

const char* to_string(Level level) {
    switch (level) {
    case Level::must: return "MUST";
    case Level::should: return "SHOULD";
    case Level::may: return "MAY";
    }
    return "";
}

std::vector<const Check*> all_checks() {
    std::vector<const Check*> all;
    for (const auto part : {checks_of_opening(), checks_of_text(), checks_of_sending()})
        for (const Check& check : part) all.push_back(&check);
    return all;
}

}  // namespace estab::cli
