#include <fmt/format.h>
#include <pcap/pcap.h>

#include "cli/capture_file.hpp"
#include "cli/command.hpp"

namespace estab::cli {

struct CaptureFilter::Program {
    Program(observe::LinkType its_link, const std::string& expression) : link(its_link) {
        using observe::LinkType;
        // Where the number in a file is not the one that libpcap has inside.
        const bool is_raw = link == LinkType::raw || link == LinkType::raw_openbsd;
        const int type = is_raw ? DLT_RAW : static_cast<int>(link);
        pcap_t* handle = ::pcap_open_dead(type, observe::CaptureReader::frame_bytes_max);
        if (handle == nullptr) throw std::bad_alloc();
        const int result =
            ::pcap_compile(handle, &code, expression.c_str(), 1, PCAP_NETMASK_UNKNOWN);
        const std::string why = result == 0 ? "" : ::pcap_geterr(handle);
        ::pcap_close(handle);
        if (result != 0) throw UsageError(fmt::format("filter '{}': {}", expression, why));
    }
    ~Program() { ::pcap_freecode(&code); }
    Program(const Program&) = delete;

    observe::LinkType link;
    bpf_program code{};
};

// Compiled for Ethernet at once, so that a mistake is told before the file is read.
CaptureFilter::CaptureFilter(std::string expression) : expression_(std::move(expression)) {
    program(observe::LinkType::ethernet);
}

CaptureFilter::~CaptureFilter() = default;

CaptureFilter::Program& CaptureFilter::program(observe::LinkType link) {
    for (const auto& known : programs_) {
        if (known->link == link) return *known;
    }
    return *programs_.emplace_back(std::make_unique<Program>(link, expression_));
}

namespace {

// A NULL header has the byte order of who captured, and libpcap expects ours; LOOP is big-endian.
observe::LinkType link_of(const observe::CapturedFrame& frame) {
    const bool is_null = frame.link == observe::LinkType::null && frame.bytes.size() >= 4;
    return is_null && load_be32(frame.bytes.data()) < 0x10000 ? observe::LinkType::loop
                                                              : frame.link;
}

}  // namespace

bool CaptureFilter::passes(const observe::CapturedFrame& frame) {
    pcap_pkthdr header{};
    header.caplen = static_cast<bpf_u_int32>(frame.bytes.size());
    header.len = frame.original_bytes;
    return ::pcap_offline_filter(&program(link_of(frame)).code, &header, frame.bytes.data()) != 0;
}

}  // namespace estab::cli
