#include "cli/page.hpp"

#include <zlib.h>

#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <vector>

#include "analysis/label.hpp"

// The files of the page, as they are. The assembler finds them by -I.
#define ESTAB_EMBED(name, path)                                    \
    asm(".section .rodata\n"                                       \
        ".global estab_page_" #name "\n"                           \
        "estab_page_" #name ":\n.incbin \"" path "\"\n"            \
        ".global estab_page_" #name "_end\n"                       \
        "estab_page_" #name "_end:\n.byte 0\n.previous\n");        \
    extern "C" const char estab_page_##name[], estab_page_##name##_end[]

ESTAB_EMBED(html, "src/cli/page/page.html");
ESTAB_EMBED(css, "src/cli/page/page.css");
ESTAB_EMBED(js, "src/cli/page/page.js");
ESTAB_EMBED(chart_css, "third_party/uplot/uPlot.min.css");
ESTAB_EMBED(chart_js, "third_party/uplot/uPlot.iife.min.js");

namespace estab::cli {
namespace {

using Json = nlohmann::ordered_json;

std::string_view part(const char* begin, const char* end) {
    return {begin, static_cast<std::size_t>(end - begin)};
}

std::string base64(const std::vector<std::uint8_t>& bytes) {
    static constexpr char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string out;
    out.reserve(bytes.size() / 3 * 4 + 4);
    for (std::size_t i = 0; i < bytes.size(); i += 3) {
        const std::size_t there = std::min<std::size_t>(3, bytes.size() - i);
        std::uint32_t group = std::uint32_t{bytes[i]} << 16;
        if (there > 1) group |= std::uint32_t{bytes[i + 1]} << 8;
        if (there > 2) group |= bytes[i + 2];
        for (std::size_t k = 0; k < 4; ++k) {
            out += k <= there ? digits[group >> (18 - 6 * k) & 63] : '=';
        }
    }
    return out;
}

std::vector<std::uint8_t> packed(const std::vector<std::uint8_t>& bytes) {
    z_stream stream{};
    constexpr int window_bits_gzip = 15 + 16, memory = 8;
    if (::deflateInit2(&stream, 6, Z_DEFLATED, window_bits_gzip, memory, Z_DEFAULT_STRATEGY) !=
        Z_OK) {
        throw std::bad_alloc();
    }
    std::vector<std::uint8_t> out(::deflateBound(&stream, bytes.size()));
    stream.next_in = const_cast<Bytef*>(bytes.data());
    stream.avail_in = static_cast<uInt>(bytes.size());
    stream.next_out = out.data();
    stream.avail_out = static_cast<uInt>(out.size());
    const int result = ::deflate(&stream, Z_FINISH);
    out.resize(out.size() - stream.avail_out);
    ::deflateEnd(&stream);
    if (result != Z_STREAM_END) throw std::runtime_error("cannot pack the segments");
    return out;
}

Json page_data(const AnalyzedFile& file, const analysis::Overview& overview,
               const analysis::Trace& trace, const PageExtra& extra) {
    Json data = Json::parse(analysis_json(file, overview));
    if (!extra.simulation.empty()) data["simulation"] = Json::parse(extra.simulation);
    Json labels = Json::array();
    for (unsigned i = 0; i < analysis::label_count; ++i) {
        labels.push_back(analysis::to_string(static_cast<analysis::Label>(i)));
    }
    data["labels"] = labels;
    for (Json& connection : data["connections"]) {
        const analysis::Columns* columns = trace.find(connection["stream"].get<std::uint32_t>());
        if (columns == nullptr) continue;
        connection["cut"] = columns->cut;
        for (const analysis::Columns::Remark& remark : columns->remarks) {
            connection["remarks"].push_back({{"index", remark.index}, {"text", remark.text}});
        }
    }
    return data;
}

// Inside a <script> nothing but "</" and "<!--" can end or change it.
std::string script_text(const Json& json) {
    std::string out;
    for (const char c : json.dump(-1, ' ', false, Json::error_handler_t::replace)) {
        if (c == '<') {
            out += "\\u003c";
        } else {
            out += c;
        }
    }
    return out;
}

}  // namespace

void write_page(const AnalyzedFile& file, const analysis::Overview& overview,
                const analysis::Trace& trace, const std::function<void(std::string_view)>& write,
                const PageExtra& extra) {
    const auto write_columns = [&write](const char* kind, std::size_t number,
                                        const std::vector<std::uint8_t>& bytes) {
        write("<script type=\"application/octet-stream\" id=\"" + std::string(kind) + "-" +
              std::to_string(number) + "\">" + base64(packed(bytes)) + "</script>\n");
    };
    std::string_view page = part(estab_page_html, estab_page_html_end);
    while (!page.empty()) {
        const std::size_t begin = page.find('@');
        if (begin == std::string_view::npos) break;
        const std::size_t end = page.find('@', begin + 1);
        const std::string_view name = page.substr(begin + 1, end - begin - 1);
        write(page.substr(0, begin));
        page.remove_prefix(end + 1);
        if (name == "CSS") write(part(estab_page_css, estab_page_css_end));
        if (name == "JS") write(part(estab_page_js, estab_page_js_end));
        if (name == "CHART_CSS") write(part(estab_page_chart_css, estab_page_chart_css_end));
        if (name == "CHART_JS") write(part(estab_page_chart_js, estab_page_chart_js_end));
        if (name == "VERSION") write(ESTAB_VERSION);
        if (name == "DATA") write(script_text(page_data(file, overview, trace, extra)));
        if (name != "POINTS") continue;
        for (const analysis::Summary& s : overview.kept()) {
            const analysis::Columns* columns = trace.find(s.number);
            if (columns == nullptr || columns->size() == 0) continue;
            write_columns("points", s.number, columns->bytes());
        }
        for (const auto& [number, drawing] : extra.drawings) {
            write("<template id=\"flow-" + std::to_string(number) + "\">" + drawing +
                  "</template>\n");
        }
        for (std::size_t i = 0; i < extra.series.size(); ++i) {
            write_columns("series", i, extra.series[i]);
        }
    }
    write(page);
}

}  // namespace estab::cli
