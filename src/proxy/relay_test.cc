#include "proxy/relay.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include "archive/one_writer.h"
#include "archive/reader.h"
#include "base/clock.h"
#include "base/file.h"
#include "io/sockets.h"

namespace skep::proxy {
namespace {

constexpr io::Token kClientToken = 0;
constexpr io::Token kBaitToken = 1;
constexpr int kQuietMs = 5;

// Both ends of a connection over loopback: ours does not block, the other's does.
struct Pair {
  Fd ours;
  Fd theirs;
};

class RelayTest : public testing::TestWithParam<Engine> {
 protected:
  void SetUp() override {
    auto opened = archive::OneWriter::scratch();
    ASSERT_TRUE(opened);
    writer_ = std::move(*opened);
    auto listening = io::listen_tcp(*parse_endpoint("127.0.0.1:0"));
    ASSERT_TRUE(listening);
    listener_ = std::move(*listening);
    auto loop = io::Loop::make(GetParam());
    if (!loop) GTEST_SKIP() << "no " << to_string(GetParam()) << " here: " << loop.error().message;
    loop_.emplace(std::move(*loop));
  }

  Pair connected() {
    auto theirs = io::connect_tcp(io::local_end(listener_.get()), 0);
    EXPECT_TRUE(theirs);
    pollfd until_accepted{listener_.get(), POLLIN, 0};
    EXPECT_EQ(::poll(&until_accepted, 1, 5000), 1);
    return {std::move(io::accept_tcp(listener_.get()).socket), std::move(*theirs)};
  }

  // The attacker's connection, and the bait's where it is to stand.
  void begin(const RelayOptions& options = {}, bool with_bait = true) {
    Pair client = connected();
    attacker_ = std::move(client.theirs);
    id_ =
        writer_->opened(now_realtime_ns(), {"web", *parse_endpoint("192.0.2.1:4321"), *parse_endpoint("192.0.2.2:80")});
    relay_.emplace(*writer_, buffers_, id_, options, std::move(client.ours));
    ASSERT_TRUE(loop_->add_connection(relay_->stream(Side::client), kClientToken, false));
    if (with_bait) bait_comes();
  }

  void bait_comes() {
    Pair bait = connected();
    bait_ = std::move(bait.theirs);
    relay_->bait_chosen(std::move(bait.ours));
    ASSERT_TRUE(loop_->add_connection(relay_->stream(Side::bait), kBaitToken, false));
    relay_->bait_stands();
  }

  // As a shard would: the edges that come, and whatever can be moved then. False: nothing came.
  bool turn(int timeout_ms) {
    const auto events = loop_->wait(timeout_ms);
    for (const io::Event& event : events) relay_->told(event.token == kClientToken ? Side::client : Side::bait, event);
    progress_ = relay_->move();
    return !events.empty();
  }

  // Until nothing comes any more.
  void run() {
    progress_ = relay_->move();
    while (!relay_->over() && (turn(kQuietMs) || progress_ != Relay::Progress::done)) {
    }
  }

  static std::string read_all(int socket) {
    std::string all;
    char block[65536];
    while (true) {
      const ssize_t got = ::recv(socket, block, sizeof block, MSG_DONTWAIT);
      if (got <= 0) return all;
      all.append(block, static_cast<size_t>(got));
    }
  }

  std::string recorded(Direction direction) {
    formats::ClosedEvent event;
    event.reason = relay_->session().end_reason();
    writer_->closed(id_, now_realtime_ns(), event);
    writer_.reset();
    auto reader = archive::Reader::open(writer_.scratch_folder());
    EXPECT_TRUE(reader);
    auto summary = reader->find(id_);
    EXPECT_TRUE(summary && *summary);
    std::string all;
    const auto read = reader->for_each(**summary, {}, [&](const formats::Record& record) {
      if (record.type == formats::RecordType::data && record.direction == direction) all += as_text(record.payload);
    });
    EXPECT_TRUE(read);
    return all;
  }

