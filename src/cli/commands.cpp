// The table of commands, in the order in which --help lists them.
#include "cli/command.hpp"

namespace estab::cli {
namespace {

constexpr CommandEntry entries[] = {
    {.name = "serve",
     .summary = "serve a folder over HTTP on estab's TCP",
     .arguments = "[OPTIONS] DIR [-- CMD…]",
     .examples = "estab serve . -- wget -O /dev/null http://10.77.0.2/README.md\n"
                 "estab serve . --trace -- curl -s http://[fd77::2]/\n"
                 "estab serve . --impair loss=2%,delay=20ms -- wget http://10.77.0.2/big\n"
                 "sudo estab serve . --tun tcp0 --addr 10.9.0.2/24 --host-addr 10.9.0.1/24",
     .takes_command = true,
     .make = make_serve},
    {.name = "demo",
     .summary = "copy a file between two of estab's stacks, in memory",
     .arguments = "[OPTIONS] FILE --out COPY",
     .examples = "estab demo README.md --out copy --trace\n"
                 "estab demo big --out copy --pcap demo.pcapng --impair loss=1%",
     .takes_command = false,
     .make = make_demo},
    {.name = "doctor",
     .summary = "what works on this machine, and what to change",
     .arguments = "[--json]",
     .examples = "estab doctor",
     .takes_command = false,
     .make = make_doctor},
    {.name = "config",
     .summary = "show every parameter of TCP that --set can change",
     .arguments = "show [OPTIONS]",
     .examples = "estab config show\n"
                 "estab config show --profile rfc --json",
     .takes_command = false,
     .make = make_config},
};

}  // namespace

std::span<const CommandEntry> all_commands() { return entries; }

}  // namespace estab::cli
