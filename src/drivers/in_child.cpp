#include "drivers/in_child.hpp"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <charconv>

namespace estab::drivers {
namespace {

// First line: the errno of a failure, -1 for success. Then the text.
[[noreturn]] void report(int socket, int error, const std::string& text,
                         const std::vector<int>& fds) {
    send_message(socket, std::to_string(error) + "\n" + text, fds);
    ::_exit(0);
}

[[noreturn]] void run(const std::function<Answer()>& work, int parent, int socket) {
    die_with(parent);
    if (const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC); null >= 0)
        for (int fd = 0; fd < 3; ++fd) ::dup2(null, fd);
    try {
        const Answer answer = work();
        std::vector<int> fds;
        for (const Fd& fd : answer.fds) fds.push_back(*fd);
        report(socket, -1, answer.text, fds);
    } catch (const SystemError& e) {
        report(socket, e.error(), e.what(), {});
    } catch (const std::exception& e) {
        report(socket, 0, e.what(), {});
    }
}

}  // namespace

Answer in_child(const std::function<Answer()>& work) {
    SocketPair pair = packet_socket_pair();
    const pid_t parent = ::getpid();
    const pid_t pid = ::fork();
    if (pid < 0) throw_system("cannot fork");
    if (pid == 0) {
        pair.ours.reset();
        run(work, parent, *pair.theirs);
    }
    pair.theirs.reset();
    Message message = receive_message(*pair.ours);
    int status = 0;
    while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
    if (message.ended)
        throw SystemError("a child that sets up namespaces ended without an answer", 0);
    const std::size_t line = message.text.find('\n');
    int error = 0;
    std::from_chars(message.text.data(), message.text.data() + line, error);
    std::string text = message.text.substr(line + 1);
    if (error >= 0) throw SystemError(text, error);
    return {.text = std::move(text), .fds = std::move(message.fds)};
}

}  // namespace estab::drivers
