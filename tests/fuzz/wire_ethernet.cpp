// An Ethernet frame through every view: tags, ARP, and what an IP packet carries.
#include "wire/every_view.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    estab::wire::read_every_frame_view({data, size});
    return 0;
}
