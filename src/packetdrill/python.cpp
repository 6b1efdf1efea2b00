#include "packetdrill/python.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <vector>

namespace estab::packetdrill {
namespace {

bool is_true(const PythonValue& v) {
    if (const auto* n = std::get_if<std::int64_t>(&v)) return *n != 0;
    if (const auto* d = std::get_if<double>(&v)) return *d != 0;
    return !std::get<std::string>(v).empty();
}

double as_double(const PythonValue& v) {
    if (const auto* n = std::get_if<std::int64_t>(&v)) return static_cast<double>(*n);
    return std::get<double>(v);
}

struct Token {
    enum class Kind : std::uint8_t { name, integer, real, text, sign, line_end } kind{};
    std::string text{};
    PythonValue value{};
    Position at{};
};

class Lexer {
public:
    Lexer(std::string_view code, Position at) : code_(code), at_(at) {}

    std::vector<Token> all() {
        std::vector<Token> tokens;
        int depth = 0;
        while (i_ < code_.size()) {
            const char c = code_[i_];
            if (c == '#') {
                while (i_ < code_.size() && code_[i_] != '\n') step();
            } else if (c == '\\' && i_ + 1 < code_.size() && code_[i_ + 1] == '\n') {
                step(), step();
            } else if (c == '\n' || c == ';') {
                if (depth == 0) tokens.push_back({.kind = Token::Kind::line_end, .at = at_});
                step();
            } else if (static_cast<unsigned char>(c) <= ' ') {
                step();
            } else {
                tokens.push_back(token());
                const std::string& t = tokens.back().text;
                if (tokens.back().kind != Token::Kind::sign) continue;
                if (t == "(" || t == "[") ++depth;
                if (t == ")" || t == "]") --depth;
            }
        }
        tokens.push_back({.kind = Token::Kind::line_end, .at = at_});
        return tokens;
    }

private:
    void step() {
        ++at_.column;
        if (code_[i_++] == '\n') at_ = {at_.line + 1, 1};
    }
    static bool is_digit(char c) { return c >= '0' && c <= '9'; }
    static bool is_word(char c) {
        return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
    }

    Token token() {
        Token t{.at = at_};
        const std::size_t from = i_;
        const char c = code_[i_];
        if (c == '"' || c == '\'') {
            step();
            while (i_ < code_.size() && code_[i_] != c) {
                if (code_[i_] == '\n') throw ScriptError(t.at, "this text does not end");
                t.text += code_[i_];
                step();
            }
            if (i_ == code_.size()) throw ScriptError(t.at, "this text does not end");
            step();
            t.kind = Token::Kind::text;
            t.value = t.text;
            return t;
        }
        if (is_digit(c) || (c == '.' && i_ + 1 < code_.size() && is_digit(code_[i_ + 1]))) {
            while (i_ < code_.size() && (is_word(code_[i_]) || code_[i_] == '.')) step();
            t.text = code_.substr(from, i_ - from);
            read_number(t);
            return t;
        }
        if (is_word(c)) {
            while (i_ < code_.size() && is_word(code_[i_])) step();
            t.text = code_.substr(from, i_ - from);
            t.kind = Token::Kind::name;
            return t;
        }
        static constexpr std::string_view signs[] = {
            "//=", "**=", "<<=", ">>=", "==", "!=", "<=", ">=", "//", "**",
            "<<",  ">>",  "+=",  "-=",  "*=", "/=", "%=", "&=", "|=", "^="};
        t.kind = Token::Kind::sign;
        t.text = std::string(1, c);
        for (const std::string_view sign : signs) {
            if (!code_.substr(i_).starts_with(sign)) continue;
            t.text = sign;
            break;
        }
        for (std::size_t n = 0; n < t.text.size(); ++n) step();
        return t;
    }

    static void read_number(Token& t) {
        const char* begin = t.text.data();
        const char* end = begin + t.text.size();
        const bool hex = t.text.starts_with("0x") || t.text.starts_with("0X");
        if (hex || t.text.find_first_of(".eE") == std::string::npos) {
            std::int64_t n = 0;
            const auto r = std::from_chars(begin + (hex ? 2 : 0), end, n, hex ? 16 : 10);
            if (r.ptr != end) throw ScriptError(t.at, "'" + t.text + "' is no number");
            t.kind = Token::Kind::integer;
            t.value = n;
            return;
        }
        double d = 0;
        const auto r = std::from_chars(begin, end, d);
        if (r.ptr != end) throw ScriptError(t.at, "'" + t.text + "' is no number");
        t.kind = Token::Kind::real;
        t.value = d;
    }

