#include "link/profile.hpp"

namespace estab::link {
namespace {

// Delays are one way, half of the source's round trip. Queues are what such links are known to
// have: deep ones in access networks, one bandwidth-delay product where nothing is said.
constexpr Profile profiles[] = {
    {"gprs", "down:rate=50kbit,up:rate=20kbit,delay=250ms,jitter=50ms,queue=32KB",
     "Chrome's developer tools: 50/20 kbit/s, 500 ms"},
    {"edge", "down:rate=240kbit,up:rate=200kbit,delay=420ms,jitter=40ms,queue=64KB",
     "WebPageTest: Edge, 240/200 kbit/s, 840 ms"},
    {"3g", "down:rate=1600kbit,up:rate=768kbit,delay=150ms,jitter=15ms,queue=128KB",
     "WebPageTest: 3G, 1.6 Mbit/s / 768 kbit/s, 300 ms"},
    {"lte", "rate=12mbit,delay=35ms,jitter=5ms,queue=256KB",
     "WebPageTest: LTE, 12/12 Mbit/s, 70 ms"},
    {"5g", "down:rate=225mbit,up:rate=20mbit,delay=12ms,jitter=3ms,queue=1bdp",
     "Opensignal, US mid-band 5G, 2022: 225/20 Mbit/s; the 24 ms have no source"},
    {"dsl", "down:rate=1500kbit,up:rate=384kbit,delay=25ms,queue=64KB",
     "WebPageTest: DSL, 1.5 Mbit/s / 384 kbit/s, 50 ms"},
    {"cable", "down:rate=5mbit,up:rate=1mbit,delay=14ms,queue=128KB",
     "WebPageTest: Cable, 5/1 Mbit/s, 28 ms"},
    {"wifi-bad", "rate=20mbit,delay=5ms,jitter=4ms,burst-loss=1%/20%,reorder=0.5%,queue=128KB",
     "no source, our choice: bursts of five frames after a deaf moment, 4 to 5 % in all"},
    {"satellite", "down:rate=25mbit,up:rate=3mbit,delay=300ms,jitter=5ms,loss=0.1%,queue=1bdp",
     "FCC Measuring Broadband America: geostationary, 25/3 Mbit/s, 600 ms"},
    {"leo", "down:rate=100mbit,up:rate=10mbit,delay=20ms,jitter=8ms,loss=0.3%,queue=1bdp",
     "Starlink's own specification: 100/10 Mbit/s, 25 to 60 ms"},
    {"datacentre", "rate=10gbit,delay=100us,queue=1MB",
     "Lee et al., USENIX ATC 2015: round trips of hundreds of us; the rate is our choice"},
    {"transatlantic", "rate=1gbit,delay=38ms,loss=0.001%,queue=1bdp",
     "New York to London by cable: 76 ms"},
};

}  // namespace

std::span<const Profile> all_profiles() { return profiles; }

const Profile* find_profile(std::string_view name) {
    for (const Profile& profile : profiles)
        if (name == profile.name) return &profile;
    return nullptr;
}

}  // namespace estab::link
