// An IP packet through every view above it. The checksums that a random change breaks are put right
// first in a copy, so that the fuzzer gets behind them.
#include <vector>

#include "wire/checksum.hpp"
#include "wire/every_view.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace estab;
    wire::read_every_view({data, size});
    if (size < 20 || data[0] >> 4 != 4) return 0;
    std::vector<std::uint8_t> packet(data, data + size);
    const std::size_t header_bytes = std::size_t{data[0]} % 16 * 4;
    if (header_bytes < 20 || header_bytes > size) return 0;
    store_be16(packet.data() + 10, 0);
    store_be16(packet.data() + 10, wire::checksum(Bytes(packet).first(header_bytes)));
    wire::read_every_view(packet);
    return 0;
}
