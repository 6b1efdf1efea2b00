// A part of a file in memory, to be sent from where it is. Who shares it holds it; the last one to
// let go unmaps it. A file that becomes shorter while it is mapped does not end the program: what
// is missing reads as zeros, and is_damaged() says so.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/bytes.hpp"

namespace estab::runtime {

// Where in a file, in octets.
struct FilePart {
    std::uint64_t first = 0;
    std::uint64_t size = 0;
};

class MappedPart {
public:
    // Held once. nullptr: this file cannot be mapped, or there is no such part; read it instead.
    static MappedPart* map(int fd, const FilePart& part);

    Bytes bytes() const { return bytes_; }
    bool is_damaged() const { return damaged_; }
    void hold() { ++holders_; }
    void let_go();
    // For Stream::try_write_external.
    static void let_go(void* part) { static_cast<MappedPart*>(part)->let_go(); }

private:
    friend struct DamageGuard;
    MappedPart() = default;
    ~MappedPart();

    Bytes bytes_;
    void* base_ = nullptr;
    std::size_t mapped_ = 0;
    std::size_t holders_ = 1;
    volatile bool damaged_ = false;  // written by the handler of a signal
    MappedPart* next_ = nullptr;     // of this thread's
    MappedPart* previous_ = nullptr;
};

}  // namespace estab::runtime
