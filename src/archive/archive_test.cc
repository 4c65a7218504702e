#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>

#include "archive/one_writer.h"
#include "archive/reader.h"
#include "base/clock.h"
#include "base/file.h"

namespace skep::archive {
namespace {

class ArchiveTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/skep-archive-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    folder_ = name;
  }
  OneWriter writer(uint64_t segment_bytes = 64 << 20) {
    ArchiveOptions options;
    options.segment_bytes = segment_bytes;
    auto opened = OneWriter::open(folder_, options);
    EXPECT_TRUE(opened) << opened.error().message;
    return opened ? std::move(*opened) : OneWriter();
  }
  static SessionId begin(Writer& w) {
    formats::OpenedEvent event{"web", *parse_endpoint("192.0.2.1:4321"), *parse_endpoint("192.0.2.2:80")};
    return w.opened(now_realtime_ns(), event);
  }
  static RuleHit hit(uint32_t sid, HitAction action) { return {1, sid, 2, "a rule", RuleGrade::specific, action, 4}; }
  static void end(Writer& w, SessionId id, EndReason reason = EndReason::client_closed) {
    formats::ClosedEvent event;
    event.reason = reason;
    w.closed(id, now_realtime_ns(), event);
  }
  SessionSummary found(SessionId id) {
    auto reader = Reader::open(folder_);
    EXPECT_TRUE(reader);
    auto summary = reader->find(id);
    EXPECT_TRUE(summary && *summary);
    return **summary;
  }
  std::string bytes(SessionId id, Direction direction) {
    auto reader = Reader::open(folder_);
    std::string all;
    const auto read = reader->for_each(found(id), {}, [&](const formats::Record& record) {
      if (record.type == formats::RecordType::data && record.direction == direction) all += as_text(record.payload);
    });
    EXPECT_TRUE(read) << (read ? "" : read.error().message);
    return all;
  }
  std::string folder_;
};

TEST_F(ArchiveTest, RemembersWhereASessionCameFrom) {
  SessionId control;
  SessionId data;
  {
    auto w = writer();
    control = begin(*w);
    data = begin(*w);
    w->origin(data, now_realtime_ns(), {control, *parse_endpoint("192.0.2.9:4000")});
    end(*w, data);
    end(*w, control);
  }
  EXPECT_EQ(found(data).parent, control);
  EXPECT_EQ(to_string(found(data).balancer), "192.0.2.9:4000");
  EXPECT_EQ(found(control).parent.value, 0u);
  EXPECT_EQ(found(control).balancer.port, 0);
}

