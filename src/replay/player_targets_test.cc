// Targets that are closed, silent, slow, flood, reset or die, and attempts that come to nothing by themselves.
#include "replay/player_test_rig.h"

namespace skep::replay {
namespace {

class PlayerTargetsTest : public PlayerTest {};

// --- Targets of all kinds.
TEST_F(PlayerTargetsTest, AClosedTargetIsNotConnected) {
  const Attempt attempt = play(greeting(), closed_port());
  EXPECT_EQ(attempt.ending, Ending::not_connected);
  EXPECT_NE(attempt.lacking.find("refused"), std::string::npos) << attempt.lacking;
  EXPECT_FALSE(attempt.alive_after);
  EXPECT_EQ(attempt.steps_done, 0U);
  EXPECT_EQ(attempt.steps_total, 2U);
}

TEST_F(PlayerTargetsTest, ASilentTargetIsLeftAfterTheTimeForAnAnswer) {
  options_.answer_timeout_ms = 50;
  Peer peer({[](Fd& socket) { hear_all(socket.get()); }});
  const Attempt attempt = play(greeting(), peer.where());
  EXPECT_EQ(attempt.ending, Ending::timed_out);
  EXPECT_NE(attempt.lacking.find("message 0"), std::string::npos) << attempt.lacking;
  EXPECT_TRUE(attempt.alive_after);
}

TEST_F(PlayerTargetsTest, ATargetThatFloodsIsCutOff) {
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

TEST_F(PlayerTargetsTest, ATargetThatFloodsBehindTheTriggerIsCutOffToo) {
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

TEST_F(PlayerTargetsTest, ATargetThatResetsOrClosesEarlyIsSaidToHave) {
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

TEST_F(PlayerTargetsTest, ATargetThatDiesOfTheTriggerIsNotAlive) {
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

TEST_F(PlayerTargetsTest, ATargetThatTakesNothingIsLeft) {
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

TEST_F(PlayerTargetsTest, ATargetThatIsOvercomeBeforeItHasTakenAllIsAskedAbout) {
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

TEST_F(PlayerTargetsTest, ARecordingWithoutTheClientsBytesIsNotTried) {
  const Attempt attempt = play(Dialogue().server("220 ready\r\n").take(), closed_port());
  EXPECT_EQ(attempt.ending, Ending::failed);
  EXPECT_FALSE(attempt.lacking.empty());
  EXPECT_EQ(play(Recording(), closed_port()).ending, Ending::failed);
}

TEST_F(PlayerTargetsTest, WhoIsToldToStopDoes) {
  stop_ = true;
  Peer peer({[](Fd& socket) { hear_all(socket.get()); }});
  const Attempt attempt = play(greeting(), peer.where());
  EXPECT_EQ(attempt.ending, Ending::failed);
  EXPECT_EQ(attempt.steps_done, 0U);
}

TEST_F(PlayerTargetsTest, NoAttemptIsLongerThanItMayBe) {
  options_.attempt_ms_max = 50;
  Peer peer({[](Fd& socket) { hear_all(socket.get()); }});
  const Attempt attempt = play(greeting(), peer.where());
  EXPECT_EQ(attempt.ending, Ending::timed_out);
  EXPECT_NE(attempt.lacking.find("longer than 50 ms"), std::string::npos) << attempt.lacking;
}

}  // namespace
}  // namespace skep::replay
