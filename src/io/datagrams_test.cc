#include "io/datagrams.h"

#include <gtest/gtest.h>
#include <poll.h>

#include <cerrno>
#include <string>
#include <utility>

#include "io/loop.h"
#include "io/sockets.h"

namespace skep::io {
namespace {

class DatagramsTest : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    v6_ = std::string(GetParam()) == "v6";
    auto listener = listen_udp(*parse_endpoint(v6_ ? "[::]:0" : "0.0.0.0:0"));
    if (!listener) GTEST_SKIP() << listener.error().message;
    listener_ = std::move(*listener);
    port_ = local_end(listener_.get()).port;
    auto client = connect_udp(here(), 0);
    if (!client) GTEST_SKIP() << client.error().message;
    client_ = std::move(*client);
  }
  Endpoint here() const {
    Endpoint at = *parse_endpoint(v6_ ? "::1" : "127.0.0.1");
    at.port = port_;
    return at;
  }
  Received next(const Fd& socket) {
    pollfd waited{socket.get(), POLLIN, 0};
    EXPECT_EQ(::poll(&waited, 1, 10'000), 1);
    return receive_datagram(socket.get(), room_);
  }
  std::string text(const Received& received) const {
    return {reinterpret_cast<const char*>(room_.data()), static_cast<size_t>(received.bytes)};
  }
  bool v6_ = false;
  Fd listener_;
  Fd client_;
  uint16_t port_ = 0;
  Bytes room_ = Bytes(kDatagramRoom);
};

TEST_P(DatagramsTest, EachComesWholeAndIsAnsweredFromWhereItCameTo) {
  for (const size_t size : {size_t{0}, size_t{1}, size_t{1472}, size_t{65'507}}) {
    const std::string bytes(size, 'x');
    ASSERT_EQ(send_datagram(client_.get(), as_bytes(bytes)), 0) << size;
    Received received = next(listener_);
    ASSERT_EQ(received.bytes, static_cast<ssize_t>(size));
    EXPECT_FALSE(received.cut);
    EXPECT_TRUE(text(received) == bytes);
    EXPECT_EQ(received.path.peer, local_end(client_.get()));
    EXPECT_EQ(address_text(received.path.local), v6_ ? "::1" : "127.0.0.1");
    ASSERT_EQ(send_datagram(listener_.get(), received.path, as_bytes(bytes)), 0);
    // The client is connected: from another address it would not come.
    EXPECT_EQ(next(client_).bytes, static_cast<ssize_t>(size));
  }
}

TEST_P(DatagramsTest, WhatIsLongerThanTheRoomIsSaidToBeCut) {
  room_.resize(10);
  ASSERT_EQ(send_datagram(client_.get(), as_bytes("eleven bytes")), 0);
  const Received received = next(listener_);
  EXPECT_EQ(received.bytes, 10);
  EXPECT_TRUE(received.cut);
}

TEST_P(DatagramsTest, AClosedPortIsRefused) {
  listener_.reset();
  ASSERT_EQ(send_datagram(client_.get(), as_bytes("anybody?")), 0);
  const Received received = next(client_);
  EXPECT_EQ(received.bytes, -1);
  EXPECT_EQ(errno, ECONNREFUSED);
}

TEST_P(DatagramsTest, WhatABufferDoesNotHoldIsCounted) {
  const std::string bytes(60'000, 'x');
  for (int i = 0; i < 2'000; ++i) send_datagram(client_.get(), as_bytes(bytes));
  while (receive_datagram(listener_.get(), room_).bytes >= 0) {
  }
  ASSERT_EQ(send_datagram(client_.get(), as_bytes("after")), 0);
  const Received received = next(listener_);
  EXPECT_EQ(text(received), "after");
  EXPECT_GT(received.lost, 0u);
}

TEST_P(DatagramsTest, EdgesAreToldOnceForWhatHasCome) {
  for (const Engine engine : {Engine::epoll, Engine::io_uring}) {
    auto loop = Loop::make(engine);
    if (!loop) continue;  // no io_uring here
    auto listener = listen_udp(*parse_endpoint(v6_ ? "[::1]:0" : "127.0.0.1:0"));
    ASSERT_TRUE(listener);
    auto client = connect_udp(local_end(listener->get()), 0);
    ASSERT_TRUE(client);
    ASSERT_TRUE(loop->add_edges(listener->get(), 7));
    const auto told = [&] {
      size_t times = 0;
      for (int turn = 0; turn < 3; ++turn) times += loop->wait(turn == 0 ? 1000 : 0).size();
      return times;
    };
    ASSERT_EQ(send_datagram(client->get(), as_bytes("one")), 0);
    EXPECT_EQ(told(), 1u) << "unread, and said once";
    ASSERT_EQ(send_datagram(client->get(), as_bytes("two")), 0);
    EXPECT_EQ(told(), 1u);
  }
}

INSTANTIATE_TEST_SUITE_P(Families, DatagramsTest, testing::Values("v4", "v6"),
                         [](const auto& row) { return row.param; });

}  // namespace
}  // namespace skep::io
