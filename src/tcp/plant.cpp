#include "tcp/plant.hpp"

#ifdef ESTAB_PLANTS

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iterator>

namespace estab::tcp {
namespace {

constexpr const char* names[] = {
#define ESTAB_BUG(name, what) #name,
    ESTAB_BUGS(ESTAB_BUG)
#undef ESTAB_BUG
};

Bug from_environment() {
    const char* wanted = std::getenv("ESTAB_PLANT");
    if (wanted == nullptr || *wanted == '\0') return Bug::none;
    for (std::size_t i = 0; i < std::size(names); ++i)
        if (std::strcmp(names[i], wanted) == 0) return static_cast<Bug>(i);
    std::fprintf(stderr, "ESTAB_PLANT: no bug is called '%s'\n", wanted);
    std::exit(2);
}

}  // namespace

const Bug plant = from_environment();

}  // namespace estab::tcp

#endif
