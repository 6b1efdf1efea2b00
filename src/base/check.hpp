// CHECK states what must hold if our own code is right. It stays on in release builds. Nothing that
// arrives from outside may ever reach one.
#pragma once

namespace estab {

[[noreturn]] void check_failed(const char* expression, const char* file, int line);

}  // namespace estab

#define CHECK(expression)                                                    \
    (__builtin_expect(static_cast<bool>(expression), 1)                      \
         ? static_cast<void>(0)                                              \
         : ::estab::check_failed(#expression, __FILE__, __LINE__))
