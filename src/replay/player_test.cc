#include "replay/player.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <functional>
#include <mutex>
#include <thread>

#include "base/clock.h"
#include "io/datagrams.h"
#include "io/sockets.h"
#include "model/socket_address.h"
#include "replay/dialogue_test_rig.h"
#include "replay/locate.h"

namespace skep::replay {
namespace {

using test::Dialogue;

constexpr timeval kPatience{10, 0};
constexpr int64_t kMillisecond = 1'000'000;

Endpoint loopback(uint16_t port = 0) {
  Endpoint endpoint = *parse_endpoint("127.0.0.1");
  endpoint.port = port;
  return endpoint;
}

void block(int socket) {
  ::fcntl(socket, F_SETFL, ::fcntl(socket, F_GETFL) & ~O_NONBLOCK);
  ::setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof kPatience);
}
void say(int socket, std::string_view text) {
  ::send(socket, text.data(), text.size(), MSG_NOSIGNAL);
}
// Until the text has come, or the peer ended.
std::string hear(int socket, std::string_view until) {
  std::string heard;
  char byte = 0;
  while (!heard.ends_with(until) && ::recv(socket, &byte, 1, 0) == 1) heard += byte;
  return heard;
}
std::string hear_all(int socket) {
  return hear(socket, "\xff no such text \xff");
}
void reset(Fd& socket) {
  io::reset_on_close(socket.get());
  socket.reset();
}

// A service by a script: what it does with its first connection, then with its second …
class Peer {
 public:
  using Act = std::function<void(Fd&)>;
  explicit Peer(std::vector<Act> acts) : listener_(*io::listen_tcp(loopback())), acts_(std::move(acts)) {
    where_ = io::local_end(listener_.get());
    block(listener_.get());
    thread_ = std::thread([this] { serve(); });
  }
  ~Peer() {
    ::shutdown(listener_.get(), SHUT_RDWR);
    thread_.join();
  }
  const Endpoint& where() const { return where_; }

 private:
  void serve() {
    for (const Act& act : acts_) {
      Fd socket(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (!socket) return;
      block(socket.get());
      act(socket);
    }
  }
  Fd listener_;
  Endpoint where_;
  std::vector<Act> acts_;
  std::thread thread_;
};

// Nobody listens there.
Endpoint closed_port() {
  const auto listener = io::listen_tcp(loopback());
  return io::local_end(listener->get());
}

// Sees an alert once it is asked for the n-th time.
class OracleOfOneAlert : public Oracle {
 public:
  Result<uint64_t> watch(const Endpoint& own, const Endpoint& target) override {
    watched.emplace_back(own, target);
    if (watched.size() <= refusals) return tl::unexpected<Error>(Error{refusal, refusal_code});
    return watched.size();
  }
  Result<Seen> seen(uint64_t) override {
    Seen said;
    said.served_by_pid = 4242;
    said.supervised = supervised;
    if (++asked >= alert_at) said.alerts.resize(1);
    return said;
  }
  void over(uint64_t number) override { ended.push_back(number); }

  std::vector<std::pair<Endpoint, Endpoint>> watched;
  std::vector<uint64_t> ended;
  size_t refusals = 0;
  std::string refusal;
  int refusal_code = 0;
  bool supervised = true;
  int asked = 0;
  int alert_at = INT32_MAX;
};

class PlayerTest : public testing::Test {
 protected:
  PlayerTest() {
    options_.after_ms = 20;
    options_.answer_timeout_ms = 5000;
  }
  Attempt play(const Recording& recording, const Endpoint& target, Oracle* oracle = nullptr) {
    return replay::play(recording, plan_as_recorded(recording), target, options_, oracle, stop_);
  }
  static std::string text(const Bytes& bytes) { return std::string(as_text(bytes)); }

