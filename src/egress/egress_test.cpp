#include <gtest/gtest.h>

#include "egress/policy.hpp"

namespace estab::egress {
namespace {

using wire::Address;
using wire::Endpoint;

Bytes bytes_of(std::string_view text) {
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}
Rule rule(std::string_view text) { return *Rule::parse(text); }
Endpoint endpoint(std::string_view text) { return *Endpoint::parse(text); }
Address address(std::string_view text) { return *Address::parse(text); }

// --- Rules

TEST(Rule, HostAndPort) {
    const Rule exact = rule("API.Example.com.:443");
    EXPECT_TRUE(exact.is_by_name());
    EXPECT_TRUE(exact.has_name("api.example.com"));
    EXPECT_FALSE(exact.has_name("x.api.example.com"));
    EXPECT_FALSE(exact.has_name("xapi.example.com"));
    EXPECT_TRUE(exact.has_port(443));
    EXPECT_FALSE(exact.has_port(442));
    EXPECT_FALSE(exact.has_port(444));
    EXPECT_FALSE(exact.has_address(address("192.0.2.1")));
}

TEST(Rule, BelowAName) {
    const Rule below = rule("*.example.com");
    EXPECT_TRUE(below.has_name("a.example.com"));
    EXPECT_TRUE(below.has_name("a.b.example.com"));
    EXPECT_FALSE(below.has_name("example.com"));
    EXPECT_FALSE(below.has_name("aexample.com"));
    EXPECT_FALSE(below.has_name(".example.com"));
    EXPECT_FALSE(below.has_name("example.com.evil.org"));
}

TEST(Rule, AddressesNetworksAndPortRanges) {
    EXPECT_TRUE(rule("192.0.2.0/24:8000-8001").has_address(address("192.0.2.255")));
    EXPECT_FALSE(rule("192.0.2.0/24").has_address(address("192.0.3.0")));
    EXPECT_FALSE(rule("*:8000-8001").has_port(7999));
    EXPECT_TRUE(rule("*:8000-8001").has_port(8001));
    EXPECT_FALSE(rule("*:8000-8001").has_port(8002));
    EXPECT_TRUE(rule("2001:db8::1").has_address(address("2001:db8::1")));
    EXPECT_TRUE(rule("[2001:db8::/32]:53").has_address(address("2001:db8::1")));
    EXPECT_FALSE(rule("[2001:db8::1]:53").has_port(54));
    EXPECT_TRUE(rule("*").has_address(address("::1")) && rule("*").has_name("a"));
}

TEST(Rule, WhatIsNoRuleIsRefused) {
    for (const char* text : {"", ":80", "a:", "a:0x50", "a:80-", "a:81-80", "a:65536", "a b", "a..b",
                             ".a", "*.", "*a.b", "a.*.b", "[::1", "[::1]80", "1.2.3", "0x7f.1",
                             "192.0.2.1/33", "http://a", "a:80:81", "-"
                             "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"})
        EXPECT_FALSE(Rule::parse(text)) << text;
}

// --- DNS

std::string labels(std::string_view name) {
    std::string wire;
    while (!name.empty()) {
        const std::string_view label = name.substr(0, name.find('.'));
        wire += static_cast<char>(label.size());
        wire += label;
        name.remove_prefix(std::min(name.size(), label.size() + 1));
    }
    return wire + '\0';
}
std::string u16(unsigned value) {
    return {static_cast<char>(value >> 8), static_cast<char>(value & 255)};
}
std::string question(std::string_view name, unsigned type) {
    return labels(name) + u16(type) + u16(1);
}
std::string query(std::string_view name, unsigned type = 1) {
    return u16(7) + u16(0x0100) + u16(1) + u16(0) + u16(0) + u16(0) + question(name, type);
}
std::string record(std::string_view owner, unsigned type, const std::string& data) {
    return labels(owner) + u16(type) + u16(1) + u16(0) + u16(60) +
           u16(static_cast<unsigned>(data.size())) + data;
}
std::string answer(std::string_view name, unsigned count, const std::string& records) {
    return u16(7) + u16(0x8180) + u16(1) + u16(count) + u16(0) + u16(0) + question(name, 1) + records;
}
const std::string a1{"\xc0\x00\x02\x01", 4}, a2{"\xc0\x00\x02\x02", 4};

TEST(Dns, AQueryAndItsAnswer) {
    const auto asked = parse_dns_query(bytes_of(query("A.Test")));
    ASSERT_TRUE(asked);
    EXPECT_EQ(asked->name, "a.test");
    EXPECT_EQ(asked->type, 1);
    const auto found =
        dns_addresses(*asked, bytes_of(answer("a.TEST", 2, record("a.test", 1, a1) +
                                                               record("a.test", 1, a2))));
    EXPECT_EQ(found, (std::vector{address("192.0.2.1"), address("192.0.2.2")}));
}

TEST(Dns, AliasesAreFollowedAndStrangersAreNot) {
    const auto asked = parse_dns_query(bytes_of(query("a.test")));
    const std::string records = record("a.test", 5, labels("b.test")) +
                                record("evil.test", 1, a1) + record("b.test", 1, a2);
    EXPECT_EQ(dns_addresses(*asked, bytes_of(answer("a.test", 3, records))),
              std::vector{address("192.0.2.2")});
}

TEST(Dns, AnAnswerToSomethingElsePinsNothing) {
    const auto asked = parse_dns_query(bytes_of(query("a.test")));
    const std::string good = answer("a.test", 1, record("a.test", 1, a1));
    EXPECT_EQ(dns_addresses(*asked, bytes_of(good)).size(), 1U);
    EXPECT_TRUE(dns_addresses(*asked, bytes_of(answer("b.test", 1, record("b.test", 1, a1)))).empty());
    std::string other_id = good;
    other_id[1] = 8;
    EXPECT_TRUE(dns_addresses(*asked, bytes_of(other_id)).empty());
    EXPECT_TRUE(dns_addresses(*asked, bytes_of(query("a.test"))).empty());
}

TEST(Dns, EveryCutAndEveryChangedOctetIsSurvived) {
    const auto asked = parse_dns_query(bytes_of(query("a.test")));
    const std::string whole = answer("a.test", 2, record("a.test", 5, "\xc0\x0c") +
                                                      record("a.test", 1, a1));
    for (std::size_t size = 0; size < whole.size(); ++size) {
        (void)dns_addresses(*asked, bytes_of(std::string_view(whole).substr(0, size)));
        (void)parse_dns_query(bytes_of(std::string_view(whole).substr(0, size)));
        for (unsigned value = 0; value < 256; ++value) {
            std::string changed = whole;
            changed[size] = static_cast<char>(value);
            (void)dns_addresses(*asked, bytes_of(changed));
        }
    }
}

TEST(Dns, ADotInsideALabelIsNoSeparator) {
    std::string sly = query("a.test");
    sly[13] = '.';  // the label "a" becomes "."
    const auto asked = parse_dns_query(bytes_of(sly));
    ASSERT_TRUE(asked);
    EXPECT_EQ(asked->name, "");
}

TEST(Dns, ARefusalIsAnAnswerToTheQuestion) {
    const std::string asked = query("a.test") + "rest";
    const auto parsed = parse_dns_query(bytes_of(asked));
    const auto refusal = refuse_dns(*parsed, bytes_of(asked), DnsRefusal::refused);
    EXPECT_EQ(refusal.size(), asked.size() - 4);
    EXPECT_EQ(refusal[2], 0x81);
    EXPECT_EQ(refusal[3], 0x85);
}

// --- Greetings

std::string client_hello(const std::string& extensions, std::size_t split = 0) {
    const std::string body = "\x03\x03" + std::string(32, 'r') + std::string(1, '\0') + u16(2) +
                             u16(0x1301) + std::string("\x01\x00", 2) +
                             u16(static_cast<unsigned>(extensions.size())) + extensions;
    const std::string message =
        std::string("\x01\x00", 2) + u16(static_cast<unsigned>(body.size())) + body;
    const auto as_record = [](const std::string& part) {
        return "\x16\x03\x01" + u16(static_cast<unsigned>(part.size())) + part;
    };
    if (split == 0) return as_record(message);
    return as_record(message.substr(0, split)) + as_record(message.substr(split));
}
std::string server_name(const std::string& name) {
    const auto size = static_cast<unsigned>(name.size());
    return u16(0) + u16(size + 5) + u16(size + 3) + '\0' + u16(size) + name;
}
const std::string other_extension = u16(10) + u16(2) + "xx";

TEST(Greeting, TheNameInTls) {
    const std::string hello = client_hello(other_extension + server_name("API.example.com"));
    const Addressee whom = read_greeting(bytes_of(hello));
    EXPECT_EQ(whom.greeting, Greeting::named);
    EXPECT_EQ(whom.name, "api.example.com");
    for (std::size_t size = 0; size < hello.size(); ++size)
        EXPECT_EQ(read_greeting(bytes_of(std::string_view(hello).substr(0, size))).greeting,
                  Greeting::incomplete)
            << size;
}

TEST(Greeting, AHelloMayBeSplitOverRecords) {
    for (const std::size_t split : {1U, 3U, 4U, 5U, 40U})
        EXPECT_EQ(read_greeting(bytes_of(client_hello(server_name("a.b"), split))).name, "a.b");
}

TEST(Greeting, TlsWithoutAUsableName) {
    for (const std::string& extensions :
         {std::string(), other_extension, server_name("a b"), server_name(std::string("a\0b", 3))})
        EXPECT_EQ(read_greeting(bytes_of(client_hello(extensions))).greeting, Greeting::nameless);
}

TEST(Greeting, HttpHosts) {
    const auto whom = [](const std::string& text) { return read_greeting(bytes_of(text)); };
    EXPECT_EQ(whom("GET / HTTP/1.1\r\nA: b\r\nhOsT: \tA.test:80 \r\n\r\n").name, "a.test");
    EXPECT_EQ(whom("GET / HTTP/1.1\r\nHost: [2001:db8::1]:80\r\n\r\n").name, "2001:db8::1");
    EXPECT_EQ(whom("GET http://a.test:80/x HTTP/1.1\r\nHost: a.test\r\n\r\n").name, "a.test");
    EXPECT_EQ(whom("CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n\r\n").name, "a.test");
    EXPECT_EQ(whom("GET / HTTP/1.0\r\n\r\n").greeting, Greeting::nameless);
    EXPECT_EQ(whom("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n").greeting, Greeting::nameless);
    EXPECT_EQ(whom("GET http://a.test/ HTTP/1.1\r\nHost: b.test\r\n\r\n").greeting,
              Greeting::nameless);
    EXPECT_EQ(whom("GE").greeting, Greeting::incomplete);
    EXPECT_EQ(whom("GET / HTTP/1.1\r\nHost: a\r\n").greeting, Greeting::incomplete);
    EXPECT_EQ(whom("SSH-2.0-x\r\n").greeting, Greeting::other);
    EXPECT_EQ(whom("GETX").greeting, Greeting::other);
    EXPECT_EQ(whom("GET " + std::string(greeting_max, 'x')).greeting, Greeting::nameless);
}

// --- Decisions

struct Given {
    std::vector<const char*> allow, deny;
    bool deny_all = false;
};
Policy policy(const Given& given) {
    PolicyOptions options{.allow = {}, .deny = {}, .deny_all = given.deny_all};
    for (const char* text : given.allow) options.allow.push_back(rule(text));
    for (const char* text : given.deny) options.deny.push_back(rule(text));
    return Policy(std::move(options));
}
Addressee named(const char* name) { return {Greeting::named, name}; }

TEST(Policy, WithoutRulesEverythingIsOpen) {
    const Policy open = policy({});
    EXPECT_TRUE(open.is_open());
    const Decision decision = open.on_connection(Transport::tcp, endpoint("192.0.2.1:80"));
    EXPECT_TRUE(decision.allowed && !decision.check_greeting);
}

TEST(Policy, DenyCountsMoreThanAllow) {
    const Policy rules = policy({.allow = {"192.0.2.0/24"}, .deny = {"192.0.2.1:22"}, .deny_all = true});
    EXPECT_TRUE(rules.on_connection(Transport::tcp, endpoint("192.0.2.1:80")).allowed);
    EXPECT_FALSE(rules.on_connection(Transport::tcp, endpoint("192.0.2.1:22")).allowed);
    EXPECT_FALSE(rules.on_connection(Transport::tcp, endpoint("192.0.3.1:80")).allowed);
    EXPECT_FALSE(rules.on_connection(Transport::tcp, endpoint("[2001:db8::1]:80")).allowed);
    EXPECT_FALSE(rules.on_connection(Transport::icmp, {address("192.0.2.1"), 0}).allowed);
    EXPECT_TRUE(rules.on_connection(Transport::icmp, {address("192.0.2.2"), 0}).allowed);
}

TEST(Policy, ANameHoldsForTheAddressesThatWerePinned) {
    Policy rules = policy({.allow = {"a.test:443"}, .deny = {}, .deny_all = true});
    const Endpoint to = endpoint("192.0.2.1:443");
    EXPECT_FALSE(rules.on_connection(Transport::tcp, to).allowed);
    rules.pin("other.test", to.address);
    EXPECT_FALSE(rules.on_connection(Transport::tcp, to).allowed);
    rules.pin("A.test", to.address);
    const Decision decision = rules.on_connection(Transport::tcp, to);
    EXPECT_TRUE(decision.allowed && decision.check_greeting);
    EXPECT_EQ(decision.why, "allow a.test:443");
    EXPECT_FALSE(rules.on_connection(Transport::tcp, endpoint("192.0.2.1:80")).allowed);
    EXPECT_FALSE(rules.on_connection(Transport::tcp, endpoint("192.0.2.2:443")).allowed);
}

TEST(Policy, ASharedAddressIsForTheAllowedNameOnly) {
    Policy rules = policy({.allow = {"a.test"}, .deny = {}, .deny_all = true});
    const Endpoint to = endpoint("192.0.2.1:443");
    rules.pin("a.test", to.address);
    EXPECT_TRUE(rules.on_greeting(to, named("a.test")).allowed);
    EXPECT_FALSE(rules.on_greeting(to, named("b.test")).allowed);
    EXPECT_FALSE(rules.on_greeting(to, named("192.0.2.1")).allowed);
    EXPECT_FALSE(rules.on_greeting(to, {Greeting::nameless, {}}).allowed);
    EXPECT_TRUE(rules.on_greeting(to, {Greeting::other, {}}).allowed);
}

TEST(Policy, UdpToANameIsPinnedButNotForQuic) {
    Policy rules = policy({.allow = {"a.test"}, .deny = {}, .deny_all = true});
    rules.pin("a.test", address("192.0.2.1"));
    EXPECT_TRUE(rules.on_connection(Transport::udp, endpoint("192.0.2.1:123")).allowed);
    EXPECT_FALSE(rules.on_connection(Transport::udp, endpoint("192.0.2.1:443")).allowed);
}

TEST(Policy, ADeniedNameIsHeardInTheGreeting) {
    const Policy rules = policy({.allow = {}, .deny = {"*.evil.test:443"}});
    const Endpoint to = endpoint("192.0.2.1:443");
    EXPECT_TRUE(rules.on_connection(Transport::tcp, to).check_greeting);
    EXPECT_FALSE(rules.on_connection(Transport::tcp, endpoint("192.0.2.1:80")).check_greeting);
    EXPECT_FALSE(rules.on_greeting(to, named("x.evil.test")).allowed);
    EXPECT_TRUE(rules.on_greeting(to, named("evil.test")).allowed);
}

TEST(Policy, QueriesForWhatIsAllowedAndForAddressesOnly) {
    const Policy rules = policy({.allow = {"*.a.test:443"}, .deny = {"x.a.test"}, .deny_all = true});
    DnsRefusal how{};
    const auto ask = [&](const char* name, QueryType type) {
        return rules.on_query({.name = name, .type = static_cast<std::uint16_t>(type)}, how).allowed;
    };
    EXPECT_TRUE(ask("b.a.test", QueryType::a));
    EXPECT_TRUE(ask("b.a.test", QueryType::aaaa));
    EXPECT_FALSE(ask("b.a.test", QueryType::txt));
    EXPECT_EQ(how, DnsRefusal::no_data);
    EXPECT_FALSE(ask("x.a.test", QueryType::a));
    EXPECT_FALSE(ask("secret.evil.test", QueryType::a));
    EXPECT_EQ(how, DnsRefusal::refused);
    EXPECT_FALSE(ask("", QueryType::a));
}

TEST(Policy, LinkLocalIsOpenedOnlyByItsOwnRule) {
    const Address metadata = address("169.254.169.254");
    EXPECT_FALSE(policy({}).opens(metadata));
    EXPECT_FALSE(policy({.allow = {"0.0.0.0/0", "*", "169.0.0.0/8"}, .deny = {}}).opens(metadata));
    EXPECT_TRUE(policy({.allow = {"169.254.169.254"}, .deny = {}}).opens(metadata));
}

TEST(Policy, PinsAreBounded) {
    Policy rules = policy({});
    for (std::size_t i = 0; i < Policy::names_max + 1; ++i)
        rules.pin("n" + std::to_string(i), address("192.0.2.1"));
    EXPECT_EQ(rules.names(address("192.0.2.1")).size(), Policy::names_max);
    for (std::uint32_t i = 0; i < Policy::addresses_max + 1; ++i)
        rules.pin("n", Address::v4(10, static_cast<std::uint8_t>(i >> 16),
                                   static_cast<std::uint8_t>(i >> 8), static_cast<std::uint8_t>(i)));
    EXPECT_TRUE(rules.names(Address::v4(10, 0, 64, 0)).empty());
}

}  // namespace
}  // namespace estab::egress
