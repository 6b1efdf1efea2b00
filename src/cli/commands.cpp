// The table of commands, in the order in which --help lists them.
#include "cli/command.hpp"

namespace estab::cli {
namespace {

constexpr CommandEntry entries[] = {
    {.name = "run",
     .summary = "run any program on the network that you describe",
     .arguments = "[OPTIONS] -- CMD…",
     .examples = "estab run --link 3g --loss 2% -- curl -sO https://example.com/\n"
                 "estab run --rate 5mbit --delay 40ms --pcap out.pcapng -- git clone URL\n"
                 "estab run --host-loopback --delay up:100ms -- curl http://host.estab:8000/\n"
                 "estab run --deny-all --allow api.example.com:443 --log egress.jsonl -- ./agent\n"
                 "estab run --own-tcp --cc bbr --loss 1% --trace -- curl -sO https://example.com/\n"
                 "estab run --link list",
     .takes_command = true,
     .make = make_run},
    {.name = "serve",
     .summary = "serve a folder over HTTP on estab's TCP",
     .arguments = "[OPTIONS] DIR [-- CMD…]",
     .examples = "estab serve . -- wget -O /dev/null http://10.77.0.2/README.md\n"
                 "estab serve . --trace -- curl -s http://[fd77::2]/\n"
                 "estab serve . --impair loss=2%,delay=20ms -- wget http://10.77.0.2/big\n"
                 "sudo estab serve . --tun tcp0 --addr 10.9.0.2/24 --host-addr 10.9.0.1/24",
     .takes_command = true,
     .make = make_serve},
    {.name = "get",
     .summary = "fetch a file over HTTP with estab's TCP",
     .arguments = "[OPTIONS] URL [-- CMD…]",
     .examples = "estab get http://example.com/ -o page.html\n"
                 "estab get -C http://example.com/big.iso\n"
                 "estab get --host-loopback http://127.0.0.1:8000/file -o file --trace\n"
                 "estab get http://10.77.0.100:8000/file -- python3 -m http.server 8000",
     .takes_command = true,
     .make = make_get},
    {.name = "nc",
     .summary = "connect standard input and output over estab's TCP",
     .arguments = "[OPTIONS] [-l] [HOST] PORT [-- CMD…]",
     .examples = "echo hello | estab nc 10.77.0.100 9000 -- nc -l 9000\n"
                 "estab nc -l 9000 -- sh -c 'echo hello | nc -N 10.77.0.2 9000'\n"
                 "sudo estab nc -v -l 9000 --tun tcp0 --addr 10.9.0.2/24 --host-addr 10.9.0.1/24",
     .takes_command = true,
     .make = make_nc},
    {.name = "perf",
     .summary = "how fast it is: bulk each way, round trips, connections",
     .arguments = "[OPTIONS] HOST|--serve [-- CMD…]",
     .examples = "sudo estab perf --serve --tun tcp0 --addr 10.9.0.2/24 --host-addr 10.9.0.1/24\n"
                 "estab perf 10.9.0.2\n"
                 "estab perf 192.0.2.7 --tests up,down --time 10 --json\n"
                 "estab perf 10.77.0.100 -- ./server-with-the-three-ports",
     .takes_command = true,
     .make = make_perf},
    {.name = "ss",
     .summary = "show the sockets of running estab commands",
     .arguments = "[-a] [-l] [-i] [-o] [--json] [PID]",
     .examples = "estab ss -a\n"
                 "estab ss -ino 4711",
     .takes_command = false,
     .make = make_ss},
    {.name = "top",
     .summary = "watch the connections of running estab commands",
     .arguments = "[OPTIONS] [PID]",
     .examples = "estab top\n"
                 "estab top --sort rtt --filter 10.77.0.100\n"
                 "estab top --once --json | jq '.connections[].limit'",
     .takes_command = false,
     .make = make_top},
    {.name = "dump",
     .summary = "print a capture file, as tcpdump does",
     .arguments = "[OPTIONS] FILE [EXPRESSION…]",
     .examples = "estab dump trace.pcap\n"
                 "estab dump -v trace.pcapng.zst 'tcp port 80 and host 10.9.0.1'\n"
                 "tcpdump -w - -i eth0 tcp | estab dump -ttttt -",
     .takes_command = false,
     .make = make_dump},
    {.name = "undump",
     .summary = "a capture from the lines that tcpdump printed of it",
     .arguments = "[OPTIONS] FILE [-o CAPTURE]",
     .examples = "estab undump lines.txt -o trace.pcapng\n"
                 "tcpdump -nn -r old.pcap | estab undump - | estab analyze -",
     .takes_command = false,
     .make = make_undump},
    {.name = "analyze",
     .summary = "what happened in a capture: connections, losses, and what they cost",
     .arguments = "[OPTIONS] FILE [EXPRESSION…]",
     .examples = "estab analyze trace.pcap\n"
                 "estab analyze --frames trace.pcap 'host 10.9.0.1'\n"
                 "estab analyze --client a.pcap --server b.pcap",
     .takes_command = false,
     .make = make_analyze},
    {.name = "explain",
     .summary = "the story of a connection: what each segment means, and why",
     .arguments = "[OPTIONS] FILE [STREAM] [EXPRESSION…]",
     .examples = "estab explain trace.pcap\n"
                 "estab explain trace.pcap 3 --html -o story.html\n"
                 "estab undump lines.txt | estab explain -",
     .takes_command = false,
     .make = make_explain},
    {.name = "flow",
     .summary = "the segments of a connection as arrows, with both ends' states",
     .arguments = "[OPTIONS] FILE [STREAM] [EXPRESSION…]",
     .examples = "estab flow trace.pcap\n"
                 "estab flow trace.pcap 3\n"
                 "estab flow --svg big.pcap.zst 0,2 'port 80' -o flow.svg",
     .takes_command = false,
     .make = make_flow},
    {.name = "report",
     .summary = "a capture as a page of plots, findings and connections",
     .arguments = "[OPTIONS] FILE [EXPRESSION…] -o PAGE",
     .examples = "estab report trace.pcap -o report.html\n"
                 "estab report big.pcap.zst 'host 10.9.0.1' -o report.html",
     .takes_command = false,
     .make = make_report},
    {.name = "sim",
     .summary = "worlds in virtual time: measure a link, or search for broken rules",
     .arguments = "run|swarm|merge|list [OPTIONS] [FILE…]",
     .examples = "estab sim run --flows 2 --cc cubic,reno --rate 100mbit --rtt 40ms\n"
                 "estab sim run --loss 0.1% --duration 10s --out run1\n"
                 "estab sim swarm --seeds 1..1000\n"
                 "estab sim merge 0.json 1.json",
     .takes_command = false,
     .make = make_sim},
    {.name = "conform",
     .summary = "what a TCP endpoint does with segments made by hand, by RFC clause",
     .arguments = "[OPTIONS] HOST:PORT [-- CMD…]",
     .examples = "estab conform 10.77.0.100:8000 -- python3 -m http.server 8000\n"
                 "estab conform --html tcp.html 10.77.0.100:8000 -- nginx -c $PWD/nginx.conf\n"
                 "sudo estab conform 10.9.0.1:22 --tun c0 --addr 10.9.0.2/24 "
                 "--host-addr 10.9.0.1/24",
     .takes_command = true,
     .make = make_conform},
    {.name = "packetdrill",
     .summary = "run scripts of packetdrill against estab's stack, in virtual time",
     .arguments = "[OPTIONS] FILE…|DIR…",
     .examples = "estab packetdrill tests/packetdrill\n"
                 "estab packetdrill --json --profile rfc handshake.pkt\n"
                 "estab packetdrill --option ip_version=ipv6 tests/packetdrill/rfc9293",
     .takes_command = false,
     .make = make_packetdrill},
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
