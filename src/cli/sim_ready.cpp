// Scenarios that are in the program: `estab sim list`.
#include "cli/sim_scenario.hpp"

namespace estab::cli {
namespace {

constexpr ReadyScenario ready[] = {
    {"bufferbloat", "two flows before a queue of ten BDPs: what delay it makes", R"(
duration = "30s"
[link]
rate = "20mbit"
queue = "10bdp"
[[flow]]
count = 2
)"},
    {"codel", "the same flows before CoDel", R"(
duration = "30s"
[link]
rate = "20mbit"
queue = "codel"
[[flow]]
count = 2
)"},
    {"outage", "a link that is dead for three seconds", R"(
duration = "30s"
[link]
rate = "20mbit"
queue = "1bdp"
[[flow]]
[[change]]
at = "10s"
for = "3s"
link = { loss = "100%" }
)"},
    {"route-change", "the delay grows from 20 to 120 ms, and later falls again", R"(
duration = "30s"
rtt = "20ms"
[link]
rate = "50mbit"
queue = "200p"
[[flow]]
[[change]]
at = "10s"
for = "10s"
link = { delay = "60ms" }
back = { delay = "60ms" }
)"},
    {"short-flows", "300 flows of 30 KB that come at random, beside one that never ends", R"(
duration = "40s"
[link]
rate = "50mbit"
queue = "1bdp"
[[flow]]
[[flow]]
count = 300
bytes = "30k"
every = "100ms"
)"},
    {"video", "chunks of 1 MB each two seconds, beside a flow that never ends", R"(
duration = "60s"
[link]
rate = "20mbit"
queue = "1bdp"
[[flow]]
app = "chunks"
bytes = "1m"
pause = "2s"
[[flow]]
begin = "5s"
)"},
    {"middlebox", "other sequence numbers, a small MSS and no SACK, with 1 % of loss", R"(
duration = "20s"
[link]
rate = "20mbit"
queue = "1bdp"
loss = "1%"
[[flow]]
[box]
strip = ["sack"]
mss-max = 1200
rewrite-numbers = true
)"},
    {"mtu-change", "a route with a smaller MTU, of which no ICMP tells", R"(
duration = "40s"
silent = true
[link]
rate = "20mbit"
queue = "1bdp"
[[flow]]
[[change]]
at = "10s"
mtu = 1300
)"},
    {"cross-traffic", "datagrams that take half of the link, five seconds out of ten", R"(
duration = "40s"
[link]
rate = "20mbit"
queue = "1bdp"
[[flow]]
[[udp]]
rate = "10mbit"
on = "5s"
off = "5s"
)"},
    {"slow-reader", "a receiver that takes 64 KB a second", R"(
duration = "30s"
[link]
rate = "20mbit"
queue = "1bdp"
[[flow]]
app = "slow-reader"
chunk = "64k"
pause = "1s"
)"},
};

}  // namespace

std::span<const ReadyScenario> ready_scenarios() { return ready; }

}  // namespace estab::cli
