// Connections beside the first, datagrams, and who watches.
#include "replay/player_test_rig.h"

namespace skep::replay {
namespace {

class PlayerConnectionsTest : public PlayerTest {};

TEST_F(PlayerConnectionsTest, AnotherConnectionIsOpenedWhereTheServiceSays) {
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

TEST_F(PlayerConnectionsTest, AnswersOfTwoConnectionsThatComeTogetherAreToldApart) {
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

TEST_F(PlayerConnectionsTest, WhatTheServiceOpensIsTakenByASinkOfOurOwn) {
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

TEST_F(PlayerConnectionsTest, ACallBackThatDoesNotComeIsATimeout) {
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

TEST_F(PlayerConnectionsTest, DatagramsAreMessagesEach) {
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
TEST_F(PlayerConnectionsTest, TheOracleKnowsTheConnectionBeforeItStands) {
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

TEST_F(PlayerConnectionsTest, APortThatTheOracleRefusesIsLeftForAnother) {
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

TEST_F(PlayerConnectionsTest, WhereNobodyWatchesTheAttemptIsMadeAndSaysWhy) {
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

}  // namespace
}  // namespace skep::replay
