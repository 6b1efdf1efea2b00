// `estab sim run`: flows over one shared link, measured.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/options.hpp"
#include "sim/dumbbell.hpp"

namespace estab::cli {

class SimRun {
public:
    void setup(Options& options);
    // `scenario`: a file or a ready one; empty: the flags say everything.
    int run(bool json, const std::string& scenario);

private:
    sim::DumbbellSettings settings() const;
    sim::DumbbellSettings of_scenario(const std::string& name) const;
    void assign(tcp::Config& config) const;

    std::optional<std::uint64_t> flows_, seed_, mtu_, octets_, buffer_;
    std::string cc_ = "cubic", rate_ = "100mbit", rtt_ = "40ms", queue_ = "1bdp", loss_, jitter_,
                reorder_, loss_back_, ce_, police_, clock_, spread_, udp_, rate_trace_,
                rate_trace_back_;
    std::string duration_ = "60s", warm_up_ = "0s", out_;
    std::vector<std::string> set_;
    bool ecn_ = false, no_referee_ = false, big_segments_ = false;
};

}  // namespace estab::cli
