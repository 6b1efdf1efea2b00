// A stranger's program: it needs the installed headers and code out of the installed archive.
#include <cstdio>
#include <cstring>

#include <estab/base/result.hpp>

int main() {
    const char* text = estab::to_string(estab::Error::refused);
    std::printf("%s\n", text);
    return std::strlen(text) > 0 ? 0 : 1;
}
