// The unit in which connections hold octets: a pooled page.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/memory.hpp"

namespace estab::tcp {

struct Chunk {
    static constexpr std::size_t size = 4096;
    alignas(16) std::uint8_t octets[size];  // left unset
    Chunk() {}                              // NOLINT: a defaulted one would clear it in make()
};
using ChunkPool = Pool<Chunk>;

}  // namespace estab::tcp
