#include "cli/console.hpp"

#include <poll.h>
#include <unistd.h>

#include <cerrno>

#include "drivers/system.hpp"

namespace estab::cli {
namespace {

Bytes bytes_of(std::string_view text) {
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

}  // namespace

int write_all(int fd, Bytes bytes) {
    while (!bytes.empty()) {
        const ssize_t n = ::write(fd, bytes.data(), bytes.size());
        if (n >= 0) {
            bytes = bytes.subspan(static_cast<std::size_t>(n));
        } else if (errno == EAGAIN) {  // somebody has made the terminal non-blocking
            pollfd entry{.fd = fd, .events = POLLOUT, .revents = 0};
            ::poll(&entry, 1, -1);
        } else if (errno != EINTR) {
            return errno;
        }
    }
    return 0;
}

void print(Bytes bytes) {
    const int error = write_all(STDOUT_FILENO, bytes);
    if (error == EPIPE) throw OutputClosed{};
    if (error != 0) drivers::throw_system("cannot write to standard output", error);
}

void print(std::string_view text) { print(bytes_of(text)); }

void note(std::string_view who, std::string_view line) {
    std::string text(who);
    text += ": ";
    text += line;
    text += '\n';
    write_all(STDERR_FILENO, bytes_of(text));
}

std::string printable(std::string_view text) {
    std::string out;
    for (const char c : text) {
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
            static constexpr char digits[] = "0123456789abcdef";
            const auto octet = static_cast<unsigned char>(c);
            out += "\\x";
            out += digits[octet >> 4];
            out += digits[octet & 15];
        } else {
            out += c;
        }
    }
    return out;
}

}  // namespace estab::cli
