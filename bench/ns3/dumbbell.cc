// The dumbbell of `estab sim run` in ns-3, for bench/simulators: n senders and n receivers, two routers,
// a drop-tail queue of one bandwidth-delay product before the link that all share. Prints one line of
// JSON. Needs Debian's libns3-dev.
#include <cstdio>
#include <string>
#include <vector>

#include "ns3/applications-module.h"
#include "ns3/core-module.h"
#include "ns3/internet-module.h"
#include "ns3/network-module.h"
#include "ns3/point-to-point-module.h"
#include "ns3/traffic-control-module.h"

using namespace ns3;

namespace {

struct Options {
    std::uint32_t flows = 1, seed = 1, mss = 1448;
    std::string cc = "TcpCubic", rate = "100Mbps";
    double rtt_ms = 40, loss = 0, seconds = 60, warm_up = 10, spread = 0;
};

Options read(int argc, char** argv) {
    Options o;
    CommandLine cmd(__FILE__);
    cmd.AddValue("flows", "connections", o.flows);
    cmd.AddValue("cc", "TcpCubic, TcpNewReno or TcpBbr", o.cc);
    cmd.AddValue("rate", "of the shared link", o.rate);
    cmd.AddValue("rtt", "in ms, without queues", o.rtt_ms);
    cmd.AddValue("loss", "probability, towards the receivers", o.loss);
    cmd.AddValue("seconds", "simulated", o.seconds);
    cmd.AddValue("warm-up", "seconds that are not measured", o.warm_up);
    cmd.AddValue("spread", "flows begin within so many seconds", o.spread);
    cmd.AddValue("seed", "of everything that is random", o.seed);
    cmd.Parse(argc, argv);
    return o;
}

std::uint64_t crossed = 0;  // packets on the shared link, both ways
void on_packet(Ptr<const Packet>) { ++crossed; }

void set_defaults(const Options& o, std::uint32_t buffer) {
    Config::SetDefault("ns3::TcpL4Protocol::SocketType", StringValue("ns3::" + o.cc));
    Config::SetDefault("ns3::TcpSocket::SegmentSize", UintegerValue(o.mss));
    Config::SetDefault("ns3::TcpSocket::InitialCwnd", UintegerValue(10));
    Config::SetDefault("ns3::TcpSocket::SndBufSize", UintegerValue(buffer));
    Config::SetDefault("ns3::TcpSocket::RcvBufSize", UintegerValue(buffer));
    Config::SetDefault("ns3::TcpSocket::DelAckCount", UintegerValue(2));
}

using Sinks = std::vector<Ptr<PacketSink>>;

void note_octets(const Sinks* sinks, std::vector<std::uint64_t>* into) {
    for (const auto& sink : *sinks) into->push_back(sink->GetTotalRx());
}

void print(const Options& o, const std::vector<std::uint64_t>& before,
           const std::vector<std::uint64_t>& after) {
    double sum = 0, squares = 0;
    for (std::size_t i = 0; i < after.size(); ++i) {
        const double goodput =
            static_cast<double>(after[i] - before[i]) * 8 / (o.seconds - o.warm_up);
        sum += goodput;
        squares += goodput * goodput;
    }
    std::printf("{\"goodput_bps\":%.0f,\"jain\":%.4f,\"link_packets\":%llu}\n", sum,
                squares > 0 ? sum * sum / (squares * o.flows) : 0,
                static_cast<unsigned long long>(crossed));
}

}  // namespace

int main(int argc, char** argv) {
    const Options o = read(argc, argv);
    RngSeedManager::SetSeed(o.seed);
    const DataRate rate(o.rate);
    const double bdp = static_cast<double>(rate.GetBitRate()) / 8 * o.rtt_ms / 1e3;
    const auto buffer = static_cast<std::uint32_t>(8 * bdp) + (1u << 20);
    set_defaults(o, buffer);

    NodeContainer routers, left, right;
    routers.Create(2);
    left.Create(o.flows);
    right.Create(o.flows);
    InternetStackHelper stack;
    stack.InstallAll();
    const auto queue = [](double bytes) {
        return QueueSizeValue(
            QueueSize(QueueSizeUnit::BYTES, static_cast<std::uint32_t>(bytes)));
    };
    PointToPointHelper shared, access;
    shared.SetDeviceAttribute("DataRate", DataRateValue(rate));
    shared.SetChannelAttribute("Delay", TimeValue(Seconds(o.rtt_ms / 2e3)));
    shared.SetQueue("ns3::DropTailQueue<Packet>", "MaxSize", queue(bdp));
    access.SetDeviceAttribute("DataRate", DataRateValue(DataRate(rate.GetBitRate() * 10)));
    access.SetQueue("ns3::DropTailQueue<Packet>", "MaxSize", queue(buffer));
    NetDeviceContainer link = shared.Install(routers);
    if (o.loss > 0) {
        Ptr<RateErrorModel> errors = CreateObject<RateErrorModel>();
        errors->SetAttribute("ErrorRate", DoubleValue(o.loss));
        errors->SetAttribute("ErrorUnit", EnumValue(RateErrorModel::ERROR_UNIT_PACKET));
        link.Get(1)->SetAttribute("ReceiveErrorModel", PointerValue(errors));
    }
    Ipv4AddressHelper ip("10.0.0.0", "255.255.255.0");
    std::vector<Ipv4Address> destinations;
    TrafficControlHelper disciplines;
    for (std::uint32_t i = 0; i < o.flows; ++i) {
        NetDeviceContainer a = access.Install(left.Get(i), routers.Get(0));
        NetDeviceContainer b = access.Install(routers.Get(1), right.Get(i));
        ip.Assign(a);
        ip.NewNetwork();
        destinations.push_back(ip.Assign(b).GetAddress(1));
        ip.NewNetwork();
        disciplines.Uninstall(a);
        disciplines.Uninstall(b);
    }
    ip.Assign(link);
    disciplines.Uninstall(link);  // the queue is the device's
    for (std::uint32_t i = 0; i < 2; ++i)
        link.Get(i)->TraceConnectWithoutContext("PhyTxEnd", MakeCallback(&on_packet));
    Ipv4GlobalRoutingHelper::PopulateRoutingTables();

    Ptr<UniformRandomVariable> random = CreateObject<UniformRandomVariable>();
    Sinks sinks;
    for (std::uint32_t i = 0; i < o.flows; ++i) {
        BulkSendHelper source("ns3::TcpSocketFactory", InetSocketAddress(destinations[i], 5001));
        source.SetAttribute("SendSize", UintegerValue(o.mss * 10));
        ApplicationContainer sender = source.Install(left.Get(i));
        sender.Start(Seconds(random->GetValue(0, o.spread)));
        PacketSinkHelper sink("ns3::TcpSocketFactory",
                              InetSocketAddress(Ipv4Address::GetAny(), 5001));
        ApplicationContainer receiver = sink.Install(right.Get(i));
        receiver.Start(Seconds(0));
        sinks.push_back(DynamicCast<PacketSink>(receiver.Get(0)));
    }
    std::vector<std::uint64_t> before, after;
    Simulator::Schedule(Seconds(o.warm_up), &note_octets, &sinks, &before);
    Simulator::Schedule(Seconds(o.seconds) - NanoSeconds(1), &note_octets, &sinks, &after);
    Simulator::Stop(Seconds(o.seconds));
    Simulator::Run();
    print(o, before, after);
    Simulator::Destroy();
}
