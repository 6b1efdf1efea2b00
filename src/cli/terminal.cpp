#include "cli/terminal.hpp"

#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "cli/console.hpp"

namespace estab::cli {
namespace {

constexpr std::string_view begin_screen = "\033[?1049h\033[?25l\033[2J";
constexpr std::string_view end_screen = "\033[?25h\033[?1049l";

sigset_t wanted_signals() {
    sigset_t set;
    sigemptyset(&set);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGTSTP, SIGCONT, SIGWINCH})
        sigaddset(&set, signal);
    return set;
}

}  // namespace

ScreenSize screen_size(const ScreenSize& otherwise) {
    winsize size{};
    if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0) return otherwise;
    return {.rows = size.ws_row == 0 ? otherwise.rows : size.ws_row,
            .columns = size.ws_col == 0 ? otherwise.columns : size.ws_col};
}

bool is_utf8_locale() {
    for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
        const char* value = std::getenv(name);
        if (value == nullptr || *value == '\0') continue;
        const std::string_view text(value);
        return text.find("UTF-8") != text.npos || text.find("utf8") != text.npos ||
               text.find("utf-8") != text.npos;
    }
    return false;
}

SignalQueue::SignalQueue() {
    const sigset_t set = wanted_signals();
    ::sigprocmask(SIG_BLOCK, &set, &before_);
    fd_ = drivers::Fd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!fd_) drivers::throw_system("cannot wait for signals");
}

SignalQueue::~SignalQueue() { ::sigprocmask(SIG_SETMASK, &before_, nullptr); }

int SignalQueue::next() {
    signalfd_siginfo info{};
    const ssize_t n = ::read(*fd_, &info, sizeof info);
    return n == static_cast<ssize_t>(sizeof info) ? static_cast<int>(info.ssi_signo) : 0;
}

Screen::Screen() : has_keys_(::tcgetattr(STDIN_FILENO, &before_) == 0) { enter(); }

void Screen::enter() {
    if (entered_) return;
    if (has_keys_) {
        termios raw = before_;
        raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
        raw.c_cc[VMIN] = 0;
        raw.c_cc[VTIME] = 0;
        ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &raw);
    }
    entered_ = true;
    print(begin_screen);
}

void Screen::leave() {
    if (!entered_) return;
    entered_ = false;
    // A terminal that has gone is not worth an error.
    write_all(STDOUT_FILENO, {reinterpret_cast<const std::uint8_t*>(end_screen.data()),
                              end_screen.size()});
    if (has_keys_) ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &before_);
}

void Screen::show(std::string_view lines, std::size_t rows) {
    std::string out = "\033[H";
    for (std::size_t row = 1; !lines.empty(); ++row) {
        const std::size_t end = lines.find('\n');
        out += lines.substr(0, end);
        out += "\033[K";
        if (end == lines.npos || row >= rows) break;  // one more and the screen would roll
        lines.remove_prefix(end + 1);
        if (!lines.empty()) out += "\r\n";
    }
    print(out + "\033[J");
}

std::string Screen::keys() {
    char room[256];
    const ssize_t n = ::read(STDIN_FILENO, room, sizeof room);
    if (n > 0) return {room, static_cast<std::size_t>(n)};
    if (n == 0 || (errno != EAGAIN && errno != EINTR)) has_keys_ = false;
    return {};
}

}  // namespace estab::cli
