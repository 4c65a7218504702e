#include "replay/player.h"

#include "replay/player_test_rig.h"

namespace skep::replay {
namespace {

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