  archive::OneWriter writer_;
  Buffers buffers_{64 << 20};
  Fd listener_;
  std::optional<io::Loop> loop_;
  Relay::Progress progress_ = Relay::Progress::done;
  std::optional<Relay> relay_;  // gives back to buffers_ and goes before it
  SessionId id_;
  Fd attacker_;
  Fd bait_;
};

void put(const Fd& socket, std::string_view bytes) {
  ASSERT_EQ(::send(socket.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
}

TEST_P(RelayTest, PassesOnBothWaysWhatItRecords) {
  begin();
  put(attacker_, "question");
  put(bait_, "greeting");
  run();
  EXPECT_EQ(read_all(bait_.get()), "question");
  EXPECT_EQ(read_all(attacker_.get()), "greeting");
  EXPECT_EQ(recorded(Direction::to_bait), "question");
}

TEST_P(RelayTest, EndsWhenBothHaveFinished) {
  begin();
  put(attacker_, "last words");
  ::shutdown(attacker_.get(), SHUT_WR);
  run();
  EXPECT_FALSE(relay_->over()) << "the bait may still answer";
  EXPECT_EQ(read_all(bait_.get()), "last words");
  put(bait_, "answer");
  bait_.reset();
  run();
  EXPECT_TRUE(relay_->over());
  EXPECT_EQ(relay_->session().end_reason(), EndReason::client_closed);
  EXPECT_EQ(read_all(attacker_.get()), "answer");
}

TEST_P(RelayTest, WhoHasGoneBeforeTheBaitWasAskedIsOver) {
  begin({}, false);
  io::reset_on_close(attacker_.get());
  attacker_.reset();
  run();
  EXPECT_TRUE(relay_->over());
  EXPECT_EQ(relay_->session().end_reason(), EndReason::reset_by_client);
}

TEST_P(RelayTest, WhatComesBeforeTheBaitStandsWaitsUpToTheBound) {
  begin({.buffer_bytes = 4096}, false);
  put(attacker_, std::string(10'000, 'x'));
  run();
  EXPECT_EQ(relay_->session().received_from(Side::client), 4096u);
  bait_comes();
  run();
  EXPECT_EQ(read_all(bait_.get()).size(), 10'000u);
}

TEST_P(RelayTest, AStalledSideIsReadForNoLongerThanOneRead) {
  begin({.buffer_bytes = 65536});
  std::string sent;
  std::string block(65536, 'a');
  while (sent.size() < (64u << 20)) {  // until nobody takes any more
    const ssize_t got = ::send(attacker_.get(), block.data(), block.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (got > 0) sent.append(block, 0, static_cast<size_t>(got));
    run();
    if (got < 0) break;
    block.assign(65536, static_cast<char>(block[0] == 'z' ? 'a' : block[0] + 1));
  }
  EXPECT_GT(relay_->session().waiting_for(Side::bait), 0u);
  EXPECT_LE(relay_->session().waiting_for(Side::bait), 65536u);
  std::string taken;
  while (taken.size() < sent.size()) {
    const std::string more = read_all(bait_.get());
    run();
    taken += more;
  }
  EXPECT_TRUE(taken == sent);
  EXPECT_TRUE(recorded(Direction::to_bait) == sent);
}

TEST_P(RelayTest, SmallPiecesThatNobodyTakesWaitAndComeInOrder) {
  begin();
  const int little = 4096;
  ::setsockopt(relay_->socket(Side::bait), SOL_SOCKET, SO_SNDBUF, &little, sizeof little);
  ::setsockopt(bait_.get(), SOL_SOCKET, SO_RCVBUF, &little, sizeof little);
  std::string sent;
  for (int i = 0; i < 1000 && relay_->session().waiting_for(Side::bait) == 0; ++i) {
    const std::string piece(900, static_cast<char>('a' + i % 26));
    put(attacker_, piece);
    put(bait_, ".");  // so that both sides have something in a turn
    sent += piece;
    run();
  }
  ASSERT_GT(relay_->session().waiting_for(Side::bait), 0u);
  put(attacker_, "the last");
  sent += "the last";
  ::shutdown(attacker_.get(), SHUT_WR);
  std::string taken;
  for (int i = 0; i < 1000 && taken.size() < sent.size(); ++i) {
    run();
    taken += read_all(bait_.get());
  }
  EXPECT_TRUE(taken == sent);
  EXPECT_TRUE(recorded(Direction::to_bait) == sent);
}

TEST_P(RelayTest, WhatIsOnItsWayGoesWithACut) {
  begin();
  put(attacker_, "evidence");
  put(bait_, "greeting");  // so that both sides have something in a turn
  while (relay_->session().received_from(Side::client) == 0) turn(kQuietMs);
  relay_->end(EndReason::cut);
  EXPECT_EQ(relay_->session().forwarded_to(Side::bait), 8u);
  EXPECT_EQ(read_all(bait_.get()), "evidence");
}

TEST_P(RelayTest, OfASideThatResetsWhileTheOtherStallsTheLastBytesAreRecorded) {
  begin({.buffer_bytes = 4096});
  const std::string block(65536, 'b');
  size_t sent = 0;
  for (ssize_t got = 0; (got = ::send(attacker_.get(), block.data(), block.size(), MSG_DONTWAIT | MSG_NOSIGNAL)) > 0;
       run())
    sent += static_cast<size_t>(got);
  const uint64_t before = relay_->session().received_from(Side::client);
  ASSERT_LT(before, sent) << "some lie in the socket yet";
  io::reset_on_close(attacker_.get());
  attacker_.reset();
  run();
  EXPECT_TRUE(relay_->over());
  EXPECT_EQ(relay_->session().end_reason(), EndReason::reset_by_client);
  EXPECT_GT(relay_->session().received_from(Side::client), before);
}

TEST_P(RelayTest, EndsAtItsBytesWithAllOfThemRecorded) {
  begin({.session_bytes_max = 1000});
  put(bait_, std::string(300, 'o'));
  run();
  EXPECT_FALSE(relay_->take_limit());
  put(attacker_, std::string(5000, 'i'));
  run();
  EXPECT_TRUE(relay_->over());
  EXPECT_EQ(relay_->session().end_reason(), EndReason::limit);
  EXPECT_EQ(relay_->take_limit(), Limit::session_bytes_max);
  EXPECT_EQ(read_all(bait_.get()).size(), 700u);
  EXPECT_EQ(relay_->session().forwarded_to(Side::bait), 700u) << "what went counts, if it went with the end";
  EXPECT_EQ(recorded(Direction::to_bait), std::string(700, 'i'));
}

TEST_P(RelayTest, WhereAllHoldTooMuchItHoldsAPieceAndGivesItBack) {
  buffers_.changed(0, 64 << 20);
  begin({.buffer_bytes = 65536}, false);
  put(attacker_, std::string(60'000, 'x'));
  run();
  EXPECT_EQ(relay_->session().received_from(Side::client), Buffers::kPieceBytes);
  EXPECT_EQ(buffers_.held(), (64u << 20) + Buffers::kPieceBytes);
  EXPECT_EQ(relay_->take_limit(), Limit::buffers_bytes_max);
  EXPECT_FALSE(relay_->take_limit()) << "it is said once";
  bait_comes();
  std::string taken;
  for (int i = 0; i < 100 && taken.size() < 60'000; ++i) {
    run();
    taken += read_all(bait_.get());
  }
  EXPECT_EQ(taken.size(), 60'000u) << "it goes on, in pieces";
  EXPECT_EQ(buffers_.held(), 64u << 20);
}

TEST_P(RelayTest, WhatItHeldIsGivenBackWithIt) {
  begin({.buffer_bytes = 4096}, false);
  put(attacker_, std::string(4096, 'x'));
  run();
  EXPECT_EQ(buffers_.held(), 4096u);
  relay_.reset();
  EXPECT_EQ(buffers_.held(), 0u);
}

TEST_P(RelayTest, NothingIsPassedOnBeforeItsRecordIsOnDiskWhereThatIsWanted) {
  begin({.durability = formats::Durability::disk});
  put(attacker_, "kept first");
  std::string passed_on;
  for (int i = 0; i < 5000 && passed_on.empty(); ++i) {
    const uint64_t durable = writer_->durable();
    turn(1);
    passed_on = read_all(bait_.get());
    if (!passed_on.empty()) {
      EXPECT_GE(writer_->durable(), writer_->recorded());
    }
    if (durable < writer_->recorded()) ::poll(nullptr, 0, 1);
  }
  EXPECT_EQ(passed_on, "kept first");
}

INSTANTIATE_TEST_SUITE_P(BothEngines, RelayTest, testing::Values(Engine::epoll, Engine::io_uring),
                         [](const auto& each) { return std::string(to_string(each.param)); });

}  // namespace
}  // namespace skep::proxy
