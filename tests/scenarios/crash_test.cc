// The proxy killed over and over in the midst of traffic: whatever anybody received lies in the archive.
#include <signal.h>
#include <sys/socket.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <random>
#include <thread>

#include "base/file.h"
#include "harness/hosts.h"
#include "harness/rig.h"

namespace skep::harness {
namespace {

using namespace std::string_literals;

constexpr char kListen[] = "10.99.1.2:90";
constexpr char kBait[] = "10.99.0.3:9000";
constexpr char kShards[] = "shards: ";
constexpr int kClients = 6;
constexpr int kBaitThreads = 24;
constexpr size_t kTagBytes = 10;
constexpr size_t kStreamBytesMax = 60'000;  // with its echo, what the sockets on the way can hold: nobody waits
constexpr size_t kKillWithinBytes = 2'000'000;
constexpr timespec kPause{0, 3'000'000};

// What the client of that number sends: its number, and bytes that nothing else has.
std::string stream_of(unsigned number) {
  std::mt19937 random(number);
  const size_t bytes = number % 8 == 0 ? kStreamBytesMax : 100 + random() % 4000;
  std::string stream = fmt::format("s{:08}:", number);
  while (stream.size() < bytes) stream += static_cast<char>(random());
  return stream;
}

// By the tag at its beginning: what somebody received of a session.
class Streams {
 public:
  void add(const std::string& tag, std::string bytes) {
    const std::lock_guard lock(mutex_);
    by_tag_[tag] = std::move(bytes);
  }
  const std::map<std::string, std::string>& all() const { return by_tag_; }

 private:
  std::mutex mutex_;
  std::map<std::string, std::string> by_tag_;
};

class CrashTest : public testing::Test {
 protected:
  void SetUp() override {
    if (const std::string why = Rig::missing(); !why.empty()) GTEST_SKIP() << why;
    RigOptions options;
    options.services_proxy = fmt::format("  - {{name: bare, listen: [\"{}\"], address: {}}}\n", kListen, kBait);
    options.proxy_more = kShards + "1"s;
    options.with_bait = false;
    rig_.emplace(options);
    ASSERT_TRUE(rig_->set_up());
    auto listener = listen_on(rig_->network().honeypot(), kBait);
    ASSERT_TRUE(listener) << listener.error().message;
    listener_ = std::move(*listener);
    const auto started = rig_->start_proxy();
    ASSERT_TRUE(started) << started.error().message;
    for (int i = 0; i < kBaitThreads; ++i) baits_.emplace_back([this] { serve(); });
    for (int i = 0; i < kClients; ++i) clients_.emplace_back([this] { visit(); });
  }
  void TearDown() override { end_traffic(); }
  void end_traffic() {
    stopping_ = true;
    for (std::thread& each : clients_) each.join();
    clients_.clear();
    ::shutdown(listener_.get(), SHUT_RDWR);
    for (std::thread& each : baits_) each.join();
    baits_.clear();
  }
  // Of the next life: rings are taken in whether they were more or fewer.
  void set_shards(size_t shards) {
    std::string options = *read_file(rig_->file("proxy.yaml"));
    const size_t at = options.find(kShards) + std::strlen(kShards);
    options[at] = static_cast<char>('0' + shards);
    ASSERT_TRUE(write_file(rig_->file("proxy.yaml"), options));
  }
  // Sends back what comes.
  void serve() {
    while (true) {
      const auto client = accept_one(listener_);
      if (!client && stopping_) return;
      if (!client) continue;
      std::string got;
      while (true) {
        const Received more = receive_some(*client);
        if (more.text.empty()) break;
        got += more.text;
        send_text(*client, more.text);
      }
      bait_got_.add(got.substr(0, kTagBytes), got);
    }
  }
  static Received receive_some(const Fd& socket) {
    Received received;
    received.text.resize(16384);
    const ssize_t got = ::recv(socket.get(), received.text.data(), received.text.size(), 0);
    received.text.resize(got > 0 ? static_cast<size_t>(got) : 0);
    return received;
  }
  void visit() {
    while (!stopping_) {
      const auto socket = connect_from(rig_->network().attacker(), kListen);
      if (!socket) {
        ::nanosleep(&kPause, nullptr);
        continue;
      }
      const std::string stream = stream_of(next_++);
      std::thread sends([&] {
        for (size_t at = 0; at < stream.size(); at += 3000) send_text(*socket, stream.substr(at, 3000));
        ::shutdown(socket->get(), SHUT_WR);
      });
      std::string got;
      for (Received more = receive_some(*socket); !more.text.empty(); more = receive_some(*socket)) {
        got += more.text;
        received_bytes_ += more.text.size();
      }
      sends.join();
      clients_got_.add(stream.substr(0, kTagBytes), got);
    }
  }
  std::string streams(archive::Reader& reader, const archive::SessionSummary& session, Direction direction) {
    std::string all;
    const auto read = reader.for_each(session, {}, [&](const formats::Record& record) {
      if (record.type != formats::RecordType::data || record.direction != direction) return;
      EXPECT_EQ(record.stream_offset, all.size());
      all += as_text(record.payload);
    });
    EXPECT_TRUE(read) << read.error().message;
    return all;
  }

