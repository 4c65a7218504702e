#include "io/loop.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <optional>
#include <string>

namespace skep::io {
namespace {

struct Pair {
  Fd ours;
  Fd theirs;
};
Pair make_pair() {
  int ends[2] = {-1, -1};
  EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
  return {Fd(ends[0]), Fd(ends[1])};
}

class LoopTest : public testing::TestWithParam<Engine> {
 protected:
  void SetUp() override {
    auto loop = Loop::make(GetParam());
    if (!loop && GetParam() == Engine::io_uring) GTEST_SKIP() << loop.error().message;
    ASSERT_TRUE(loop);
    loop_.emplace(std::move(*loop));
  }
  // What the stream gives, once the loop has told of it.
  std::string received(Stream& stream) {
    std::string all;
    std::array<uint8_t, 64> room;
    for (int turn = 0; turn < 20 && all.empty(); ++turn) {
      loop_->wait(50);
      const ssize_t got = stream.receive(room);
      if (got > 0) all.assign(room.begin(), room.begin() + got);
    }
    return all;
  }
  std::optional<Loop> loop_;
};

// Whoever is closed before the loop has waited once, and whoever has the same number then.
TEST_P(LoopTest, ANumberThatIsAnothersByNowIsReadForThatOneAlone) {
  Pair first = make_pair();
  Pair second = make_pair();
  const int number = first.ours.get();
  {
    Stream closed(std::move(first.ours));
    ASSERT_TRUE(loop_->add_connection(closed, 1, false));
  }
  ASSERT_EQ(::dup3(second.ours.get(), number, O_CLOEXEC), number);
  second.ours.reset();
  Stream stream{Fd(number)};
  ASSERT_TRUE(loop_->add_connection(stream, 2, false));
  ASSERT_EQ(::write(second.theirs.get(), "hello", 5), 5);
  EXPECT_EQ(received(stream), "hello");
}

TEST_P(LoopTest, WhatIsSentSoonGoesToItsOwnSocketThoughThatIsClosedAtOnce) {
  Pair pairs[3] = {make_pair(), make_pair(), make_pair()};
  Stream streams[2] = {Stream(std::move(pairs[0].ours)), Stream(std::move(pairs[1].ours))};
  for (size_t i = 0; i < 2; ++i) ASSERT_TRUE(loop_->add_connection(streams[i], i, false));
  // Both have something in one turn: only then is anything sent by the ring.
  for (size_t i = 0; i < 2; ++i) ASSERT_EQ(::write(pairs[i].theirs.get(), "x", 1), 1);
  for (int turn = 0; turn < 20 && loop_->wait(50).size() < 2; ++turn) {
  }
  const std::string words = "for the first";
  const int number = streams[0].get();
  if (!streams[0].send_soon(as_bytes(words))) {
    ASSERT_EQ(streams[0].send(as_bytes(words)), static_cast<ssize_t>(words.size()));
  }
  streams[0] = Stream();
  ASSERT_EQ(::dup3(pairs[2].ours.get(), number, O_CLOEXEC), number);
  const Fd other(number);
  loop_->wait(0);
  char room[64];
  EXPECT_EQ(::recv(pairs[0].theirs.get(), room, sizeof room, MSG_DONTWAIT), static_cast<ssize_t>(words.size()));
  EXPECT_EQ(::recv(pairs[2].theirs.get(), room, sizeof room, MSG_DONTWAIT), -1) << "nothing was for that one";
}

INSTANTIATE_TEST_SUITE_P(BothEngines, LoopTest, testing::Values(Engine::epoll, Engine::io_uring),
                         [](const auto& engine) {
                           return std::string(kEngineNames[static_cast<size_t>(engine.param)]);
                         });

}  // namespace
}  // namespace skep::io