    std::string_view code_;
    std::size_t i_ = 0;
    Position at_;
};

class Interpreter {
public:
    Interpreter(std::vector<Token> tokens, PythonNames& names, std::string& printed)
        : tokens_(std::move(tokens)), names_(names), printed_(printed) {}

    std::optional<std::string> run() {
        while (i_ < tokens_.size()) {
            if (now().kind == Token::Kind::line_end) {
                ++i_;
                continue;
            }
            if (auto failed = statement()) return failed;
            if (now().kind != Token::Kind::line_end) unexpected();
        }
        return {};
    }

private:
    const Token& now() const { return tokens_[std::min(i_, tokens_.size() - 1)]; }
    [[noreturn]] void unexpected() const {
        throw ScriptError(now().at, now().kind == Token::Kind::line_end
                                        ? "this statement is not complete"
                                        : "'" + now().text + "' is not understood here");
    }
    bool take(std::string_view sign) {
        const Token& t = now();
        if ((t.kind != Token::Kind::sign && t.kind != Token::Kind::name) || t.text != sign)
            return false;
        ++i_;
        return true;
    }
    void want(std::string_view sign) {
        if (!take(sign)) unexpected();
    }

    std::optional<std::string> statement() {
        if (take("pass")) return {};
        if (take("assert")) return assertion();
        if (take("print")) {
            std::string line;
            const bool call = take("(");
            while (!(call ? take(")") : now().kind == Token::Kind::line_end)) {
                if (!line.empty()) line += ' ';
                line += to_text(expression());
                if (!take(",") && call && !(now().text == ")")) unexpected();
            }
            printed_ += line + "\n";
            return {};
        }
        if (now().kind == Token::Kind::name && i_ + 1 < tokens_.size()) {
            const Token& sign = tokens_[i_ + 1];
            const std::string name = now().text;
            if (sign.kind == Token::Kind::sign && sign.text.ends_with("=") && sign.text != "==" &&
                sign.text != "<=" && sign.text != ">=" && sign.text != "!=") {
                const std::string op = sign.text.substr(0, sign.text.size() - 1);
                i_ += 2;
                PythonValue value = expression();
                if (!op.empty()) value = binary(op, look_up(name), value);
                names_[name] = std::move(value);
                return {};
            }
        }
        (void)expression();
        return {};
    }

    // What it was, what its names are, and what it says itself.
    std::optional<std::string> assertion() {
        const std::size_t from = i_;
        used_.clear();
        const bool holds = is_true(expression());
        const auto used = used_;
        const std::size_t to = i_;
        std::string says;
        if (take(",")) says = to_text(expression());
        if (holds) return {};
        std::string text = "assert";
        for (std::size_t i = from; i < to; ++i) {
            const Token& t = tokens_[i];
            text += (t.kind == Token::Kind::text ? " '" + t.text + "'" : " " + t.text);
        }
        std::string values;
        for (const auto& [name, value] : used) {
            values += (values.empty() ? "" : ", ") + name + " is " + to_text(value);
        }
        return text + (values.empty() ? "" : ": " + values) +
               (says.empty() ? "" : " (" + says + ")");
    }

    PythonValue look_up(const std::string& name) {
        if (name == "True") return std::int64_t{1};
        if (name == "False" || name == "None") return std::int64_t{0};
        const auto found = names_.find(name);
        if (found == names_.end())
            throw ScriptError(tokens_[i_ == 0 ? 0 : i_ - 1].at,
                              "the name '" + name + "' is unknown");
        if (name.find_first_of("abcdefghijklmnopqrstuvwxyz") != std::string::npos)
            used_[name] = found->second;
        return found->second;
    }