  std::optional<Rig> rig_;
  Fd listener_;
  std::vector<std::thread> baits_;
  std::vector<std::thread> clients_;
  std::atomic<bool> stopping_{false};
  std::atomic<unsigned> next_{1};
  std::atomic<size_t> received_bytes_{0};
  Streams bait_got_;
  Streams clients_got_;
};

// SKEP_KILLS: how many times (50); SKEP_SEED: of the moments.
TEST_F(CrashTest, WhateverAnybodyReceivedOfAKilledProxyIsInTheArchive) {
  const char* const kills_wanted = std::getenv("SKEP_KILLS");
  const char* const seed_wanted = std::getenv("SKEP_SEED");
  const int kills = kills_wanted != nullptr ? std::atoi(kills_wanted) : 50;
  const auto seed = seed_wanted != nullptr ? static_cast<unsigned>(std::atoi(seed_wanted)) : std::random_device()();
  fmt::print("SKEP_SEED={} SKEP_KILLS={}\n", seed, kills);
  std::mt19937 random(seed);
  for (int i = 0; i < kills; ++i) {
    const size_t until = received_bytes_ + random() % kKillWithinBytes;
    ASSERT_TRUE(eventually([&] { return received_bytes_ >= until; }, 60'000)) << "the traffic goes on";
    ASSERT_TRUE(rig_->kill_proxy());
    set_shards(1 + random() % 4);
    const auto restarted = rig_->start_proxy();
    ASSERT_TRUE(restarted) << restarted.error().message;
  }
  end_traffic();
  rig_->proxy()->signal(SIGTERM);  // its last life ends in order: the index has it all
  ASSERT_TRUE(rig_->proxy()->await_end(20'000));
  const auto all = rig_->sessions(1, 60'000);
  ASSERT_TRUE(all) << all.error().message;
  auto reader = archive::Reader::open(rig_->file("archive"));
  ASSERT_TRUE(reader);
  std::map<std::string, std::pair<std::string, std::string>> recorded;
  size_t recovered = 0;
  for (const archive::SessionSummary& session : *all) {
    recovered += session.end_reason == EndReason::crash_recovered ? 1 : 0;
    std::string in = streams(*reader, session, Direction::to_bait);
    const std::string tag = in.substr(0, kTagBytes);
    if (tag.size() == kTagBytes) {
      EXPECT_TRUE(stream_of(static_cast<unsigned>(std::stoul(tag.substr(1)))).starts_with(in)) << tag;
    }
    recorded[tag] = {std::move(in), streams(*reader, session, Direction::to_client)};
  }
  size_t received = 0;
  for (const auto& [tag, bytes] : bait_got_.all()) {
    EXPECT_TRUE(recorded[tag].first.starts_with(bytes)) << tag << ": the bait received " << bytes.size();
    received += bytes.size();
  }
  for (const auto& [tag, bytes] : clients_got_.all()) {
    EXPECT_TRUE(recorded[tag].second.starts_with(bytes)) << tag << ": the client received " << bytes.size();
    received += bytes.size();
  }
  EXPECT_GE(recovered, static_cast<size_t>(kills) / 2) << "sessions were live when it was killed";
  fmt::print("{} sessions, {} of them cut by {} kills; {} bytes received, all of them recorded\n", all->size(),
             recovered, kills, received);
}

}  // namespace
}  // namespace skep::harness
