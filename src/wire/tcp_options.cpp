#include "wire/tcp_options.hpp"

#include <algorithm>

#include "base/check.hpp"

namespace estab::wire {
namespace {

enum Kind : std::uint8_t {
    end_of_list = 0,
    no_operation = 1,
    maximum_segment_size = 2,
    window_scale = 3,    // RFC 7323 2.2
    sack_permitted = 4,  // RFC 2018 2
    sack = 5,            // RFC 2018 3
    timestamps = 8,      // RFC 7323 3.2
    fast_open = 34,      // RFC 7413 4.1.1
    accecn_order0 = 172,  // RFC 9768 3.2.3
    accecn_order1 = 174,
    experimental = 254,  // RFC 6994, with a magic number in front
};
constexpr std::uint16_t fast_open_magic = 0xf989;

// Empty asks for a cookie. RFC 7413 4.1.1.
bool is_cookie_length(std::size_t n) { return n == 0 || (n >= 4 && n <= 16 && n % 2 == 0); }

bool read_sack(Bytes value, TcpOptions& options) {
    if (value.empty() || value.size() % 8 != 0 || value.size() > 32) return false;
    if (options.sack_count != 0) return true;
    for (; !value.empty(); value = value.subspan(8)) {
        options.sack[options.sack_count++] = {{load_be32(value.data())},
                                              {load_be32(value.data() + 4)}};
    }
    return true;
}

bool read_fast_open(Bytes cookie, bool is_experimental, TcpOptions& options) {
    if (!is_cookie_length(cookie.size())) return false;
    if (options.fast_open) return true;
    options.fast_open = cookie;
    options.fast_open_experimental = is_experimental;
    return true;
}

std::uint32_t load_be24(const std::uint8_t* p) {
    return std::uint32_t{p[0]} << 16 | load_be16(p + 1);
}

bool read_accecn(Bytes value, bool order1, TcpOptions& options) {
    if (options.accecn) return true;
    // Of another length: whole fields count, the rest is padding (RFC 9768 3.2.3).
    const auto fields = static_cast<std::uint8_t>(std::min<std::size_t>(value.size() / 3, 3));
    AccEcnOption o{.fields = fields, .order1 = order1};
    std::uint32_t* const places[] = {order1 ? &o.e1b : &o.e0b, &o.ceb, order1 ? &o.e0b : &o.e1b};
    for (std::size_t i = 0; i < o.fields; ++i) *places[i] = load_be24(value.data() + 3 * i);
    options.accecn = o;
    return true;
}

// False: not one that we know, or not in the only lengths it has.
bool read_option(std::uint8_t kind, Bytes value, TcpOptions& options) {
    const std::uint8_t* p = value.data();
    switch (kind) {
    case maximum_segment_size:
        if (value.size() != 2) return false;
        if (!options.mss) options.mss = load_be16(p);
        return true;
    case window_scale:
        if (value.size() != 1) return false;
        if (!options.window_scale) options.window_scale = p[0];
        return true;
    case sack_permitted:
        if (!value.empty()) return false;
        options.sack_permitted = true;
        return true;
    case sack: return read_sack(value, options);
    case timestamps:
        if (value.size() != 8) return false;
        if (!options.timestamps) options.timestamps = Timestamps{load_be32(p), load_be32(p + 4)};
        return true;
    case fast_open: return read_fast_open(value, false, options);
    case accecn_order0:
    case accecn_order1: return read_accecn(value, kind == accecn_order1, options);
    case experimental:
        if (value.size() < 2 || load_be16(p) != fast_open_magic) return false;
        return read_fast_open(value.subspan(2), true, options);
    default: return false;
    }
}

class Writer {
public:
    explicit Writer(std::uint8_t* to) : begin_(to), at_(to) {}

