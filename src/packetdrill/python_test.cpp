#include "packetdrill/python.hpp"

#include <gtest/gtest.h>

namespace estab::packetdrill {
namespace {

std::string run(const std::string& code, PythonNames names = {{"x", std::int64_t{7}}}) {
    std::string printed;
    try {
        if (const auto failed = run_python(code, {3, 10}, names, printed)) return *failed;
    } catch (const ScriptError& e) {
        return std::to_string(e.at().line) + ":" + std::to_string(e.at().column) + ": " + e.what();
    }
    return printed.empty() ? "fine" : printed;
}

TEST(Python, AssertionsSayWhatTheirNamesAre) {
    EXPECT_EQ(run("assert x == 7, x"), "fine");
    EXPECT_EQ(run("assert x == 8"), "assert x == 8: x is 7");
    EXPECT_EQ(run("assert x == 8, 'x=%d' % x"), "assert x == 8: x is 7 (x=7)");
    EXPECT_EQ(run("assert 5 <= x < 8"), "fine");
    EXPECT_EQ(run("assert 5 <= x < 7"), "assert 5 <= x < 7: x is 7");
}

TEST(Python, ArithmeticIsPythons) {
    EXPECT_EQ(run("print(2 + 3 * 4, (2 + 3) * 4)"), "14 20\n");
    EXPECT_EQ(run("print -7 // 2"), "-4\n");
    EXPECT_EQ(run("print(-7 % 3, 7 / 2, 7 // 2)"), "2 3.5 3\n");
    EXPECT_EQ(run("print(x & 4 != 0, 1 << 4 | 1, ~x)"), "1 17 -8\n");
    EXPECT_EQ(run("print(min(x, 3), max(1, x, 2), abs(-x), int(2.9))"), "3 7 7 2\n");
    EXPECT_EQ(run("assert 1 / 0"), "3:22: division by zero");
}

TEST(Python, NamesLastAndChange) {
    PythonNames names;
    std::string printed;
    EXPECT_FALSE(run_python("a = 2; b = a\na += 3\n", {}, names, printed));
    EXPECT_FALSE(
        run_python("assert a == 5 and b == 2 and not a == b or False", {}, names, printed));
    EXPECT_EQ(std::get<std::int64_t>(names.at("a")), 5);
}

TEST(Python, WhatIsNotUnderstoodIsAnError) {
    EXPECT_EQ(run("assert y"), "3:17: the name 'y' is unknown");
    EXPECT_EQ(run("import os"), "3:10: the name 'import' is unknown");
    EXPECT_EQ(run("assert x ==\nassert x"), "3:21: this statement is not complete");
    EXPECT_EQ(run("\n\n  assert x == 'open"), "5:15: this text does not end");
    EXPECT_EQ(run("assert f(x)"), "3:17: the function 'f' is unknown");
    EXPECT_EQ(run("assert x < 'a'"), "3:19: a text and a number cannot be compared");
    EXPECT_EQ(run("assert " + std::string(500, '(')), "3:50: this goes too deep");
}

}  // namespace
}  // namespace estab::packetdrill
