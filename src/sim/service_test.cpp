// What a program that nobody has scripted gets to hear in a world.
#include "sim/service.hpp"

#include <gtest/gtest.h>

#include <array>

#include "sim/dumbbell.hpp"

namespace estab::sim {
namespace {

using App = ServicePlan::App;

// A client that says one thing, closes its side if asked to, and remembers what it is told.
class Client final : public Owner {
public:
    Client(Host& host, wire::Endpoint server, std::string says, bool ends)
        : host_(host), says_(std::move(says)), ends_(ends) {
        const Instant now = host.world().now();
        id_ = *host.stack().connect(now, server, {});
        host.own(id_, this);
        host.pump(now);
    }
    void on_notice(Instant now, const stack::Notification&) override {
        if (!says_.empty()) {
            const auto sent = host_.stack().write(
                now, id_, {reinterpret_cast<const std::uint8_t*>(says_.data()), says_.size()});
            says_.erase(0, sent.value_or(0));
            if (says_.empty() && ends_) (void)host_.stack().shutdown_write(now, id_);
        }
        std::array<std::uint8_t, 4096> room;
        for (;;) {
            const auto got = host_.stack().read(now, id_, room);
            if (got && *got == 0) has_ended = true;
            if (!got || *got == 0) break;
            heard.append(reinterpret_cast<const char*>(room.data()), *got);
        }
        if (const tcp::Connection* c = host_.stack().find(id_)) was_reset = c->has_failed();
    }
    std::string body() const { return heard.substr(heard.find("\r\n\r\n") + 4); }

    std::string heard;
    bool has_ended = false, was_reset = false;

private:
    Host& host_;
    stack::ConnectionId id_{};
    std::string says_;
    bool ends_;
};

class Services : public testing::Test {
protected:
    explicit Services(const ServicePlan& plan = {}) { make(plan); }
    void make(const ServicePlan& plan) {
        DumbbellSettings settings;
        settings.flows.clear();
        settings.hosts = {{.name = "server", .is_left = true, .services = {plan}},
                          {.name = "client"}};
        settings.on_served = [this](const Served& served) { ended.push_back(served); };
        world = std::make_unique<Dumbbell>(settings);
    }
    std::unique_ptr<Client> say(std::string text, bool ends = false) {
        const wire::Endpoint server{world->named()[0].v4, world_port};
        auto client = std::make_unique<Client>(*world->world().hosts()[1], server,
                                               std::move(text), ends);
        world->run_to(after(world->world().now(), 5s));
        return client;
    }

