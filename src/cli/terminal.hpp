// A terminal taken for a whole-screen display, and given back as it was, whatever happens.
#pragma once

#include <signal.h>
#include <termios.h>

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "base/time.hpp"
#include "drivers/system.hpp"

namespace estab::cli {

struct ScreenSize {
    std::size_t rows = 24, columns = 80;
};
// Of the terminal on standard output, if it is one that says so.
ScreenSize screen_size(const ScreenSize& otherwise);
// Whether what is shown may have more than ASCII in it.
bool is_utf8_locale();

// Signals as something to wait for beside the keyboard: INT, TERM, HUP, TSTP, CONT and WINCH.
class SignalQueue {
public:
    SignalQueue();  // throws drivers::SystemError
    ~SignalQueue();
    SignalQueue(const SignalQueue&) = delete;
    int fd() const { return *fd_; }
    int next();  // 0: none

private:
    sigset_t before_{};
    drivers::Fd fd_;
};

// The keyboard without lines and echo (only if standard input is a terminal), another screen,
// no cursor.
class Screen {
public:
    Screen();
    ~Screen() { leave(); }
    Screen(const Screen&) = delete;

    void enter();
    void leave();
    bool has_keys() const { return has_keys_; }
    // Lines, each cut to the width by whoever made it, as many as there is room for. What else was
    // on the screen is cleared.
    void show(std::string_view lines, std::size_t rows);
    // What was typed since; nothing once the keyboard is gone.
    std::string keys();

private:
    termios before_{};  // filled before has_keys_ is known
    bool has_keys_ = false, entered_ = false;
};

}  // namespace estab::cli
