#include "base/check.hpp"

#include <cstdio>
#include <cstdlib>

namespace estab {

void check_failed(const char* expression, const char* file, int line) {
    std::fprintf(stderr, "estab: internal error: CHECK(%s) failed at %s:%d\n", expression, file,
                 line);
    std::abort();
}

}  // namespace estab
