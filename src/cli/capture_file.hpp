// A capture file by name: mapped into memory where it can be, read piece by piece from pipes, and
// unpacked when it is gzip or zstd. Memory does not grow with the file.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "observe/capture_reader.hpp"

namespace estab::cli {

// libpcap's filter expressions, compiled once for each link type that appears.
class CaptureFilter {
public:
    // Throws UsageError when the expression is wrong. Empty: everything passes.
    explicit CaptureFilter(std::string expression);
    ~CaptureFilter();
    CaptureFilter(const CaptureFilter&) = delete;

    bool passes(const observe::CapturedFrame& frame);

private:
    struct Program;
    Program& program(observe::LinkType link);

    std::string expression_;
    std::vector<std::unique_ptr<Program>> programs_;
};

// Brings bytes; see capture_file.cpp for those there are.
class CaptureBytes {
public:
    virtual ~CaptureBytes() = default;
    // The next piece, valid until the next call; empty: there is no more. Throws when reading or
    // unpacking fails.
    virtual Bytes next() = 0;
    // Nothing below this offset of the file is looked at any more.
    virtual void release(std::uint64_t) {}
};

class CaptureFile {
public:
    // "-" is standard input. Throws when the file cannot be opened.
    CaptureFile(const std::string& name, const std::vector<std::string>& filter);
    ~CaptureFile();

    // The next frame that passes the filter, or nothing at the end; see trouble() then.
    const observe::CapturedFrame* next();
    // Called before more is read, which may take as long as somebody needs to write it: what was
    // printed should be seen then.
    void on_pause(std::function<void()> then) { on_pause_ = std::move(then); }
    // Why the end is not the file's end: one line, without a line end.
    const std::optional<std::string>& trouble() const { return trouble_; }
    const observe::CaptureReader& reader() const { return reader_; }
    const std::string& name() const { return name_; }

private:
    bool bring_more();

    std::string name_;
    std::unique_ptr<CaptureBytes> bytes_;
    observe::CaptureReader reader_;
    std::unique_ptr<CaptureFilter> filter_;
    std::optional<std::string> trouble_;
    std::uint64_t released_ = 0;
    std::function<void()> on_pause_;
    bool ended_ = false;
};

}  // namespace estab::cli
