// tcpdump's rule for short sequence numbers: the first segment with ACK that is seen of a pair of
// endpoints, and any later SYN-ACK, fixes what is subtracted from then on, in both directions.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

namespace estab::observe {

// At most `connections_max` pairs. When full, the one that was added first is forgotten; should it
// speak again it is learned anew, and shows absolute numbers once.
class RelativeNumbers {
public:
    static constexpr std::uint32_t connections_max_default = 65'536;

    struct Key {  // the endpoint with the lower port first, then the lower address
        std::array<std::uint64_t, 2> source{}, destination{};
        std::uint32_t ports = 0;
        bool v6 = false;
        friend bool operator==(const Key&, const Key&) = default;
    };
    struct Base {
        std::uint32_t seq = 0;  // of the key's source
        std::uint32_t ack = 0;  // of the key's destination
    };

    explicit RelativeNumbers(std::uint32_t connections_max);

    Base* find(const Key& key);
    void add(const Key& key, Base base);  // must not be there yet
    std::uint32_t size() const { return static_cast<std::uint32_t>(entries_.size()); }
    void clear();

private:
    static constexpr std::uint32_t none = 0xffffffff;
    struct Entry {
        Key key;
        Base base;
        std::uint32_t next = none;  // in the same bucket
    };

    std::uint32_t& bucket(const Key& key);
    void unlink(std::uint32_t index);

    std::uint32_t connections_max_;
    std::vector<Entry> entries_;
    std::vector<std::uint32_t> buckets_;
    std::uint32_t oldest_ = 0;  // once entries_ is full: the one to reuse
};

}  // namespace estab::observe