    PythonValue expression() {
        const Deeper deeper(*this);
        PythonValue value = disjunction();
        if (!take("if")) return value;
        const bool condition = is_true(disjunction());
        want("else");
        PythonValue other = expression();
        return condition ? value : other;
    }
    PythonValue disjunction() {
        PythonValue left = conjunction();
        while (take("or")) {
            PythonValue right = conjunction();
            if (!is_true(left)) left = right;
        }
        return left;
    }
    PythonValue conjunction() {
        PythonValue left = negation();
        while (take("and")) {
            PythonValue right = negation();
            if (is_true(left)) left = right;
        }
        return left;
    }
    PythonValue negation() {
        const Deeper deeper(*this);
        if (take("not")) return std::int64_t{is_true(negation()) ? 0 : 1};
        return comparison();
    }
    PythonValue comparison() {
        PythonValue left = bits_or();
        bool holds = true, compared = false;
        for (;;) {
            std::string_view op;
            for (const std::string_view sign : {"==", "!=", "<=", ">=", "<", ">"}) {
                if (now().kind == Token::Kind::sign && now().text == sign) op = sign;
            }
            if (op.empty()) break;
            const Position at = now().at;
            ++i_;
            PythonValue right = bits_or();
            holds = holds && compare(at, op, left, right);
            compared = true;
            left = std::move(right);
        }
        return compared ? PythonValue(std::int64_t{holds}) : left;
    }
    static bool compare(Position at, std::string_view op, const PythonValue& a,
                        const PythonValue& b) {
        const auto decide = [op](const auto& x, const auto& y) {
            if (op == "==") return x == y;
            if (op == "!=") return x != y;
            if (op == "<=") return x <= y;
            if (op == ">=") return x >= y;
            return op == "<" ? x < y : x > y;
        };
        const auto *s = std::get_if<std::string>(&a), *t = std::get_if<std::string>(&b);
        if ((s == nullptr) != (t == nullptr)) {
            if (op == "==" || op == "!=") return op == "!=";
            throw ScriptError(at, "a text and a number cannot be compared");
        }
        if (s != nullptr) return decide(*s, *t);
        const auto *n = std::get_if<std::int64_t>(&a), *m = std::get_if<std::int64_t>(&b);
        if (n != nullptr && m != nullptr) return decide(*n, *m);
        return decide(as_double(a), as_double(b));
    }
    PythonValue level(std::initializer_list<std::string_view> ops,
                      PythonValue (Interpreter::*below)()) {
        PythonValue left = (this->*below)();
        for (;;) {
            std::string op;
            for (const std::string_view sign : ops) {
                if (now().kind == Token::Kind::sign && now().text == sign) op = sign;
            }
            if (op.empty()) return left;
            ++i_;
            left = binary(op, left, (this->*below)());
        }
    }
    PythonValue bits_or() { return level({"|"}, &Interpreter::bits_xor); }
    PythonValue bits_xor() { return level({"^"}, &Interpreter::bits_and); }
    PythonValue bits_and() { return level({"&"}, &Interpreter::shift); }
    PythonValue shift() { return level({"<<", ">>"}, &Interpreter::sum); }
    PythonValue sum() { return level({"+", "-"}, &Interpreter::product); }
    PythonValue product() { return level({"*", "/", "//", "%"}, &Interpreter::sign); }

    PythonValue binary(const std::string& op, const PythonValue& a, const PythonValue& b) const {
        const auto *s = std::get_if<std::string>(&a), *t = std::get_if<std::string>(&b);
        if (s != nullptr && t != nullptr && op == "+") return *s + *t;
        if (s != nullptr && op == "%") return filled_in(*s, b);
        if (s != nullptr || t != nullptr) unexpected();
        const auto *n = std::get_if<std::int64_t>(&a), *m = std::get_if<std::int64_t>(&b);
        if (n != nullptr && m != nullptr && op != "/") {
            const auto u = static_cast<std::uint64_t>(*n), v = static_cast<std::uint64_t>(*m);
            if (op == "+") return static_cast<std::int64_t>(u + v);
            if (op == "-") return static_cast<std::int64_t>(u - v);
            if (op == "*") return static_cast<std::int64_t>(u * v);
            if (op == "|") return *n | *m;
            if (op == "&") return *n & *m;
            if (op == "^") return *n ^ *m;
            if (op == "<<") return static_cast<std::int64_t>(u << (v & 63));
            if (op == ">>") return *n >> (v & 63);
            if (*m == 0) throw ScriptError(now().at, "division by zero");
            if (*m == -1) return op == "%" ? std::int64_t{0} : static_cast<std::int64_t>(0 - u);
            const bool rounds = *n % *m != 0 && (*n < 0) != (*m < 0);  // to minus infinity
            if (op == "//") return *n / *m - (rounds ? 1 : 0);
            if (op == "%") return *n % *m + (rounds ? *m : 0);
        }
        const double x = as_double(a), y = as_double(b);
        if (op == "+") return x + y;
        if (op == "-") return x - y;
        if (op == "*") return x * y;
        if (y == 0) throw ScriptError(now().at, "division by zero");
        if (op == "/") return x / y;
        if (op == "//") return std::floor(x / y);
        unexpected();
    }

