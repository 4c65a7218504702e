#include "archive/retention.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <random>

#include "archive/one_writer.h"
#include "archive/reader.h"
#include "archive/verify.h"
#include "base/clock.h"
#include "base/file.h"
#include "formats/event_codec.h"

namespace skep::archive {
namespace {

constexpr int64_t kHourNs = int64_t{3600} * 1'000'000'000;

class RetentionTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/skep-retention-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    folder_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  struct Made {
    SessionId id;
    bool tagged;
    std::string bytes;
  };
  static ArchiveOptions small() {
    ArchiveOptions options;
    options.segment_bytes = 1 << 20;
    options.compress_after_s = 86'400;
    return options;
  }
  // An hour ago: sessions of 40 KB that cannot be compressed, each tenth an
  // attack.
  static Made make_one(Writer& w, size_t number, int64_t at) {
    Made made{
        w.opened(at, {"web", *parse_endpoint("192.0.2.1:1"), *parse_endpoint("192.0.2.2:80")}), number % 10 == 3, {}};
    std::mt19937_64 random(number);
    for (int i = 0; i < 5000; ++i) {
      const uint64_t word = random();
      made.bytes.append(reinterpret_cast<const char*>(&word), sizeof word);
    }
    w.data(made.id, at, Direction::to_bait, as_bytes(made.bytes));
    Alert alert;
    alert.rule = "shell";
    alert.confidence = Confidence::exact;
    if (made.tagged) w.alert(made.id, at, alert);
    formats::ClosedEvent event;
    event.reason = EndReason::client_closed;
    event.bytes_in = made.bytes.size();
    w.closed(made.id, at, event);
    return made;
  }
  void make(size_t sessions) {
    auto w = OneWriter::open(folder_, small());
    ASSERT_TRUE(w);
    const int64_t at = now_realtime_ns() - kHourNs;
    for (size_t i = 0; i < sessions; ++i) made_.push_back(make_one(**w, i, at + static_cast<int64_t>(i)));
  }
  Pass pass() {
    Pass wanted;
    wanted.now_ns = now_realtime_ns();
    wanted.finished = list_segments(folder_)->back();
    return wanted;
  }
  // How many harmless sessions still have all their bytes; every tagged one
  // must.
  size_t harmless_left() {
    size_t left = 0;
    auto reader = Reader::open(folder_);
    EXPECT_TRUE(reader);
    for (const Made& made : made_) {
      std::string bytes;
      const auto row = reader->find(made.id);
      EXPECT_TRUE(row);
      const bool known = row && *row;
      if (known) {
        const auto read = reader->for_each(**row, {}, [&](const formats::Record& record) {
          if (record.type == formats::RecordType::data) bytes += as_text(record.payload);
        });
        EXPECT_TRUE(read) << read.error().message;
      }
      EXPECT_TRUE(!made.tagged || (known && bytes == made.bytes)) << to_string(made.id);
      left += !made.tagged && known && bytes == made.bytes ? 1 : 0;
    }
    return left;
  }
  uint64_t problems() {
    const auto report = verify_archive(folder_, [](const Finding& finding) {
      if (!finding.foreign) ADD_FAILURE() << finding.where << " " << finding.what;
    });
    EXPECT_TRUE(report);
    return report->problems;
  }
  std::string folder_;
  std::vector<Made> made_;
};

TEST_F(RetentionTest, WithoutLimitsNothingGoes) {
  make(60);
  Retention retention(folder_, {});
  const auto done = retention.run(pass());
  ASSERT_TRUE(done);
  EXPECT_EQ(done->segments_removed + done->segments_shortened, 0u);
  EXPECT_EQ(harmless_left(), 54u);
}

TEST_F(RetentionTest, TheOldestHarmlessGoUntilTheBytesFitAndTaggedOnesStay) {
  make(200);
  Retention retention(folder_, {0, 4 << 20});
  const auto done = retention.run(pass());
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_GT(done->segments_shortened, 2u);
  EXPECT_LE(retention.bytes(), 4u << 20);
  const size_t left = harmless_left();
  EXPECT_LT(left, 180u);
  EXPECT_GT(left, 20u) << "not more than needed";
  // What is left are the newest, and what is gone is gone from the index too.
  auto reader = Reader::open(folder_);
  EXPECT_FALSE(*reader->find(made_.front().id));
  EXPECT_TRUE(*reader->find(made_.back().id));
  EXPECT_EQ(problems(), 0u);
}

TEST_F(RetentionTest, WhatIsOlderThanItsDaysGoes) {
  make(60);
  auto late = pass();
  late.now_ns += 48 * kHourNs;
  Retention retention(folder_, {1, 0});
  ASSERT_TRUE(retention.run(late));
  EXPECT_LT(harmless_left(), 54u);
  EXPECT_EQ(problems(), 0u);
}

TEST_F(RetentionTest, WhatAnotherWriterBeganLongAgoMakesASegmentNoOlder) {
  make(60);
  // All began an hour ago; the first was written to its end just now.
  const std::vector<uint32_t> numbers = *list_segments(folder_);
  const timespec old[2] = {{0, UTIME_OMIT}, {now_realtime_ns() / 1'000'000'000 - 48 * 3600, 0}};
  for (const uint32_t number : numbers) {
    if (number == numbers.front()) continue;
    ASSERT_EQ(::utimensat(AT_FDCWD, segment_path(folder_, number).c_str(), old, 0), 0);
  }
  auto soon = pass();
  soon.now_ns += 23 * kHourNs + kHourNs / 2;
  Retention retention(folder_, {1, 0});
  ASSERT_TRUE(retention.run(soon));
  EXPECT_EQ(harmless_left(), 54u);
  soon.now_ns += kHourNs;
  ASSERT_TRUE(retention.run(soon));
  EXPECT_LT(harmless_left(), 54u);
}

TEST_F(RetentionTest, ASessionThatHasJustEndedIsNotJudgedYet) {
  {
    auto w = OneWriter::open(folder_, small());
    ASSERT_TRUE(w);
    for (size_t i = 0; i < 60; ++i) made_.push_back(make_one(**w, i, now_realtime_ns()));
  }
  auto all = pass();
  all.all = true;
  Retention retention(folder_, {});
  ASSERT_TRUE(retention.run(all));
  EXPECT_EQ(harmless_left(), 54u);
  all.now_ns += Retention::kUndecidedNs + kHourNs;
  ASSERT_TRUE(retention.run(all));
  EXPECT_LT(harmless_left(), 30u);
}

TEST_F(RetentionTest, WhereOnlyBytesMayNotBeKeptTheRowsAre) {
  make(60);
  auto all = pass();
  all.all = true;
  Retention retention(folder_, {});
  ASSERT_TRUE(retention.run(all));
  auto reader = Reader::open(folder_);
  const auto row = reader->find(made_.front().id);
  ASSERT_TRUE(row && *row);
  EXPECT_EQ((*row)->bytes_in, made_.front().bytes.size());
  ASSERT_TRUE(reader->for_each(**row, {}, [](const auto&) { FAIL() << "its records are gone"; }));
  EXPECT_TRUE(reader->beginning_dropped());
  EXPECT_EQ(problems(), 0u);
}

// Killed at moments that are drawn: whatever was left, tagged sessions are
// whole, and the next start goes on from there.
TEST_F(RetentionTest, AKillAtAnyMomentLosesNoTaggedByte) {
  make(120);
  std::mt19937 random(7);
  for (int round = 0; round < 8; ++round) {
    const pid_t pid = ::fork();
    if (pid == 0) {
      Retention retention(folder_, {0, 64 << 10});
      [[maybe_unused]] const auto done = retention.run(pass());
      ::_exit(0);
    }
    ::usleep(static_cast<useconds_t>(random() % 60'000));
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
    ASSERT_TRUE(OneWriter::open(folder_, small()));
    harmless_left();
    ASSERT_EQ(problems(), 0u) << "round " << round;
  }
  Retention retention(folder_, {0, 64 << 10});
  ASSERT_TRUE(retention.run(pass()));
  harmless_left();
  EXPECT_EQ(problems(), 0u);
}

// A disk of its own, of 24 MiB.
class FullDiskTest : public RetentionTest {
 protected:
  void SetUp() override {
    RetentionTest::SetUp();
    if (::unshare(CLONE_NEWNS) != 0 || ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount("tmpfs", folder_.c_str(), "tmpfs", 0, "size=24m") != 0)
      GTEST_SKIP() << "no mount namespace here (root alone may make one)";
    mounted_ = true;
  }
  void TearDown() override {
    if (mounted_) ::umount2(folder_.c_str(), MNT_DETACH);
    RetentionTest::TearDown();
  }
  static bool await(const std::function<bool()>& holds) {
    for (int i = 0; i < 2000 && !holds(); ++i) ::poll(nullptr, 0, 5);
    return holds();
  }
  bool mounted_ = false;
};

TEST_F(FullDiskTest, HarmlessSessionsMakeRoomAndTaggedOnesStay) {
  auto options = small();
  options.keeper_pass_ms = 5;
  auto opened = OneWriter::open(folder_, options);
  ASSERT_TRUE(opened) << opened.error().message;
  Writer& w = **opened;
  // Twice what the disk holds. Each must find the room that was made meanwhile.
  bool was_full = false;
  const auto room = [&] {
    w.tick();
    return w.flush(0) && disk_room(folder_).free > (1 << 20);
  };
  for (size_t i = 0; i < 720; ++i) {
    ASSERT_TRUE(await(room)) << "session " << i;
    made_.push_back(make_one(w, i, now_realtime_ns() - kHourNs));
    was_full |= w.health().disk_full;
  }
  EXPECT_TRUE(was_full);
  EXPECT_EQ(w.health().bytes_lost, 0u);
  opened->reset();
  harmless_left();
}

TEST_F(FullDiskTest, WithNothingLeftToDropBytesAreNotKeptAndThatIsSaidAndEndsByItself) {
  ASSERT_TRUE(write_file(folder_ + "/ballast", ""));
  auto options = small();
  options.keeper_pass_ms = 5;
  auto opened = OneWriter::open(folder_, options);
  ASSERT_TRUE(opened);
  Writer& w = **opened;
  // Somebody else takes the room, but for less than a quarter of what is low (3
  // MiB).
  const uint64_t take = disk_room(folder_).free - (600 << 10);
  ASSERT_EQ(::truncate((folder_ + "/ballast").c_str(), 0), 0);
  ASSERT_TRUE(write_file(folder_ + "/ballast", std::string(take, 'x')));
  ASSERT_TRUE(await([&] { return w.health().metadata_only; }));
  const Made lost = make_one(w, 1, now_realtime_ns());
  EXPECT_EQ(w.health().bytes_lost, lost.bytes.size());
  ASSERT_EQ(::truncate((folder_ + "/ballast").c_str(), static_cast<off_t>(take - (500 << 10))), 0);
  ASSERT_TRUE(await([&] { return w.health().tagged_only; })) << "a little room: events and tagged sessions";
  const Made kept = make_one(w, 2, now_realtime_ns());
  ASSERT_EQ(::unlink((folder_ + "/ballast").c_str()), 0);
  ASSERT_TRUE(await([&] { return !w.health().disk_full; }));
  EXPECT_FALSE(w.health().tagged_only);
  const Made after = make_one(w, 3, now_realtime_ns());
  opened->reset();
  auto reader = Reader::open(folder_);
  const auto words_of = [&](const Made& made) {
    std::string words;
    EXPECT_TRUE(reader->for_each(**reader->find(made.id), {}, [&](const formats::Record& record) {
      if (const auto note = formats::decode<formats::NoteEvent>(record.payload);
          record.type == formats::RecordType::note && note)
        words += note->words + "\n";
    }));
    return words;
  };
  EXPECT_NE(words_of(lost).find("metadata-only"), std::string::npos) << words_of(lost);
  EXPECT_NE(words_of(lost).find("bytes of this session's log were lost"), std::string::npos);
  EXPECT_TRUE((*reader->find(lost.id))->incomplete);
  EXPECT_NE(words_of(kept).find("tagged-only"), std::string::npos);
  EXPECT_EQ(words_of(after), "");
  EXPECT_FALSE((*reader->find(after.id))->incomplete);
}

}  // namespace
}  // namespace skep::archive
