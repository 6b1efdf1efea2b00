#include "cli/http_response.hpp"

#include <fmt/format.h>

#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>
#include <exception>
#include <stdexcept>
#include <utility>
#include <vector>

namespace estab::cli {
namespace {

namespace http = boost::beast::http;
using boost::beast::error_code;
using boost::beast::string_view;

constexpr std::uint32_t header_bytes_max = 64 << 10;

bool is_same(std::string_view a, std::string_view b) {
    const auto lower = [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    };
    return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [&](char x, char y) { return lower(x) == lower(y); });
}

}  // namespace

struct HttpResponse::Parser final : http::basic_parser<false> {
    explicit Parser(HttpResponse& response) : owner(response) {
        eager(true);
        header_limit(header_bytes_max);
        body_limit(boost::none);
    }

    HttpResponse& owner;
    int code = 0;
    std::string words;
    std::vector<std::pair<std::string, std::string>> fields;
    std::optional<std::uint64_t> length;
    std::exception_ptr trouble;

    // What the owner's callbacks throw must not pass through the parser.
    template <class Call>
    void call(error_code& ec, Call make) {
        try {
            make();
        } catch (...) {
            trouble = std::current_exception();
            ec = http::error::end_of_stream;
        }
    }
    std::size_t body(string_view octets, error_code& ec) {
        if (code / 100 != 1)
            call(ec, [&] {
                owner.on_body(
                    {reinterpret_cast<const std::uint8_t*>(octets.data()), octets.size()});
            });
        return octets.size();
    }

    void on_request_impl(http::verb, string_view, string_view, int, error_code&) override {}
    void on_response_impl(int status, string_view reason, int, error_code&) override {
        code = status;
        words.assign(reason.data(), reason.size());
    }
    void on_field_impl(http::field, string_view name, string_view value, error_code&) override {
        fields.emplace_back(std::string(name.data(), name.size()),
                            std::string(value.data(), value.size()));
    }
    void on_header_impl(error_code& ec) override {
        if (const auto declared = content_length()) length = *declared;
        if (code / 100 != 1) call(ec, [this] { owner.on_header(); });
    }
    void on_body_init_impl(const boost::optional<std::uint64_t>&, error_code&) override {}
    std::size_t on_body_impl(string_view octets, error_code& ec) override {
        return body(octets, ec);
    }
    void on_chunk_header_impl(std::uint64_t, string_view, error_code&) override {}
    std::size_t on_chunk_body_impl(std::uint64_t, string_view octets, error_code& ec) override {
        return body(octets, ec);
    }
    void on_finish_impl(error_code&) override {}
};

HttpResponse::HttpResponse() : parser_(std::make_unique<Parser>(*this)) {}
HttpResponse::~HttpResponse() = default;

void HttpResponse::feed(Bytes octets) {
    const auto* first = reinterpret_cast<const char*>(octets.data());
    // Mostly nothing waits, and the body goes through without being copied.
    std::string joined;
    std::string_view rest(first, octets.size());
    if (!waiting_.empty()) {
        joined = std::exchange(waiting_, {});
        joined += rest;
        rest = joined;
    }
    while (!rest.empty()) {
        if (parser_->is_done()) {
            if (status() / 100 != 1) return;
            parser_ =
                std::make_unique<Parser>(*this);  // 1xx comes before the real one (RFC 9110 15.2)
        }
        error_code error;
        const std::size_t used =
            parser_->put(boost::asio::const_buffer(rest.data(), rest.size()), error);
        if (parser_->trouble) std::rethrow_exception(parser_->trouble);
        rest.remove_prefix(used);
        if (error == http::error::need_more || (!error && used == 0)) break;
        if (error)
            throw std::runtime_error(fmt::format("not an HTTP response: {}", error.message()));
    }
    waiting_.assign(rest);
}

void HttpResponse::finish() {
    if (parser_->is_done() && status() / 100 != 1) return;
    error_code error;
    if (parser_->got_some()) parser_->put_eof(error);
    if (error == http::error::partial_message || !parser_->is_done())
        throw std::runtime_error(parser_->is_header_done()
                                     ? "the server stopped in the middle of the body"
                                     : "the server closed without a response");
}

bool HttpResponse::is_done() const { return parser_->is_done() && status() / 100 != 1; }
int HttpResponse::status() const { return parser_->code; }
std::string HttpResponse::reason() const { return parser_->words; }
std::optional<std::uint64_t> HttpResponse::body_bytes() const { return parser_->length; }

std::string_view HttpResponse::field(std::string_view name) const {
    for (const auto& [key, value] : parser_->fields)
        if (is_same(key, name)) return value;
    return {};
}

}  // namespace estab::cli
