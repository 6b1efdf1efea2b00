#include "tcp/config_fields.hpp"

#include <gtest/gtest.h>

#include <set>

namespace estab::tcp {
namespace {

TEST(ConfigFields, WhatIsPrintedIsTaken) {
    for (const std::string_view name : {"linux", "rfc", "freebsd", "tutorial"}) {
        const Config profile = *find_profile(name);
        Config copy;
        for (const ConfigField& field : config_fields()) {
            const std::string text = config_text(field, profile);
            const auto set = set_config(copy, field, text);
            EXPECT_TRUE(set) << (set ? "" : set.error());
            EXPECT_EQ(config_text(field, copy), text) << field.name;
        }
        EXPECT_EQ(copy.rto_min, profile.rto_min);
        EXPECT_EQ(copy.probe_form, profile.probe_form);
        EXPECT_EQ(copy.initial_ssthresh, profile.initial_ssthresh);
    }
}

TEST(ConfigFields, NamesAndAliasesAreUnique) {
    std::set<std::string_view> names;
    for (const ConfigField& field : config_fields()) {
        EXPECT_TRUE(names.insert(field.name).second) << field.name;
        EXPECT_TRUE(field.alias.empty() || names.insert(field.alias).second) << field.alias;
        EXPECT_FALSE(field.help.empty()) << field.name;
    }
}

TEST(ConfigFields, ReadsUnits) {
    Config c;
    EXPECT_TRUE(set_config(c, "rto_min=30ms"));
    EXPECT_EQ(c.rto_min, 30ms);
    EXPECT_TRUE(set_config(c, "recv_buffer=64k"));
    EXPECT_EQ(c.recv_buffer, 65'536u);
    EXPECT_TRUE(set_config(c, "recv_buffer_max=4MiB"));
    EXPECT_EQ(c.recv_buffer_max, 4u << 20);
    EXPECT_TRUE(set_config(c, "nagle=off"));
    EXPECT_FALSE(c.nagle);
    EXPECT_TRUE(set_config(c, "user_timeout=never"));
    EXPECT_EQ(c.user_timeout, Duration::max());
    EXPECT_TRUE(set_config(c, "congestion_control=fixed"));
    EXPECT_EQ(c.congestion_control->name, "fixed");
}

TEST(ConfigFields, SysctlsHaveLinuxsUnits) {
    Config c;
    EXPECT_TRUE(set_config(c, "net.ipv4.tcp_keepalive_time=600"));
    EXPECT_EQ(c.keepalive_idle, 600s);
    EXPECT_TRUE(set_config(c, "tcp_rto_min_us=5000"));
    EXPECT_EQ(c.rto_min, 5ms);
    EXPECT_TRUE(set_config(c, "tcp_ecn=1"));
    EXPECT_EQ(c.ecn, EcnMode::on);
    EXPECT_TRUE(set_config(c, "net.core.somaxconn=16"));
    EXPECT_EQ(c.backlog, 16u);
}

std::string refusal(std::string_view assignment) {
    Config c;
    const auto set = set_config(c, assignment);
    return set ? "" : set.error();
}

TEST(ConfigFields, SaysWhatIsWrong) {
    EXPECT_EQ(refusal("rto_mni=1s"), "no parameter 'rto_mni'; did you mean rto_min?");
    EXPECT_EQ(refusal("xyz=1"), "no parameter 'xyz'; `estab config show` lists them");
    EXPECT_EQ(refusal("nagle"), "'nagle' is not NAME=VALUE");
    EXPECT_EQ(refusal("nagle=maybe"), "nagle: 'maybe' is none of off, on, no, yes, false, true");
    EXPECT_EQ(refusal("rto_min=200"), "rto_min: '200' is not a time such as 200ms, 1s or 50us");
    EXPECT_EQ(refusal("rto_min=0ms"), "rto_min: 0ms is below 1ms");
    EXPECT_EQ(refusal("syn_retries=256"), "syn_retries: 256 is above 255");
    EXPECT_EQ(refusal("mss=-1"), "mss: '-1' is not a size such as 1460, 64k or 4m");
    EXPECT_EQ(refusal("dscp=64"), "dscp: 64 is above 63");
    EXPECT_EQ(refusal("recv_buffer=9999999999"), "recv_buffer: 9999999999 is above unlimited");
}

}  // namespace
}  // namespace estab::tcp