    std::size_t written() const { return static_cast<std::size_t>(at_ - begin_); }
    std::size_t left() const { return tcp_options_max - written(); }
    void put8(std::uint8_t v) { *at_++ = v; }
    void put16(std::uint16_t v) {
        store_be16(at_, v);
        at_ += 2;
    }
    void put32(std::uint32_t v) {
        store_be32(at_, v);
        at_ += 4;
    }
    void put(Bytes bytes) { at_ = std::copy(bytes.begin(), bytes.end(), at_); }
    void head(Kind kind, std::size_t length) {
        put8(kind);
        put8(static_cast<std::uint8_t>(length));
    }
    // NOPs until the position is `remainder` modulo `modulus`.
    void pad_to(std::size_t remainder, std::size_t modulus) {
        while (written() % modulus != remainder) put8(no_operation);
    }

private:
    std::uint8_t* begin_;
    std::uint8_t* at_;
};

void put_mss(Writer& w, const TcpOptions& o) {
    if (!o.mss) return;
    w.head(maximum_segment_size, 4);
    w.put16(*o.mss);
}

void put_window_scale(Writer& w, const TcpOptions& o) {
    if (!o.window_scale) return;
    w.pad_to(1, 4);
    w.head(window_scale, 3);
    w.put8(*o.window_scale);
}

void put_sack_permitted(Writer& w, const TcpOptions& o) {
    if (o.sack_permitted) w.head(sack_permitted, 2);
}

void put_timestamps(Writer& w, const TcpOptions& o) {
    if (!o.timestamps) return;
    w.pad_to(2, 4);
    w.head(timestamps, 10);
    w.put32(o.timestamps->val);
    w.put32(o.timestamps->ecr);
}

// As many blocks as there is place for: the rest of the list is less important. RFC 2018 4.
void put_sack(Writer& w, const TcpOptions& o) {
    if (o.sack_count == 0) return;
    w.pad_to(2, 4);
    if (w.left() < 10) return;
    const std::size_t count = std::min<std::size_t>(o.sack_count, (w.left() - 2) / 8);
    w.head(sack, 2 + 8 * count);
    for (std::size_t i = 0; i < count; ++i) {
        w.put32(o.sack[i].begin.raw);
        w.put32(o.sack[i].end.raw);
    }
}

// The one option that comes in from outside our control of lengths; left out rather than cut.
void put_fast_open(Writer& w, const TcpOptions& o) {
    if (!o.fast_open || !is_cookie_length(o.fast_open->size())) return;
    const std::size_t length = (o.fast_open_experimental ? 4 : 2) + o.fast_open->size();
    if (length > w.left()) return;
    w.head(o.fast_open_experimental ? experimental : fast_open, length);
    if (o.fast_open_experimental) w.put16(fast_open_magic);
    w.put(*o.fast_open);
}

// As many of its fields as there is place for: the last ones are those that matter least.
void put_accecn(Writer& w, const TcpOptions& o) {
    if (!o.accecn || w.left() < 2) return;
    const std::size_t fields = std::min<std::size_t>(o.accecn->fields, (w.left() - 2) / 3);
    const bool order1 = o.accecn->order1;
    w.head(order1 ? accecn_order1 : accecn_order0, 2 + 3 * fields);
    const std::uint32_t counts[] = {order1 ? o.accecn->e1b : o.accecn->e0b, o.accecn->ceb,
                                    order1 ? o.accecn->e0b : o.accecn->e1b};
    for (std::size_t i = 0; i < fields; ++i) {
        w.put8(static_cast<std::uint8_t>(counts[i] >> 16));
        w.put16(static_cast<std::uint16_t>(counts[i]));
    }
}

void put_linux(Writer& w, const TcpOptions& o) {
    put_mss(w, o);
    if (o.timestamps) {
        put_sack_permitted(w, o);  // takes the place of the two NOPs
        put_timestamps(w, o);
    }
    put_accecn(w, o);
    if (o.sack_permitted && !o.timestamps) {
        w.pad_to(2, 4);
        put_sack_permitted(w, o);
    }
    put_window_scale(w, o);
    put_sack(w, o);
    put_fast_open(w, o);
    w.pad_to(0, 4);
}

void put_freebsd(Writer& w, const TcpOptions& o) {
    put_mss(w, o);
    put_window_scale(w, o);
    put_sack_permitted(w, o);
    put_timestamps(w, o);
    put_sack(w, o);
    put_fast_open(w, o);
    put_accecn(w, o);
    while (w.written() % 4 != 0) w.put8(end_of_list);  // zeros after the end (MUST-69)
}

}  // namespace

// Options may begin at any byte (RFC 9293 MUST-64); nothing here asks where.
TcpOptions parse_tcp_options(Bytes options) {
    TcpOptions result;
    parse_tcp_options(options, result);
    return result;
}

void parse_tcp_options(Bytes options, TcpOptions& result) {
    while (!options.empty() && options[0] != end_of_list) {
        if (options[0] == no_operation) {
            options = options.subspan(1);
            continue;
        }
        // Every other option has a length (RFC 9293 MUST-68). One that cannot be leaves no way to
        // find the next option (MUST-7).
        if (options.size() < 2 || options[1] < 2 || options[1] > options.size()) {
            result.malformed = true;
            return;
        }
        const std::size_t length = options[1];
        if (!read_option(options[0], options.subspan(2, length - 2), result))
            ++result.unknown_count;
        options = options.subspan(length);
    }
}

std::size_t write_tcp_options(std::uint8_t* room, const TcpOptions& options, OptionOrder order) {
    Writer writer(room);
    switch (order) {
    case OptionOrder::linux_: put_linux(writer, options); break;
    case OptionOrder::freebsd: put_freebsd(writer, options); break;
    }
    CHECK(writer.written() <= tcp_options_max);
    return writer.written();
}

}  // namespace estab::wire
