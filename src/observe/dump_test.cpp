// The printer against tcpdump's own output for every capture that we have.
#include "observe/dump.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "observe/capture_reader.hpp"

namespace estab::observe {
namespace {

namespace fs = std::filesystem;

const fs::path captures = fs::path(ESTAB_SOURCE_DIR) / "tests" / "captures";

std::vector<std::uint8_t> bytes_of(const fs::path& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

std::vector<std::string> expected_lines(const fs::path& path) {
    std::ifstream in(path);
    std::vector<std::string> lines;
    for (std::string line; std::getline(in, line);) {
        if (!line.starts_with('#')) lines.push_back(line);  // how the tool itself ended
    }
    return lines;
}

std::string_view name_of_interface(std::uint32_t) { return "ifb0"; }

std::vector<std::string> our_lines(const fs::path& path, DumpOptions options) {
    const std::vector<std::uint8_t> file = bytes_of(path);
    options.interface_name = name_of_interface;
    CaptureReader reader;
    SegmentPrinter printer(options);
    std::vector<std::string> lines;
    reader.feed(file);
    std::optional<LinkType> first;
    while (const CapturedFrame* frame = reader.next()) {
        if (first && *first != frame->link) break;  // where tcpdump gives up
        first = frame->link;
        TextBuffer line;
        printer.print_frame(line, frame->time, frame->link, frame->bytes, frame->original_bytes);
        lines.emplace_back(line.view());
    }
    return lines;
}

bool is_tcp(const std::string& line) {
    return line.find("Flags [") != std::string::npos || line.find("tcp") != std::string::npos;
}

struct Score {
    std::size_t tcp = 0, tcp_equal = 0, other = 0, other_equal = 0, files = 0;
};

Score compare(const std::string& suffix, const DumpOptions& options) {
    Score score;
    std::vector<fs::path> paths(fs::directory_iterator(captures), {});
    std::ranges::sort(paths);
    for (const fs::path& path : paths) {
        const bool ng = path.extension() == ".pcapng";
        if (!ng && path.extension() != ".pcap") continue;
        const std::string name = path.stem().string() + (ng ? ".ng." : ".") + suffix + ".tcpdump";
        if (!fs::exists(captures / "expected" / name)) continue;
        const std::vector<std::string> expected = expected_lines(captures / "expected" / name);
        std::vector<std::string> ours = our_lines(path, options);
        ++score.files;
        ours.resize(std::max(ours.size(), expected.size()));
        for (std::size_t i = 0; i < expected.size(); ++i) {
            const bool equal = ours[i] == expected[i];
            (is_tcp(expected[i]) ? score.tcp : score.other) += 1;
            (is_tcp(expected[i]) ? score.tcp_equal : score.other_equal) += equal ? 1 : 0;
            EXPECT_EQ(ours[i], expected[i]) << name << " line " << i + 1;
        }
    }
    return score;
}

TEST(Dump, EveryLineOfEveryCaptureIsTcpdumps) {
    const Score score = compare("nn", {});
    EXPECT_EQ(score.files, 97U);
    EXPECT_EQ(score.tcp, 7890U);
    EXPECT_EQ(score.tcp_equal, score.tcp);
    EXPECT_EQ(score.other, 204U);
    EXPECT_EQ(score.other_equal, score.other);
    RecordProperty("tcp_lines_equal", static_cast<int>(score.tcp_equal));
    RecordProperty("other_lines_equal", static_cast<int>(score.other_equal));
}

TEST(Dump, AbsoluteNumbersToo) {
    const Score score = compare("S", {.absolute_numbers = true});
    EXPECT_GT(score.tcp, 400U);
    EXPECT_EQ(score.tcp_equal, score.tcp);
}

TEST(Dump, EpochTimesToo) {
    const Score score = compare("tt", {.time = DumpTime::epoch});
    EXPECT_GT(score.tcp, 300U);
    EXPECT_EQ(score.tcp_equal, score.tcp);
}

}  // namespace
}  // namespace estab::observe