  PlayerOptions options_;
  std::atomic<bool> stop_{false};
};

// That the second connection goes where the service says: "… 78,52 …" of message 1.
Plan with_named_port(const Recording& recording) {
  const std::string_view named = "78,52";
  Echo echo;
  echo.source = {1, static_cast<uint32_t>(as_text(recording.messages[1].bytes).find(named)),
                 static_cast<uint32_t>(named.size())};
  echo.read = Form::octet_pair;
  take_context(recording.messages[1].bytes, echo);
  Plan plan;
  plan.named_ports.push_back({1, echo});
  return plan;
}

Recording greeting() {
  return Dialogue().server("220 ready\r\n").client("HELO a\r\n").server("250 hello\r\n").client("QUIT\r\n").take();
}

TEST_F(PlayerTest, HoldsADialogueToItsEnd) {
  Peer peer({[](Fd& socket) {
    say(socket.get(), "220 here I am\r\n");
    const std::string helo = hear(socket.get(), "\n");
    say(socket.get(), "250 " + helo);
    if (hear(socket.get(), "\n") == "QUIT\r\n") say(socket.get(), "221 bye\r\n");
  }});
  const Attempt attempt = play(greeting(), peer.where());
  EXPECT_EQ(attempt.ending, Ending::closed) << attempt.lacking;
  EXPECT_EQ(attempt.steps_total, 2U);
  EXPECT_EQ(attempt.steps_done, 2U);
  EXPECT_EQ(text(attempt.answers[0]), "220 here I am\r\n");
  EXPECT_EQ(text(attempt.sent[1]), "HELO a\r\n");
  EXPECT_EQ(text(attempt.answers[2]), "250 HELO a\r\n");
  EXPECT_EQ(text(attempt.after), "221 bye\r\n");
  EXPECT_NE(attempt.triggered_ns, 0);
  EXPECT_TRUE(attempt.alive_after);
  EXPECT_FALSE(attempt.watched);
  EXPECT_EQ(attempt.own.address, loopback().address);
}

TEST_F(PlayerTest, AnAnswerInPiecesIsAwaitedToItsEnd) {
  Peer peer({[](Fd& socket) {
    for (const char* const piece : {"220", " a longer", " greeting", "\r\n"}) say(socket.get(), piece);
    say(socket.get(), "250 " + hear(socket.get(), "\n"));
    hear(socket.get(), "\n");
  }});
  const Attempt attempt = play(greeting(), peer.where());
  EXPECT_EQ(text(attempt.answers[0]), "220 a longer greeting\r\n");
  EXPECT_EQ(attempt.steps_done, 2U);
}

TEST_F(PlayerTest, OtherBytesThanRecordedAreAnAnswerOnceItIsQuiet) {
  options_.quiet_ms = 30;
  Peer peer({[](Fd& socket) {
    say(socket.get(), "something else");
    say(socket.get(), hear(socket.get(), "\n"));
    hear(socket.get(), "\n");
  }});
  const Attempt attempt = play(greeting(), peer.where());
  EXPECT_EQ(text(attempt.answers[0]), "something else");
  EXPECT_EQ(attempt.steps_done, 2U);
}

TEST_F(PlayerTest, WhatTheServiceSaysIsSentBackByThePlan) {
  const Recording recording = Dialogue()
                                  .server("token=4f5a1c9e77aa42bd;\r\n")
                                  .client("use 4f5a1c9e77aa42bd now\r\n")
                                  .server("accepted\r\n")
                                  .client("go 4f5a1c9e77aa42bd\r\n")
                                  .take();
  std::string heard;
  Peer peer({[&](Fd& socket) {
    say(socket.get(), "token=0123456789abcdef;\r\n");
    heard = hear(socket.get(), "\n");
    say(socket.get(), "accepted\r\n");
    heard += hear(socket.get(), "\n");
    say(socket.get(), "done\r\n");
  }});
  const Plan plan = plan_echoes(recording);
  const Attempt attempt = replay::play(recording, plan, peer.where(), options_, nullptr, stop_);
  EXPECT_EQ(text(attempt.after), "done\r\n") << attempt.lacking;
  EXPECT_EQ(heard, "use 0123456789abcdef now\r\ngo 0123456789abcdef\r\n");

  options_.quiet_ms = 10;
  Peer other({[](Fd& socket) {
    say(socket.get(), "go away\r\n");
    hear_all(socket.get());
  }});
  const Attempt lacking = replay::play(recording, plan, other.where(), options_, nullptr, stop_);
  EXPECT_EQ(lacking.ending, Ending::lacks_value);
  EXPECT_FALSE(lacking.lacking.empty());
  EXPECT_EQ(lacking.steps_done, 0U);
  EXPECT_EQ(lacking.triggered_ns, 0);
}

// --- Targets of all kinds.
TEST_F(PlayerTest, AClosedTargetIsNotConnected) {
  const Attempt attempt = play(greeting(), closed_port());
  EXPECT_EQ(attempt.ending, Ending::not_connected);
  EXPECT_NE(attempt.lacking.find("refused"), std::string::npos) << attempt.lacking;
  EXPECT_FALSE(attempt.alive_after);
  EXPECT_EQ(attempt.steps_done, 0U);
  EXPECT_EQ(attempt.steps_total, 2U);
}

TEST_F(PlayerTest, ASilentTargetIsLeftAfterTheTimeForAnAnswer) {
  options_.answer_timeout_ms = 50;
  Peer peer({[](Fd& socket) { hear_all(socket.get()); }});
  const Attempt attempt = play(greeting(), peer.where());
  EXPECT_EQ(attempt.ending, Ending::timed_out);
  EXPECT_NE(attempt.lacking.find("message 0"), std::string::npos) << attempt.lacking;
  EXPECT_TRUE(attempt.alive_after);
}

TEST_F(PlayerTest, ATargetThatFloodsIsCutOff) {
  options_.answer_bytes_max = 1 << 20;
  Peer peer({[](Fd& socket) {
    const std::string flood(65'536, 'x');
    while (::send(socket.get(), flood.data(), flood.size(), MSG_NOSIGNAL) > 0) {
    }
  }});
  const Attempt attempt = play(greeting(), peer.where());
  EXPECT_EQ(attempt.ending, Ending::flooded);
  EXPECT_LE(attempt.answers[0].size(), options_.answer_bytes_max + io::kDatagramRoom);
  EXPECT_FALSE(attempt.lacking.empty());
}

TEST_F(PlayerTest, ATargetThatFloodsBehindTheTriggerIsCutOffToo) {
  options_.answer_bytes_max = 1 << 20;
  options_.after_ms = 5000;
  Peer peer({[](Fd& socket) {
    hear(socket.get(), "\n");
    const std::string flood(65'536, 'x');
    while (::send(socket.get(), flood.data(), flood.size(), MSG_NOSIGNAL) > 0) {
    }
  }});
  const Attempt attempt = play(Dialogue().client("go\n").take(), peer.where());
  EXPECT_EQ(attempt.ending, Ending::flooded);
  EXPECT_EQ(attempt.steps_done, 1U);
}

TEST_F(PlayerTest, ATargetThatResetsOrClosesEarlyIsSaidToHave) {
  Peer resets({[](Fd& socket) {
    say(socket.get(), "220 ready\r\n");
    hear(socket.get(), "\n");
    reset(socket);
  }});
  const Attempt reset = play(greeting(), resets.where());
  EXPECT_EQ(reset.ending, Ending::reset);
  EXPECT_EQ(reset.steps_done, 1U);
  EXPECT_EQ(reset.triggered_ns, 0);

  Peer closes({[](Fd& socket) {
    say(socket.get(), "220 ready\r\n");
    hear(socket.get(), "\n");
  }});
  const Attempt closed = play(greeting(), closes.where());
  EXPECT_EQ(closed.ending, Ending::closed);
  EXPECT_EQ(closed.steps_done, 1U);
  EXPECT_NE(closed.lacking.find("closed"), std::string::npos) << closed.lacking;
}

TEST_F(PlayerTest, ATargetThatDiesOfTheTriggerIsNotAlive) {
  auto listener = io::listen_tcp(loopback());
  ASSERT_TRUE(listener);
  block(listener->get());
  const Endpoint target = io::local_end(listener->get());
  std::thread service([&] {
    Fd socket(::accept(listener->get(), nullptr, nullptr));
    block(socket.get());
    hear(socket.get(), "\n");
    listener->reset();
    reset(socket);
  });
  const Attempt attempt = play(Dialogue().client("die\n").take(), target);
  service.join();
  EXPECT_EQ(attempt.ending, Ending::reset);
  EXPECT_EQ(attempt.steps_done, 1U);
  EXPECT_NE(attempt.triggered_ns, 0);
  EXPECT_FALSE(attempt.alive_after);
}

TEST_F(PlayerTest, ATargetThatTakesNothingIsLeft) {
  options_.answer_timeout_ms = 50;
  std::mutex mutex;
  std::unique_lock held(mutex);
  Peer peer({[&](Fd&) { const std::lock_guard until_the_attempt_is_over(mutex); }});
  const Attempt attempt = play(Dialogue().client(std::string(32 << 20, 'x')).take(), peer.where());
  held.unlock();
  EXPECT_EQ(attempt.ending, Ending::timed_out);
  EXPECT_NE(attempt.lacking.find("takes no more"), std::string::npos) << attempt.lacking;
  EXPECT_EQ(attempt.steps_done, 0U);
}

TEST_F(PlayerTest, BothSidesMaySendMuchAtOnce) {
  const std::string much(4 << 20, 'm');
  Peer peer({[&](Fd& socket) {
    // It reads nothing before it has said all.
    size_t said = 0;
    while (said < much.size()) {
      const ssize_t put = ::send(socket.get(), much.data() + said, much.size() - said, MSG_NOSIGNAL);
      if (put <= 0) return;
      said += static_cast<size_t>(put);
    }
    std::string heard(much.size(), '\0');
    if (::recv(socket.get(), heard.data(), heard.size(), MSG_WAITALL) == static_cast<ssize_t>(heard.size()) &&
        heard == much)
      say(socket.get(), "all of it");
  }});
  const Recording recording = Dialogue().client(much).server(much + "all of it").take();
  const Attempt attempt = play(recording, peer.where());
  EXPECT_EQ(attempt.ending, Ending::closed) << attempt.lacking;
  EXPECT_EQ(attempt.answers[1], recording.messages[1].bytes);
}

TEST_F(PlayerTest, ARecordingWithoutTheClientsBytesIsNotTried) {
  const Attempt attempt = play(Dialogue().server("220 ready\r\n").take(), closed_port());
  EXPECT_EQ(attempt.ending, Ending::failed);
  EXPECT_FALSE(attempt.lacking.empty());
  EXPECT_EQ(play(Recording(), closed_port()).ending, Ending::failed);
}

TEST_F(PlayerTest, WhoIsToldToStopDoes) {
  stop_ = true;
  Peer peer({[](Fd& socket) { hear_all(socket.get()); }});
  const Attempt attempt = play(greeting(), peer.where());
  EXPECT_EQ(attempt.ending, Ending::failed);
  EXPECT_EQ(attempt.steps_done, 0U);
}

TEST_F(PlayerTest, NoAttemptIsLongerThanItMayBe) {
  options_.attempt_ms_max = 50;
  Peer peer({[](Fd& socket) { hear_all(socket.get()); }});
  const Attempt attempt = play(greeting(), peer.where());
  EXPECT_EQ(attempt.ending, Ending::timed_out);
  EXPECT_NE(attempt.lacking.find("longer than 50 ms"), std::string::npos) << attempt.lacking;
}

// --- Ends of directions, other connections.
TEST_F(PlayerTest, AHalfCloseComesWhereItCame) {
  RecordingBuilder builder("test");
  RecordedConnection connection;
  connection.server = *parse_endpoint("198.51.100.3:79");
  builder.connection(connection);
  builder.piece(0, Direction::to_bait, 1, as_bytes("all that I have"));
  builder.half_closed(0, Direction::to_bait);
  builder.piece(0, Direction::to_client, 2, as_bytes("15 bytes"));
  Peer at_once({[](Fd& socket) { say(socket.get(), std::to_string(hear_all(socket.get()).size()) + " bytes"); }});
  const Attempt attempt = play(builder.take(), at_once.where());
  EXPECT_EQ(text(attempt.answers[1]), "15 bytes") << attempt.lacking;

  // Where the client ended behind the answer, the service has it before.
  RecordingBuilder late("test");
  late.connection(connection);
  late.piece(0, Direction::to_bait, 1, as_bytes("a line\n"));
  late.piece(0, Direction::to_client, 2, as_bytes("open still"));
  late.half_closed(0, Direction::to_bait);
  Peer peer({[](Fd& socket) {
    hear(socket.get(), "\n");
    pollfd ended{socket.get(), POLLIN, 0};
    say(socket.get(), ::poll(&ended, 1, 0) == 0 ? "open still" : "over");
    hear_all(socket.get());
  }});
  EXPECT_EQ(text(play(late.take(), peer.where()).answers[1]), "open still");
}

TEST_F(PlayerTest, AnotherConnectionIsOpenedWhereTheServiceSays) {
  const Recording recording = Dialogue()
                                  .client("PASV\r\n")
                                  .server("227 Entering Passive Mode (198,51,100,3,78,52).\r\n")
                                  .opens("198.51.100.3:20020")
                                  .on(0)
                                  .client("STOR a\r\n")
                                  .server("150 go on\r\n")
                                  .on(1)
                                  .client("the file")
                                  .on(0)
                                  .server("226 have it\r\n")
                                  .client("QUIT\r\n")
                                  .take();
  const Plan plan = with_named_port(recording);
  auto data = io::listen_tcp(loopback());
  ASSERT_TRUE(data);
  block(data->get());
  const uint16_t port = io::local_end(data->get()).port;
  std::string file;
  Peer peer({[&](Fd& socket) {
    hear(socket.get(), "\n");
    say(socket.get(), fmt::format("227 Entering Passive Mode (127,0,0,1,{},{}).\r\n", port / 256, port % 256));
    hear(socket.get(), "\n");
    const Fd upload(::accept(data->get(), nullptr, nullptr));
    block(upload.get());
    say(socket.get(), "150 go on\r\n");
    file = hear(upload.get(), "file");
    say(socket.get(), "226 have it\r\n");
    hear(socket.get(), "\n");
  }});
  OracleOfOneAlert oracle;
  const Attempt attempt = replay::play(recording, plan, peer.where(), options_, &oracle, stop_);
  EXPECT_EQ(attempt.ending, Ending::closed) << attempt.lacking;
  EXPECT_EQ(attempt.steps_done, 4U);
  EXPECT_EQ(file, "the file");
  ASSERT_EQ(oracle.watched.size(), 2U);
  EXPECT_EQ(oracle.watched[1].second, loopback(port));
  EXPECT_EQ(oracle.ended, (std::vector<uint64_t>{1, 2}));
}

TEST_F(PlayerTest, AnswersOfTwoConnectionsThatComeTogetherAreToldApart) {
  const Recording recording = Dialogue()
                                  .client("PASV\r\n")
                                  .server("227 (198,51,100,3,78,52).\r\n")
                                  .opens("198.51.100.3:20020")
                                  .on(0)
                                  .client("RETR a\r\n")
                                  .server("150 8 bytes\r\n")
                                  .on(1)
                                  .server("the file")
                                  .on(0)
                                  .server("226 done\r\n")
                                  .client("QUIT\r\n")
                                  .take();
  auto data = io::listen_tcp(loopback());
  ASSERT_TRUE(data);
  block(data->get());
  const uint16_t port = io::local_end(data->get()).port;
  Peer peer({[&](Fd& socket) {
    hear(socket.get(), "\n");
    say(socket.get(), fmt::format("227 (127,0,0,1,{},{}).\r\n", port / 256, port % 256));
    hear(socket.get(), "\n");
    const Fd download(::accept(data->get(), nullptr, nullptr));
    say(socket.get(), "150 10 bytes\r\n226 done\r\n");
    say(download.get(), "other file");
    hear(socket.get(), "\n");
  }});
  const Attempt attempt = replay::play(recording, with_named_port(recording), peer.where(), options_, nullptr, stop_);
  EXPECT_EQ(attempt.ending, Ending::closed) << attempt.lacking;
  EXPECT_EQ(text(attempt.answers[3]), "150 10 bytes\r\n");
  EXPECT_EQ(text(attempt.answers[4]), "other file");
  EXPECT_EQ(text(attempt.answers[5]), "226 done\r\n");
}

TEST_F(PlayerTest, WhatTheServiceOpensIsTakenByASinkOfOurOwn) {
  RecordingBuilder builder("test");
  RecordedConnection connection;
  connection.client = *parse_endpoint("192.0.2.7:40001");
  connection.server = *parse_endpoint("198.51.100.3:8080");
  builder.connection(connection);
  RecordedConnection back;
  back.client = *parse_endpoint("198.51.100.3:50001");
  back.server = *parse_endpoint("192.0.2.7:4444");
  back.by_service = true;
  builder.connection(back);
  builder.piece(0, Direction::to_bait, 1, as_bytes("call 192.0.2.7:4444\n"));
  builder.piece(1, Direction::to_client, 2, as_bytes("$ "));
  builder.piece(1, Direction::to_bait, 3, as_bytes("id\n"));
  builder.piece(1, Direction::to_client, 4, as_bytes("uid=0\n"));
  const Recording recording = builder.take();

  // A plan that says where to call.
  Plan plan;
  plan.fields.push_back({{0, 15, 4}, Address{AddressOf::sink_port, Form::decimal}, "where to call"});
  std::string command;
  Peer peer({[&](Fd& socket) {
    const std::string call = hear(socket.get(), "\n");
    const auto to = parse_endpoint("127.0.0.1" + call.substr(call.find(':'), call.size() - call.find(':') - 1));
    const auto shell = to ? io::connect_tcp(*to, 0) : Result<Fd>(fail("{}", call));
    if (!shell) return;
    block(shell->get());
    say(shell->get(), "$ ");
    command = hear(shell->get(), "\n");
    say(shell->get(), "uid=0\n");
    hear_all(socket.get());
  }});
  options_.after_ms = 5000;
  OracleOfOneAlert oracle;
  oracle.alert_at = 3;
  Attempt attempt = replay::play(recording, plan, peer.where(), options_, &oracle, stop_);
  EXPECT_EQ(attempt.steps_total, 2U);
  EXPECT_EQ(attempt.steps_done, 2U) << attempt.lacking;
  EXPECT_EQ(command, "id\n");
  ASSERT_EQ(attempt.sink_hits.size(), 1U);
  EXPECT_EQ(text(attempt.sink_hits[0].bytes), "$ uid=0\n");
  EXPECT_EQ(attempt.sink_hits[0].peer.address, loopback().address);
  EXPECT_EQ(text(attempt.answers[3]), "uid=0\n");
}

TEST_F(PlayerTest, ACallBackThatDoesNotComeIsATimeout) {
  options_.answer_timeout_ms = 50;
  RecordingBuilder builder("test");
  builder.connection({});
  RecordedConnection back;
  back.by_service = true;
  builder.connection(back);
  builder.piece(0, Direction::to_bait, 1, as_bytes("call\n"));
  builder.piece(1, Direction::to_bait, 2, as_bytes("id\n"));
  Peer peer({[](Fd& socket) { hear_all(socket.get()); }});
  const Attempt attempt = play(builder.take(), peer.where());
  EXPECT_EQ(attempt.ending, Ending::timed_out);
  EXPECT_NE(attempt.lacking.find("call back"), std::string::npos) << attempt.lacking;
  EXPECT_EQ(attempt.steps_done, 1U);
}

TEST_F(PlayerTest, DatagramsAreMessagesEach) {
  RecordingBuilder builder("test");
  RecordedConnection connection;
  connection.protocol = Protocol::udp;
  builder.connection(connection);
  builder.piece(0, Direction::to_bait, 1, as_bytes("one"));
  builder.piece(0, Direction::to_client, 2, as_bytes("first"));
  builder.piece(0, Direction::to_client, 3, as_bytes("second"));
  builder.piece(0, Direction::to_bait, 4, as_bytes("two"));
  const Recording recording = builder.take();
  auto socket = io::listen_udp(loopback());
  ASSERT_TRUE(socket);
  block(socket->get());
  std::string heard;
  std::thread service([&] {
    uint8_t room[64];
    const io::Received one = io::receive_datagram(socket->get(), room);
    heard.assign(room, room + std::max<ssize_t>(one.bytes, 0));
    for (const char* const each : {"a longer first", "2"}) io::send_datagram(socket->get(), one.path, as_bytes(each));
    const io::Received two = io::receive_datagram(socket->get(), room);
    heard.append(room, room + std::max<ssize_t>(two.bytes, 0));
  });
  OracleOfOneAlert oracle;
  const Attempt attempt = play(recording, io::local_end(socket->get()), &oracle);
  service.join();
  EXPECT_EQ(heard, "onetwo");
  EXPECT_EQ(attempt.ending, Ending::open) << attempt.lacking;
  EXPECT_EQ(text(attempt.answers[1]), "a longer first");
  EXPECT_EQ(text(attempt.answers[2]), "2");
  EXPECT_FALSE(attempt.watched);
  EXPECT_FALSE(attempt.unwatched_because.empty());
}

// --- What an oracle sees.
TEST_F(PlayerTest, TheOracleKnowsTheConnectionBeforeItStands) {
  Endpoint seen_from;
  Peer peer({[&](Fd& socket) {
    sockaddr_storage storage{};
    socklen_t bytes = sizeof storage;
    ::getpeername(socket.get(), reinterpret_cast<sockaddr*>(&storage), &bytes);
    seen_from = to_endpoint(storage);
    hear(socket.get(), "\n");
    say(socket.get(), "done\n");
  }});
  OracleOfOneAlert oracle;
  oracle.alert_at = 3;
  options_.after_ms = 20'000;
  const int64_t begun_ns = now_monotonic_ns();
  const Attempt attempt = play(Dialogue().client("go\n").server("done\n").take(), peer.where(), &oracle);
  EXPECT_LT(now_monotonic_ns() - begun_ns, 20'000 * kMillisecond) << "it waited on although the alert had come";
  EXPECT_TRUE(attempt.watched) << attempt.unwatched_because;
  EXPECT_EQ(attempt.alerts.size(), 1U);
  EXPECT_EQ(attempt.served_by_pid, 4242U);
  ASSERT_EQ(oracle.watched.size(), 1U);
  EXPECT_EQ(oracle.watched[0].first, seen_from);
  EXPECT_EQ(attempt.own, seen_from);
  EXPECT_EQ(oracle.ended.size(), 1U);
}

TEST_F(PlayerTest, APortThatTheOracleRefusesIsLeftForAnother) {
  Peer peer({[](Fd& socket) { hear(socket.get(), "\n"); }, [](Fd& socket) { hear(socket.get(), "\n"); }});
  OracleOfOneAlert oracle;
  oracle.refusals = 2;
  oracle.refusal = "may still mean another";
  oracle.refusal_code = EADDRINUSE;
  const Recording recording = Dialogue().client("go\n").take();
  const Attempt attempt = play(recording, peer.where(), &oracle);
  EXPECT_TRUE(attempt.watched) << attempt.unwatched_because;
  ASSERT_EQ(oracle.watched.size(), 3U);
  EXPECT_EQ(oracle.watched[2].first, attempt.own);
}

TEST_F(PlayerTest, WhereNobodyWatchesTheAttemptIsMadeAndSaysWhy) {
  Peer peer({[](Fd& socket) { hear(socket.get(), "\n"); }, [](Fd& socket) { hear(socket.get(), "\n"); }});
  OracleOfOneAlert oracle;
  oracle.refusals = 1;
  oracle.refusal = "no bait is there";
  const Recording recording = Dialogue().client("go\n").take();
  const Attempt attempt = play(recording, peer.where(), &oracle);
  EXPECT_EQ(attempt.steps_done, 1U);
  EXPECT_FALSE(attempt.watched);
  EXPECT_EQ(attempt.unwatched_because, "no bait is there");

  OracleOfOneAlert away;
  away.supervised = false;
  const Attempt unsupervised = play(recording, peer.where(), &away);
  EXPECT_FALSE(unsupervised.watched);
  EXPECT_FALSE(unsupervised.unwatched_because.empty());
}

TEST_F(PlayerTest, WhatFollowsTheTriggerIsStillSaid) {
  RecordingBuilder builder("test");
  builder.connection({});
  builder.piece(0, Direction::to_bait, 1'000'000, as_bytes("the attack\n"));
  builder.piece(0, Direction::to_client, 2'000'000, as_bytes("$ "));
  builder.piece(0, Direction::to_bait, 3'000'000, as_bytes("id\n"));
  builder.piece(0, Direction::to_client, 4'000'000, as_bytes("uid=0\n"));
  Alert alert;
  alert.stream_offset = 5;
  alert.time_ns = 1'500'000;
  builder.alert(alert);
  const Recording recording = builder.take();
  options_.after_ms = 5000;
  Peer peer({[](Fd& socket) {
    hear(socket.get(), "\n");
    say(socket.get(), "$ ");
    if (hear(socket.get(), "\n") == "id\n") say(socket.get(), "uid=0\n");
  }});
  const Attempt attempt = play(recording, peer.where());
  EXPECT_EQ(attempt.steps_total, 1U);
  EXPECT_EQ(attempt.steps_done, 1U);
  EXPECT_EQ(text(attempt.sent[2]), "id\n");
  EXPECT_EQ(text(attempt.after), "$ uid=0\n");

  // A repaired service that ends there has been tried all the same.
  Peer repaired({[](Fd& socket) { hear(socket.get(), "\n"); }});
  const Attempt tried = play(recording, repaired.where());
  EXPECT_EQ(tried.ending, Ending::closed);
  EXPECT_EQ(tried.steps_done, 1U);
  EXPECT_TRUE(tried.lacking.empty()) << tried.lacking;
}

TEST_F(PlayerTest, ATargetThatIsOvercomeBeforeItHasTakenAllIsAskedAbout) {
  Peer peer({[](Fd& socket) {
    hear(socket.get(), "x");
    reset(socket);
  }});
  OracleOfOneAlert oracle;
  oracle.alert_at = 3;
  options_.after_ms = 5000;
  const Attempt attempt = play(Dialogue().client(std::string(32 << 20, 'x')).take(), peer.where(), &oracle);
  EXPECT_EQ(attempt.ending, Ending::reset);
  EXPECT_EQ(attempt.steps_done, 0U);
  EXPECT_EQ(attempt.triggered_ns, 0);
  EXPECT_EQ(attempt.alerts.size(), 1U);
}

TEST_F(PlayerTest, AnAnswerThatTookLongMayTakeAsLongAgain) {
  RecordingBuilder builder("test");
  builder.connection({});
  builder.piece(0, Direction::to_bait, 0, as_bytes("work\n"));
  builder.piece(0, Direction::to_client, 2000 * kMillisecond, as_bytes("done\n"));
  builder.piece(0, Direction::to_bait, 2001 * kMillisecond, as_bytes("go\n"));
  options_.answer_timeout_ms = 20;
  Peer peer({[](Fd& socket) {
    hear(socket.get(), "\n");
    ::poll(nullptr, 0, 60);
    say(socket.get(), "done\n");
    hear(socket.get(), "\n");
  }});
  EXPECT_EQ(play(builder.take(), peer.where()).steps_done, 2U);
}

TEST_F(PlayerTest, TheLastEndOfTheClientComesAsLateAsItCame) {
  RecordingBuilder builder("test");
  RecordedConnection connection;
  connection.closed_ns = 80 * kMillisecond;
  builder.connection(connection);
  builder.piece(0, Direction::to_bait, 0, as_bytes("go\n"));
  builder.half_closed(0, Direction::to_bait);
  options_.after_ms = 10'000;
  int64_t open_for_ns = 0;
  Peer peer({[&](Fd& socket) {
    hear(socket.get(), "\n");
    const int64_t heard_ns = now_monotonic_ns();
    hear_all(socket.get());
    open_for_ns = now_monotonic_ns() - heard_ns;
    say(socket.get(), "seen\n");
  }});
  EXPECT_EQ(text(play(builder.take(), peer.where()).after), "seen\n");
  EXPECT_GE(open_for_ns, 60 * kMillisecond);
}

TEST_F(PlayerTest, PausesAreKeptWhereTheyAreWanted) {
  RecordingBuilder builder("test");
  builder.connection({});
  builder.piece(0, Direction::to_client, 0, as_bytes("a"));
  builder.piece(0, Direction::to_bait, 60 * kMillisecond, as_bytes("b"));
  const Recording recording = builder.take();
  options_.as_recorded_timing = true;
  Peer peer({[](Fd& socket) {
    say(socket.get(), "a");
    hear(socket.get(), "b");
  }});
  const Attempt attempt = play(recording, peer.where());
  EXPECT_EQ(attempt.steps_done, 1U);
  EXPECT_GE(attempt.triggered_ns - attempt.begun_ns, 60 * kMillisecond);
}

}  // namespace
}  // namespace skep::replay