    // 'cwnd=%d' % cwnd: for messages, so the form behind the % hardly matters.
    static PythonValue filled_in(const std::string& form, const PythonValue& value) {
        const std::size_t at = form.find('%');
        const std::size_t end = at == std::string::npos ? at : form.find_first_of("dsxfgiu", at);
        if (end == std::string::npos) return form;
        return form.substr(0, at) + to_text(value) + form.substr(end + 1);
    }

    PythonValue sign() {
        const Deeper deeper(*this);
        if (take("-")) {
            const PythonValue v = sign();
            return binary("-", std::int64_t{0}, v);
        }
        if (take("+")) return sign();
        if (take("~")) return binary("-", std::int64_t{-1}, sign());
        return primary();
    }
    PythonValue primary() {
        const Token t = now();
        switch (t.kind) {
        case Token::Kind::integer:
        case Token::Kind::real:
        case Token::Kind::text: ++i_; return t.value;
        case Token::Kind::sign:
            if (take("(")) {
                PythonValue value = expression();
                std::string parts = to_text(value);
                bool tuple = false;
                while (take(",")) {  // (a, b): for messages
                    tuple = true;
                    if (now().text != ")") parts += ", " + to_text(expression());
                }
                want(")");
                return tuple ? PythonValue("(" + parts + ")") : value;
            }
            unexpected();
        case Token::Kind::name: break;
        case Token::Kind::line_end: unexpected();
        }
        ++i_;
        if (now().kind == Token::Kind::sign && now().text == "(") return function(t);
        return look_up(t.text);
    }
    PythonValue function(const Token& name) {
        want("(");
        std::vector<PythonValue> arguments;
        while (!take(")")) {
            arguments.push_back(expression());
            if (!take(",") && now().text != ")") unexpected();
        }
        const bool one = arguments.size() == 1;
        if (name.text == "str" && one) return to_text(arguments[0]);
        for (const PythonValue& a : arguments) {
            if (std::holds_alternative<std::string>(a))
                throw ScriptError(name.at, name.text + "() wants numbers");
        }
        if (name.text == "int" && one) return static_cast<std::int64_t>(as_double(arguments[0]));
        if (name.text == "float" && one) return as_double(arguments[0]);
        if (name.text == "abs" && one) {
            const bool negative = as_double(arguments[0]) < 0;
            return negative ? binary("-", std::int64_t{0}, arguments[0]) : arguments[0];
        }
        if ((name.text == "min" || name.text == "max") && arguments.size() >= 2) {
            const auto less = [](const PythonValue& a, const PythonValue& b) {
                return as_double(a) < as_double(b);
            };
            return name.text == "min" ? *std::ranges::min_element(arguments, less)
                                      : *std::ranges::max_element(arguments, less);
        }
        throw ScriptError(name.at, "the function '" + name.text + "' is unknown");
    }

    // Nobody writes so many parentheses, and the stack has an end.
    struct Deeper {
        explicit Deeper(Interpreter& of) : of_(of) {
            if (++of_.depth_ > 100) throw ScriptError(of_.now().at, "this goes too deep");
        }
        ~Deeper() { --of_.depth_; }
        Interpreter& of_;
    };

    std::vector<Token> tokens_;
    int depth_ = 0;
    PythonNames& names_;
    std::string& printed_;
    PythonNames used_;
    std::size_t i_ = 0;
};

}  // namespace

std::string to_text(const PythonValue& value) {
    if (const auto* n = std::get_if<std::int64_t>(&value)) return std::to_string(*n);
    if (const auto* d = std::get_if<double>(&value)) return fmt::format("{}", *d);
    return std::get<std::string>(value);
}

std::optional<std::string> run_python(std::string_view code, Position at, PythonNames& names,
                                      std::string& printed) {
    return Interpreter(Lexer(code, at).all(), names, printed).run();
}

}  // namespace estab::packetdrill
