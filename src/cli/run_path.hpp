// The path of `estab run`, from its options: a profile, the knobs that override it, and how it
// changes while CMD runs. All as CMD sees it: `up:` is what CMD sends.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "cli/network.hpp"
#include "cli/options.hpp"
#include "egress/rule.hpp"
#include "link/timeline.hpp"

namespace estab::cli {

class PathOptions {
public:
    void setup(Options& options);
    bool is_list() const { return link_ == "list"; }  // --link list
    static int list();                                // prints all profiles

    // Fills in `impair` of the network's options, and takes a timeline out of `events`. Throws
    // UsageError.
    void apply(NetworkOptions& network);

    // As CMD sees it; after apply().
    const std::string& text() const { return text_; }
    struct Branch {
        egress::Rule to;
        std::string text;  // of its path
    };
    const std::vector<Branch>& branches() const { return branches_; }
    // Of the link itself, and of a branch.
    const std::vector<link::Moment>& timeline(std::size_t branch = 0) const {
        return timelines_[branch];
    }

private:
    struct Knob {
        const char* option;
        const char* item;  // of the path grammar
        const char* value;
        const char* help;
        std::vector<std::string> given{};
    };
    std::string joined(const NetworkOptions& network) const;
    void add_branch(const std::string& option, NetworkOptions& network);
    void add_timeline(const std::string& path, const std::string& events);

    std::string link_;
    std::array<Knob, 10> knobs_{{
        {"--rate", "rate", "RATE", "of the link: 5mbit; up:1mbit and down:20mbit apart"},
        {"--rate-trace", "rate-trace", "FILE",
         "a rate that changes, as Mahimahi records it: each line the ms at which 1500 bytes leave"},
        {"--delay", "delay", "TIME", "one way: 40ms, 40ms±10ms"},
        {"--loss", "loss", "SHARE", "of the packets: 2%"},
        {"--burst-loss", "burst-loss", "SPEC", "ENTER/LEAVE of bad moments: 0.5%/25%"},
        {"--reorder", "reorder", "SHARE", "of the packets are overtaken"},
        {"--duplicate", "duplicate", "SHARE", "of the packets come twice"},
        {"--corrupt", "corrupt", "SHARE", "of the packets have a wrong bit"},
        {"--queue", "queue", "SIZE", "in front of the rate: 64KB, 100p, 1bdp, codel, fq_codel, …"},
        {"--ce", "ce", "SIZE", "ECN: packets are marked where so much waits: 20p, 30KB, 1ms"},
    }};
    std::string text_;
    std::vector<std::string> to_;
    std::vector<Branch> branches_;
    std::vector<std::vector<link::Moment>> timelines_;  // the link's, then each branch's
};

}  // namespace estab::cli