TEST_F(ArchiveTest, EachDatagramIsOneRecordTheEmptyOneToo) {
  const std::string sent[] = {"one", "", std::string(65'507, 'x'), "two"};
  SessionId id;
  {
    auto w = writer();
    formats::OpenedEvent event{"dns", *parse_endpoint("192.0.2.1:4321"), *parse_endpoint("192.0.2.2:53")};
    event.protocol = Protocol::udp;
    id = w->opened(now_realtime_ns(), event);
    for (const std::string& each : sent)
      ASSERT_TRUE(w->data(id, now_realtime_ns(), Direction::to_bait, as_bytes(each)));
    end(*w, id, EndReason::timeout);
  }
  EXPECT_EQ(found(id).protocol, Protocol::udp);
  auto reader = Reader::open(folder_);
  std::vector<std::string> read;
  std::vector<uint64_t> offsets;
  ASSERT_TRUE(reader->for_each(found(id), {}, [&](const formats::Record& record) {
    if (record.type != formats::RecordType::data) return;
    read.emplace_back(as_text(record.payload));
    offsets.push_back(record.stream_offset);
  }));
  EXPECT_TRUE(std::equal(read.begin(), read.end(), std::begin(sent), std::end(sent)));
  EXPECT_EQ(offsets, (std::vector<uint64_t>{0, 3, 3, 65'510}));
}

TEST_F(ArchiveTest, KeepsInterleavedSessionsApartAndInOrder) {
  SessionId a;
  SessionId b;
  {
    auto w = writer(4096);  // several segments
    a = begin(*w);
    b = begin(*w);
    for (int i = 0; i < 100; ++i) {
      w->data(a, now_realtime_ns(), Direction::to_bait, as_bytes(fmt::format("a{} ", i)));
      w->data(b, now_realtime_ns(), Direction::to_client, as_bytes(fmt::format("b{} ", i)));
    }
    end(*w, a);
    end(*w, b);
    EXPECT_GT(w->health().segments, 2u);
  }
  EXPECT_TRUE(bytes(a, Direction::to_bait).starts_with("a0 a1 a2 "));
  EXPECT_TRUE(bytes(a, Direction::to_bait).ends_with("a98 a99 "));
  EXPECT_EQ(bytes(a, Direction::to_client), "");
  EXPECT_TRUE(bytes(b, Direction::to_client).ends_with("b99 "));
  EXPECT_EQ(found(a).end_reason, EndReason::client_closed);
}

TEST_F(ArchiveTest, AlertsRaiseTheClassAndNeverLowerIt) {
  struct Row {
    const char* description;
    bool crash;
    bool suspect;
    Confidence confidence;
    SessionClass expected;
  };
  for (const Row& row : {Row{"crash", true, false, Confidence::exact, SessionClass::suspect},
                         Row{"set of candidates", false, false, Confidence::none, SessionClass::suspect},
                         Row{"evidence of a lower level", false, true, Confidence::exact, SessionClass::suspect},
                         Row{"certain", false, false, Confidence::handoff, SessionClass::attack}}) {
    SetUp();
    SessionId id;
    {
      auto w = writer();
      id = begin(*w);
      Alert alert;
      alert.crash = row.crash;
      alert.suspect = row.suspect;
      alert.confidence = row.confidence;
      w->alert(id, now_realtime_ns(), alert);
      alert.crash = true;
      w->alert(id, now_realtime_ns(), alert);
      end(*w, id);
    }
    EXPECT_EQ(found(id).session_class, row.expected) << row.description;
    EXPECT_EQ(found(id).alerts_total, 2u);
  }
}

TEST_F(ArchiveTest, WhatARuleSuppressedIsKnownUntilAnAlertSaysMore) {
  struct Row {
    const char* description;
    std::vector<HitAction> hits;
    bool alert;
    SessionClass expected;
  };
  const Row rows[] = {{"tagged", {HitAction::tagged}, false, SessionClass::harmless},
                      {"too late", {HitAction::late}, false, SessionClass::harmless},
                      {"trapped", {HitAction::trapped}, false, SessionClass::harmless},
                      {"suppressed", {HitAction::tagged, HitAction::dropped}, false, SessionClass::known},
                      {"suppressed, and then an alert", {HitAction::reset}, true, SessionClass::attack},
                      {"an alert alone", {}, true, SessionClass::attack}};
  std::vector<SessionId> made;
  {
    auto w = writer();
    for (const Row& row : rows) {
      made.push_back(begin(*w));
      for (const HitAction action : row.hits) w->rule(made.back(), now_realtime_ns(), hit(7, action));
      Alert alert;
      alert.confidence = Confidence::exact;
      if (row.alert) w->alert(made.back(), now_realtime_ns(), alert);
      end(*w, made.back(), EndReason::filtered);
    }
  }
  const auto check = [&] {
    for (size_t i = 0; i < std::size(rows); ++i) {
      const SessionSummary row = found(made[i]);
      EXPECT_EQ(row.session_class, rows[i].expected) << rows[i].description;
      EXPECT_EQ(row.rule_hits_total, rows[i].hits.size()) << rows[i].description;
      EXPECT_EQ(row.end_reason, EndReason::filtered);
    }
    auto reader = Reader::open(folder_);
    ASSERT_TRUE(reader);
    const auto counts = reader->rule_counts(0);
    ASSERT_TRUE(counts) << counts.error().message;
    ASSERT_EQ(counts->size(), 1u);
    EXPECT_EQ((*counts)[0].sessions, 5u);
  };
  check();
  ASSERT_TRUE(rebuild_index(folder_));
  check();
}

TEST_F(ArchiveTest, OfManyRulesTheFirstAreListedAndAllAreCounted) {
  SessionId id;
  {
    auto w = writer();
    id = begin(*w);
    for (uint32_t sid = 1; sid <= kRuleHitsMax + 5; ++sid) w->rule(id, now_realtime_ns(), hit(sid, HitAction::tagged));
    end(*w, id);
  }
  EXPECT_EQ(found(id).rule_hits.size(), kRuleHitsMax);
  EXPECT_EQ(found(id).rule_hits_total, kRuleHitsMax + 5);
}

TEST_F(ArchiveTest, AnAlertAfterTheEndIsStillTheSessions) {
  SessionId id;
  {
    auto w = writer();
    id = begin(*w);
    end(*w, id);
    w->tick();
    Alert alert;
    alert.confidence = Confidence::inherited;
    EXPECT_TRUE(w->alert(id, now_realtime_ns(), alert));
  }
  EXPECT_EQ(found(id).session_class, SessionClass::attack);
  EXPECT_NE(found(id).end_ns, 0);
}

TEST_F(ArchiveTest, KillLosesNothingThatWasRecorded) {
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t pid = ::fork();
  if (pid == 0) {
    auto w = writer();
    const SessionId id = begin(*w);
    for (int i = 0; i < 1000; ++i) w->data(id, now_realtime_ns(), Direction::to_bait, as_bytes("0123456789"));
    [[maybe_unused]] const ssize_t n = ::write(ready[1], &id.value, sizeof id.value);
    ::raise(SIGKILL);
  }
  SessionId id;
  ASSERT_EQ(::read(ready[0], &id.value, sizeof id.value), static_cast<ssize_t>(sizeof id.value));
  ::waitpid(pid, nullptr, 0);
  { auto w = writer(); }
  EXPECT_EQ(found(id).end_reason, EndReason::crash_recovered);
  EXPECT_EQ(found(id).bytes_in, 10'000u);
  EXPECT_EQ(bytes(id, Direction::to_bait).size(), 10'000u);
}

TEST_F(ArchiveTest, ATornTailIsCutAndTheRestKept) {
  SessionId id;
  {
    auto w = writer();
    id = begin(*w);
    w->data(id, now_realtime_ns(), Direction::to_bait, as_bytes("whole"));
    end(*w, id);
  }
  {
    const Fd file(::open(segment_path(folder_, 1).c_str(), O_WRONLY | O_APPEND));
    ASSERT_EQ(::write(file.get(), "SKPRgarbage", 11), 11);
  }
  { auto w = writer(); }
  EXPECT_EQ(bytes(id, Direction::to_bait), "whole");
  SegmentReader reader(folder_);
  EXPECT_EQ(reader.scan(1, [](const auto&, const auto&) {})->problem, formats::RecordProblem::none);
}

TEST_F(ArchiveTest, TheIndexIsMadeAnewFromTheSegments) {
  SessionId id;
  {
    auto w = writer();
    id = begin(*w);
    w->data(id, now_realtime_ns(), Direction::to_client, as_bytes("answer"));
    end(*w, id, EndReason::server_closed);
  }
  ASSERT_EQ(std::system(("rm -r " + folder_ + "/index").c_str()), 0);
  ASSERT_TRUE(rebuild_index(folder_));
  EXPECT_EQ(found(id).end_reason, EndReason::server_closed);
  EXPECT_EQ(bytes(id, Direction::to_client), "answer");
}

// A limit on the files' size stands for the disk: writing fails beyond it, as it would there.
class FullDisk {
 public:
  explicit FullDisk(rlim_t bytes) {
    ::signal(SIGXFSZ, SIG_IGN);
    ::getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit tight{bytes, before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &tight);
  }
  ~FullDisk() { ::setrlimit(RLIMIT_FSIZE, &before_); }

 private:
  rlimit before_{};
};

TEST_F(ArchiveTest, AFullDiskIsSaidAndSurvived) {
  const std::string block(1 << 20, 'x');
  SessionId id;
  size_t kept = 0;
  {
    auto w = writer();
    id = begin(*w);
    w->data(id, now_realtime_ns(), Direction::to_bait, as_bytes("before "));
    {
      const FullDisk full(4096);
      while (kept < 64 && w->data(id, now_realtime_ns(), Direction::to_bait, as_bytes(block))) ++kept;
      EXPECT_LT(kept, 64u) << "the ring has a bound";
      EXPECT_TRUE(w->health().disk_full);
    }
    ASSERT_TRUE(w->flush());
    EXPECT_TRUE(w->data(id, now_realtime_ns(), Direction::to_bait, as_bytes("after")));
    EXPECT_FALSE(w->health().disk_full);
    EXPECT_EQ(w->health().bytes_lost, block.size());
    end(*w, id);
  }
  EXPECT_TRUE(found(id).incomplete);
  std::string expected = "before ";
  for (size_t i = 0; i < kept; ++i) expected += block;
  EXPECT_TRUE(bytes(id, Direction::to_bait) == expected + "after")
      << "what the ring held was stored when there was room";
  SegmentReader reader(folder_);
  const auto end = reader.scan(1, [](const auto&, const auto&) {});
  ASSERT_TRUE(end);
  EXPECT_EQ(end->problem, formats::RecordProblem::none) << "nothing is left of the record that did not fit";
}

TEST_F(ArchiveTest, WhatADiskRefusesToTheEndIsThereAtTheNextStart) {
  SessionId id;
  {
    auto w = writer();
    id = begin(*w);
    ASSERT_TRUE(w->flush());
    const FullDisk full(64);
    w->data(id, now_realtime_ns(), Direction::to_bait, as_bytes("never stored"));
    w.reset();
  }
  { auto w = writer(); }
  EXPECT_EQ(bytes(id, Direction::to_bait), "never stored");
}

// What lies in the room was received where the record's header goes before it: whatever else is written first must not
// be written over it.
TEST_F(ArchiveTest, BytesThatWereReceivedInTheRoomAreWholeWhereverTheRecordGoes) {
  constexpr uint64_t kSegment = 1 << 20;
  std::string expected;
  SessionId id;
  {
    auto w = writer(kSegment);
    id = begin(*w);
    for (int i = 0; i < 200; ++i) {
      std::span<uint8_t> room;
      while ((room = w->room(60'000)).empty()) ASSERT_TRUE(w->flush());
      const size_t size = 20'000 + static_cast<size_t>(i) * 177;
      for (size_t at = 0; at < size; ++at) room[at] = static_cast<uint8_t>(at * 31 + static_cast<size_t>(i));
      expected += as_text(room.first(size));
      ASSERT_TRUE(w->data(id, now_realtime_ns(), Direction::to_client, room.first(size)));
    }
    EXPECT_GT(w->health().segments, 5u);
    end(*w, id);
  }
  EXPECT_TRUE(bytes(id, Direction::to_client) == expected);
}

TEST_F(ArchiveTest, AnOpenSessionIsReadWhileItIsWritten) {
  auto w = writer();
  const SessionId id = begin(*w);
  for (int i = 0; i < 20; ++i) {
    w->data(id, now_realtime_ns(), Direction::to_bait, as_bytes(fmt::format("{},", i)));
    ASSERT_TRUE(w->flush());
  }
  w->tick();
  const auto deadline = now_monotonic_ns() + 5'000'000'000;
  auto reader = Reader::open(folder_);
  ASSERT_TRUE(reader);
  while (now_monotonic_ns() < deadline) {
    const auto row = reader->find(id);
    ASSERT_TRUE(row);
    if (*row && (*row)->bytes_in > 0) break;
    ::poll(nullptr, 0, 2);
  }
  EXPECT_EQ(bytes(id, Direction::to_bait), "0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,");
}

TEST_F(ArchiveTest, ASecondWriterIsRefusedWithAWord) {
  auto w = writer();
  const auto second = OneWriter::open(folder_, {});
  ASSERT_FALSE(second);
  EXPECT_NE(second.error().message.find("another skep-proxy"), std::string::npos);
}

TEST_F(ArchiveTest, AForeignFileIsLeftAlone) {
  { auto w = writer(); }
  ASSERT_TRUE(write_file(folder_ + "/segments/notes.txt", "mine"));
  { auto w = writer(); }
  EXPECT_EQ(*read_file(folder_ + "/segments/notes.txt"), "mine");
}

}  // namespace
}  // namespace skep::archive
