// The control socket of a running command: FOLDER/PID.sock, a stream socket of this user's alone,
// and FOLDER/PID.N.sock of each further shard. One line of JSON in, one out:
// docs/formats/control.md.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/descriptor.hpp"
#include "stack/stack.hpp"

namespace estab::cli {

struct ControlInfo {
    std::string command;    // "serve"
    std::string interface;
    stack::Stack* stack = nullptr;  // whose sockets are told; none: the reactor's
    std::size_t shard = 0;          // which of the command's
};

// Answers as long as it lives; belongs beside the reactor. That no socket can be made is no
// trouble: then only `estab ss` does not see the command.
class Control {
public:
    Control(runtime::Reactor& reactor, ControlInfo info);
    ~Control();
    Control(const Control&) = delete;
    Control& operator=(const Control&) = delete;

    // Where it will be, or is; empty: nowhere.
    static std::string path(std::size_t shard = 0);

private:
    socket::Task<> accept();
    socket::Task<> serve(drivers::Fd client);

    runtime::Reactor& reactor_;
    const ControlInfo info_;
    std::string path_;
    std::optional<Descriptor> listener_;
};

// A Control as a task: it lives as long as the reactor.
socket::Task<> keep_control(runtime::Reactor& reactor, ControlInfo info);

// The answer to one line. Never throws.
std::string control_answer(std::string_view line, Instant now, stack::Stack& stack,
                           const ControlInfo& info);

// Commands of this user that run, by PID; sockets that dead ones have left are removed.
std::vector<int> running_commands();
// What a command's shards answer, in order; nothing when it has gone.
std::vector<std::string> ask_command(int pid, std::string_view line);

}  // namespace estab::cli
