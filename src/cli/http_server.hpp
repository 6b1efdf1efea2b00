// A file server for one folder: a coroutine for each connection, files sent from where they lie.
#pragma once

#include <cstdint>
#include <string>

#include "drivers/system.hpp"
#include "socket/listener.hpp"

namespace estab::cli {

class FileServer {
public:
    struct Limits {
        std::size_t header_bytes = 16 << 10;  // of a request; beyond: 431
        Duration idle = 60s;  // for a request to come, and for a peer to take a piece
    };

    // Throws drivers::SystemError when the folder cannot be opened.
    FileServer(const std::string& folder, bool logs, const Limits& limits);

    // Accepts for ever. The server must outlive the reactor.
    socket::Task<> run(socket::Reactor& reactor, socket::Listener& listener);
    std::uint64_t requests() const { return requests_; }

private:
    struct Request;
    struct Answer;
    socket::Task<> talk(socket::Reactor& reactor, socket::Stream stream);
    socket::Task<bool> send(socket::Reactor& reactor, socket::Stream& stream, Answer& answer,
                            bool body);
    socket::Task<bool> write(socket::Reactor& reactor, socket::Stream& stream,
                             std::string_view text);
    Answer answer_to(const Request& request) const;
    Answer answer_file(const Request& request, const std::string& path, drivers::Fd file) const;
    Answer answer_folder(const std::string& path, drivers::Fd folder) const;
    drivers::Fd open_beneath(const std::string& path) const;

    drivers::Fd folder_;
    bool logs_;
    Limits limits_;
    std::uint64_t requests_ = 0;
};

}  // namespace estab::cli
