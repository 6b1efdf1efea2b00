// Files on a wire in memory, in virtual time.
#include "runtime/send_file.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <string>

#include "drivers/system.hpp"
#include "socket/listener.hpp"
#include "socket/memory_world.hpp"

namespace estab::runtime {
namespace {

struct SendFile : testing::Test {
    socket::MemoryWorld world;
    drivers::Fd file{::memfd_create("file", MFD_CLOEXEC)};
    std::string content;
    socket::Listener listener =
        std::move(*socket::Listener::listen(world.host(1), {.port = 80}));
    socket::Stream stream = std::move(
        *socket::Stream::connect(world.host(0), {socket::MemoryWorld::address(1), 80}));
    socket::Stream peer = std::move(*listener.accept());
    std::string got;

    void fill(std::size_t octets) {
        content.resize(octets);
        for (std::size_t i = 0; i < octets; ++i) content[i] = static_cast<char>('a' + i % 23);
        ASSERT_EQ(::pwrite(*file, content.data(), octets, 0), static_cast<ssize_t>(octets));
    }
    void take() {
        for (Bytes there = peer.peek(); !there.empty(); there = peer.peek()) {
            got.append(reinterpret_cast<const char*>(there.data()), there.size());
            peer.consume(there.size());
        }
    }
    // Sends the part; while it is on its way the peer reads, and `meanwhile` is called.
    template <class Meanwhile>
    Result<void> send(FilePart part, Meanwhile meanwhile) {
        std::optional<Result<void>> result;
        const auto task = [&]() -> socket::Task<> {
            result = co_await send_file(world.host(0), stream, *file, {.part = part});
        };
        socket::spawn(world.host(0), task());
        while (!result && world.now() < Instant(60s)) {
            world.run_for(1ms);
            take();
            meanwhile();
        }
        world.run_for(1s);
        take();
        return result.value_or(fail(Error::timed_out));
    }
    Result<void> send(FilePart part) {
        return send(part, [] {});
    }
};

TEST_F(SendFile, TheWholeOfABigOne) {
    fill(3'500'000);
    EXPECT_TRUE(send({0, content.size()}));
    EXPECT_TRUE(got == content);
}

// Around the sizes at which it is read instead of mapped, and away from a page's boundary.
TEST_F(SendFile, PartsOfEverySize) {
    fill(2'500'000);
    std::string wanted;
    for (const std::uint64_t first : {0U, 1U, 4095U, 4096U, 16'385U}) {
        for (const std::uint64_t size :
             {0U, 1U, 16'384U, 16'385U, 1'048'576U, 1'048'577U, 2'400'000U}) {
            EXPECT_TRUE(send({first, size}));
            wanted += content.substr(first, size);
        }
    }
    EXPECT_TRUE(got == wanted);
}

TEST_F(SendFile, AFileThatIsTooShortEndsTheStream) {
    fill(100'000);
    EXPECT_EQ(send({0, 200'000}).error(), Error::malformed);
    EXPECT_FALSE(stream.is_open());
    EXPECT_EQ(peer.ending().error, Error::reset);
}

// The read of a page that is gone is a SIGBUS, and must not be the end of the process.
TEST_F(SendFile, AFileThatShrinksWhileItIsSentEndsTheStream) {
    fill(8'000'000);
    bool shrunk = false;
    const auto result = send({0, content.size()}, [&] {
        if (!shrunk && got.size() > 2'000'000) shrunk = ::ftruncate(*file, 2'000'000) == 0;
    });
    EXPECT_TRUE(shrunk);
    EXPECT_EQ(result.error(), Error::malformed);
    EXPECT_EQ(peer.ending().error, Error::reset);
    EXPECT_LT(got.size(), content.size());
}

TEST_F(SendFile, APartIsMappedUntilTheLastHolderLetsGo) {
    fill(100'000);
    MappedPart* const part = MappedPart::map(*file, {5, 50'000});
    ASSERT_NE(part, nullptr);
    part->hold();
    part->let_go();
    EXPECT_EQ(part->bytes().size(), 50'000u);
    EXPECT_EQ(part->bytes()[0], static_cast<std::uint8_t>(content[5]));
    part->let_go();
    EXPECT_EQ(MappedPart::map(*file, {100'000, 1}), nullptr);
    const drivers::Fd folder(::open("/", O_RDONLY | O_CLOEXEC));
    EXPECT_EQ(MappedPart::map(*folder, {0, 1}), nullptr);
}

}  // namespace
}  // namespace estab::runtime
