// Which path a packet takes: that of the first --to whose host and port it goes to or comes from.
#pragma once

#include "cli/run_path.hpp"
#include "egress/policy.hpp"

namespace estab::cli {

class Branches {
public:
    // The names that `policy` knows for an address count, from when it knows them.
    Branches(const std::vector<PathOptions::Branch>& branches, const egress::Policy*& policy)
        : branches_(branches), policy_(policy) {}

    // 0: none; n: branch n - 1. link::PathLanes::Classify, with a Branches as its context.
    static std::size_t find(void* self, Bytes packet, bool arrives) {
        return static_cast<const Branches*>(self)->branch_of(packet, arrives);
    }

private:
    std::size_t branch_of(Bytes packet, bool arrives) const;

    const std::vector<PathOptions::Branch>& branches_;
    const egress::Policy*& policy_;
};

}  // namespace estab::cli
