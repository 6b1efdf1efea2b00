#include "congestion/dctcp.hpp"

#include <algorithm>

#include "base/math.hpp"

namespace estab::congestion {
namespace {

constexpr std::uint32_t gain = 16;  // 1 / g, RFC 8257 4.2

}  // namespace

void Dctcp::on(const Start& e) { reno_.on(e); }

// RFC 8257 3.3: alpha follows the share of marked octets, once a round trip.
void Dctcp::on(const Acked& e) {
    if (rounds_.begin_with(e) && acked_ != 0) {
        const auto share = static_cast<std::uint32_t>(mul_div(alpha_one, marked_, acked_));
        // Rounded so that it reaches 0 and not only comes near it.
        alpha_ = alpha_ - (alpha_ + gain - 1) / gain + share / gain;
        acked_ = marked_ = 0;
    }
    acked_ += e.bytes;
    marked_ += std::min(e.ce_bytes, e.bytes);
    if (e.ce_bytes != 0) reports_marks_ = true;
    reno_.on(e);
}

void Dctcp::on(const Congested& e) {
    if (!e.ecn || !reports_marks_) return reno_.on(e);  // RFC 8257 3.5: a loss is a loss
    const std::uint64_t cut = mul_div(cwnd(), alpha_, 2 * std::uint64_t{alpha_one});
    const std::uint64_t left = std::max<std::uint64_t>(cwnd() - cut, e.mss);
    const std::uint64_t ssthresh = std::max(left, 2 * std::uint64_t{e.mss});
    reno_.on(Start{.now = e.now, .mss = e.mss, .cwnd = left, .ssthresh = ssthresh});
}

}  // namespace estab::congestion