    std::uint16_t world_port = 80;
    std::vector<Served> ended;
    std::unique_ptr<Dumbbell> world;
};

TEST_F(Services, HttpGivesAsMuchAsThePathSays) {
    const auto client = say("GET /x/70 HTTP/1.1\r\nHost: server\r\n\r\n");
    EXPECT_TRUE(client->heard.starts_with("HTTP/1.1 200 OK\r\n")) << client->heard;
    EXPECT_EQ(client->body().size(), 70u);
    EXPECT_TRUE(client->body().starts_with("These octets"));
    EXPECT_FALSE(client->has_ended);  // kept for another request
}

TEST_F(Services, HttpAnswersOneAfterTheOther) {
    const auto client = say("GET /3 HTTP/1.1\r\n\r\nGET /4 HTTP/1.0\r\n\r\n");
    const std::size_t second = client->body().find("HTTP/1.1 200 OK");
    EXPECT_EQ(second, 3u);
    EXPECT_TRUE(client->heard.ends_with("\r\n\r\nThes"));
    EXPECT_TRUE(client->has_ended);
}

TEST_F(Services, HttpCountsABodyInPieces) {
    std::string request = "PUT / HTTP/1.1\r\nCONTENT-length: 300000\r\nExpect: 100-continue\r\n\r\n";
    const auto client = say(request + std::string(300'000, 'x'));
    EXPECT_TRUE(client->heard.starts_with("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n"));
    EXPECT_TRUE(client->heard.ends_with("300000 octets came\n")) << client->heard;
}

TEST_F(Services, HttpHeadHasNoBody) {
    const auto client = say("HEAD /9 HTTP/1.1\r\n\r\n");
    EXPECT_NE(client->heard.find("Content-Length: 9\r\n"), std::string::npos);
    EXPECT_EQ(client->body(), "");
}

TEST_F(Services, HttpRefusesWhatItCannotRead) {
    EXPECT_TRUE(say("hello\r\n\r\n")->heard.starts_with("HTTP/1.1 400 "));
    EXPECT_TRUE(say("PUT / HTTP/1.1\r\nContent-Length: 1x\r\n\r\n")->heard.starts_with(
        "HTTP/1.1 400 "));
    EXPECT_TRUE(say("PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n")
                    ->heard.starts_with("HTTP/1.1 411 "));
    EXPECT_TRUE(say(std::string(Service::head_bytes_max, 'x'))->heard.empty());
    const auto longer = say(std::string(Service::head_bytes_max + 1, 'x'));
    EXPECT_TRUE(longer->heard.starts_with("HTTP/1.1 431 "));
    EXPECT_TRUE(longer->has_ended);
}

TEST_F(Services, HttpMayFailAndTakeItsTime) {
    make({.pause = 300ms, .status = 503});
    const Instant begin = world->world().now();
    const auto client = say("GET / HTTP/1.1\r\n\r\n", true);
    EXPECT_TRUE(client->heard.starts_with("HTTP/1.1 503 \r\n"));
    ASSERT_EQ(ended.size(), 1u);
    EXPECT_GE(ended[0].ended - begin, 300ms);
    EXPECT_LT(ended[0].ended - begin, 1s);
}

TEST_F(Services, EchoGivesBackAndEndsWithItsClient) {
    make({.app = App::echo, .port = 7});
    world_port = 7;
    const std::string text(200'000, 'e');
    const auto client = say(text, true);
    EXPECT_EQ(client->heard, text);
    EXPECT_TRUE(client->has_ended);
    ASSERT_EQ(ended.size(), 1u);
    EXPECT_EQ(ended[0].in, text.size());
    EXPECT_EQ(ended[0].out, text.size());
    EXPECT_FALSE(ended[0].is_broken);
}

TEST_F(Services, BulkEndsByItself) {
    make({.app = App::bulk, .port = 19, .octets = 100'000});
    world_port = 19;
    const auto client = say("");
    EXPECT_EQ(client->heard.size(), 100'000u);
    EXPECT_TRUE(client->has_ended);
}

TEST_F(Services, RequestsAreCountedByOctets) {
    make({.app = App::requests, .port = 7000, .octets = 50, .request = 10});
    world_port = 7000;
    EXPECT_EQ(say(std::string(9, 'q'))->heard.size(), 0u);
    EXPECT_EQ(say(std::string(10, 'q'))->heard.size(), 50u);
    EXPECT_EQ(say(std::string(39, 'q'))->heard.size(), 150u);
}

TEST_F(Services, AllAreReset) {
    make({.app = App::discard, .port = 9});
    world_port = 9;
    const auto client = say("x");
    world->services()[0]->reset_all(world->world().now());
    world->run_to(after(world->world().now(), 1s));
    EXPECT_TRUE(client->was_reset);
    ASSERT_EQ(ended.size(), 1u);
    EXPECT_TRUE(ended[0].is_broken);
}

TEST_F(Services, AClosedPortIsRefused) {
    world_port = 81;
    EXPECT_TRUE(say("x")->was_reset);
    EXPECT_TRUE(ended.empty());
}

// A stack that is no host of the world's speaks to one that is.
TEST(Port, JoinsAnotherStackToAWorld) {
    DumbbellSettings settings;
    settings.flows.clear();
    settings.hosts = {{.name = "server", .is_left = true, .services = {ServicePlan{}}},
                      {.name = "outside", .is_outside = true}};
    Dumbbell world(settings);
    Port& port = *world.named()[1].port;
    stack::Stack stack(world.world().now(), {});
    stack.attach({.link = device::LinkType::ip, .mtu = 1500, .frame_max = 1500});
    (void)stack.routes().add_address({port.v4(), 32});
    (void)stack.routes().add({.destination = *wire::Prefix::parse("0.0.0.0/0"),
                              .gateway = {},
                              .source = {}});
    std::size_t came = 0;
    const auto speak = [&](Instant now) {
        std::vector<std::uint8_t> room(stack.frame_bytes());
        device::Offload offload;
        while (const std::size_t size = stack.write_next(now, room, offload))
            port.send(now, Bytes(room).first(size));
    };
    port.deliver = [&](Instant now, Bytes packet) {
        ++came;
        const device::Frame frame{.bytes = packet, .arrived = now, .offload = {}};
        stack.receive(now, std::span(&frame, 1));
        speak(now);
    };
    const auto id = stack.connect(world.world().now(), {world.named()[0].v4, 80}, {});
    speak(world.world().now());
    world.run_to(after(world.world().now(), 1s));
    ASSERT_TRUE(id.has_value());
    EXPECT_EQ(stack.find(*id)->state(), tcp::State::established);
    EXPECT_EQ(came, 1u);
}

}  // namespace
}  // namespace estab::sim
