// How far a download is, on one line of the terminal: only there, and only when it takes longer
// than a second.
#pragma once

#include <cstdint>
#include <optional>

#include "base/time.hpp"

namespace estab::cli {

class Progress {
public:
    Progress(Instant begin, bool wanted);
    ~Progress() { clear(); }
    Progress(const Progress&) = delete;
    Progress& operator=(const Progress&) = delete;

    // `done` of `total` octets; `before` of them were there already.
    struct Count {
        std::uint64_t done = 0, before = 0;
        std::optional<std::uint64_t> total;
    };
    void show(Instant now, const Count& count);
    void clear();

private:
    Instant begin_;
    Instant next_;
    bool wanted_;
    bool shown_ = false;
};

}  // namespace estab::cli
