#include "congestion/bbr.hpp"
#include "congestion/cubic.hpp"
#include "congestion/dctcp.hpp"
#include "congestion/prague.hpp"
#include "congestion/reno.hpp"

namespace estab::congestion {

std::span<const Table* const> built_in() {
    static constexpr const Table* tables[] = {&table_of<Cubic>,  &table_of<Reno>,
                                              &table_of<Bbr>,    &table_of<Dctcp>,
                                              &table_of<Prague>, &table_of<Fixed>};
    return tables;
}

const Table* find(std::string_view name) {
    for (const Table* table : built_in()) {
        if (table->name == name) return table;
    }
    // A variant, to be compared with; no world draws it.
    if (name == LinuxCubic::name) return &table_of<LinuxCubic>;
    return nullptr;
}

std::string_view names() { return "cubic, reno, bbr, dctcp, prague, fixed"; }

}  // namespace estab::congestion
