// Several writers of one archive: what each records is there, whatever the others do, and nobody waits for one that has
// nothing to say.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <set>
#include <thread>

#include "archive/archive.h"
#include "archive/reader.h"
#include "archive/ring.h"
#include "archive/segments.h"
#include "archive/stats.h"
#include "archive/verify.h"
#include "base/clock.h"
#include "base/file.h"

namespace skep::archive {
namespace {

constexpr int64_t kHourNs = int64_t{3600} * 1'000'000'000;

class WritersTest : public testing::Test {
 protected:
  struct Made {
    SessionId id;
    std::string bytes;
  };
  void SetUp() override {
    char name[] = "/tmp/skep-writers-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    folder_ = name;
  }
  void TearDown() override {
    for (unsigned writer = 0; writer < 8; ++writer) {
      for (const char* ending : {"", kUnreadableEnding}) EXPECT_TRUE(remove_ring(ring_path(folder_, writer) + ending));
    }
    std::filesystem::remove_all(folder_);
  }
  static ArchiveOptions with(unsigned writers) {
    ArchiveOptions options;
    options.segment_bytes = 256 << 10;
    options.ring_bytes = kRingBytesMin;
    options.compress_after_s = 86'400;
    options.keeper_pass_ms = 5;
    options.writers = writers;
    return options;
  }
  std::unique_ptr<Archive> open(const ArchiveOptions& options) const {
    auto opened = Archive::open(folder_, options);
    EXPECT_TRUE(opened) << opened.error().message;
    return opened ? std::move(*opened) : nullptr;
  }
  static SessionId begin(Writer& writer, int64_t at = now_realtime_ns()) {
    return writer.opened(at, {"web", *parse_endpoint("192.0.2.1:4321"), *parse_endpoint("192.0.2.2:80")});
  }
  static void end(Writer& writer, SessionId id, int64_t at = now_realtime_ns()) {
    formats::ClosedEvent event;
    event.reason = EndReason::client_closed;
    EXPECT_TRUE(writer.closed(id, at, event));
  }
  static std::string piece(SessionId id, int number) {
    return fmt::format("{} {} {}\n", to_string(id), number, std::string(static_cast<size_t>(number * 37 % 900), 'x'));
  }
  // Sessions of which a few are open at a time, their records interleaved.
  static std::vector<Made> record(Writer& writer, size_t sessions, int pieces, int64_t at = 0) {
    constexpr size_t kAtOnce = 3;
    std::vector<Made> all;
    const auto now = [&] { return at == 0 ? now_realtime_ns() : at++; };
    for (size_t done = 0; done < sessions; done += kAtOnce) {
      const size_t first = all.size();
      for (size_t i = 0; i < kAtOnce; ++i) all.push_back({begin(writer, now()), ""});
      for (int number = 0; number < pieces; ++number) {
        for (size_t i = first; i < all.size(); ++i) {
          const std::string bytes = piece(all[i].id, number);
          EXPECT_TRUE(writer.data(all[i].id, now(), Direction::to_bait, as_bytes(bytes)));
          all[i].bytes += bytes;
        }
      }
      for (size_t i = first; i < all.size(); ++i) end(writer, all[i].id, now());
      writer.tick();
    }
    return all;
  }
  std::string bytes_of(Reader& reader, SessionId id) const {
    const auto row = reader.find(id);
    EXPECT_TRUE(row && *row) << to_string(id);
    if (!row || !*row) return "";
    std::string bytes;
    const auto read = reader.for_each(**row, {}, [&](const formats::Record& record) {
      if (record.type == formats::RecordType::data) bytes += as_text(record.payload);
    });
    EXPECT_TRUE(read) << read.error().message;
    return bytes;
  }
  void expect_all_there(const std::vector<Made>& made) {
    auto reader = Reader::open(folder_);
    ASSERT_TRUE(reader) << reader.error().message;
    for (const Made& each : made) EXPECT_EQ(bytes_of(*reader, each.id), each.bytes) << to_string(each.id);
  }
  void expect_whole(size_t sessions) {
    const auto report =
        verify_archive(folder_, [](const Finding& finding) { ADD_FAILURE() << finding.where << " " << finding.what; });
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_FALSE(report->live);
    EXPECT_EQ(report->sessions, sessions);
    EXPECT_EQ(report->rows, sessions);
  }
  uint32_t indexed_segment() {
    auto index = Index::open(folder_, false);
    EXPECT_TRUE(index);
    return index->indexed_segment().value_or(0);
  }
  // A proxy of so many writers that is killed while each has three sessions open.
  std::vector<Made> killed(unsigned writers) {
    int to_us[2];
    EXPECT_EQ(::pipe(to_us), 0);
    const pid_t pid = ::fork();
    if (pid == 0) {
      auto archive = open(with(writers));
      for (unsigned number = 0; number < writers; ++number) record(archive->writer(number), 30, 20);
      for (unsigned turn = 0; turn < 3 * writers; ++turn) {
        Writer& writer = archive->writer(turn % writers);
        const SessionId id = begin(writer);
        for (int each = 0; each < 40; ++each)
          writer.data(id, now_realtime_ns(), Direction::to_bait, as_bytes(piece(id, each)));
        [[maybe_unused]] const ssize_t said = ::write(to_us[1], &id.value, sizeof id.value);
      }
      ::raise(SIGKILL);
    }
    std::vector<Made> made;
    for (unsigned turn = 0; turn < 3 * writers; ++turn) {
      Made each;
      EXPECT_EQ(::read(to_us[0], &each.id.value, sizeof each.id.value), ssize_t{sizeof each.id.value});
      for (int number = 0; number < 40; ++number) each.bytes += piece(each.id, number);
      made.push_back(each);
    }
    ::waitpid(pid, nullptr, 0);
    for (const int each : to_us) ::close(each);
    EXPECT_EQ(list_rings(folder_).size(), writers);
    return made;
  }
  // With all writers' ticks, as their threads would give them.
  template <typename Holds>
  static bool await(Archive& archive, Holds holds) {
    for (int i = 0; i < 3000; ++i) {
      for (unsigned number = 0; number < archive.writers(); ++number) archive.writer(number).tick();
      if (holds()) return true;
      ::poll(nullptr, 0, 5);
    }
    return false;
  }
  std::string folder_;
};

TEST_F(WritersTest, WhatSeveralRecordAtOnceIsAllThere) {
  size_t sessions = 0;
  for (const unsigned writers : {2u, 4u}) {
    std::vector<std::vector<Made>> made(writers);
    {
      auto archive = open(with(writers));
      std::vector<std::thread> threads;
      for (unsigned number = 0; number < writers; ++number)
        threads.emplace_back([&, number] { made[number] = record(archive->writer(number), 60, 60); });
      for (std::thread& thread : threads) thread.join();
    }
    for (unsigned number = 0; number < writers; ++number) {
      sessions += made[number].size();
      expect_all_there(made[number]);
      uint64_t last = 0;
      for (const Made& each : made[number]) {
        EXPECT_EQ(writer_number(each.id), number);
        EXPECT_GT(each.id.value, last) << "in the order of time";
        last = each.id.value;
      }
    }
    expect_whole(sessions);
  }
  EXPECT_GT(list_segments(folder_)->size(), 20u) << "their segments lie in turn";
  ASSERT_TRUE(rebuild_index(folder_));
  expect_whole(sessions);
}

TEST_F(WritersTest, AnIdIsNeverGivenTwiceWhateverTheClockDoes) {
  std::set<uint64_t> ids;
  uint64_t greatest = 0;
  for (const unsigned writers : {3u, 64u, 2u}) {
    auto archive = open(with(writers));
    for (int64_t at : {int64_t{2'000'000'000}, int64_t{2'000'000'000}, int64_t{1'000'000'000}}) {
      for (unsigned number = 0; number < writers; ++number) {
        const SessionId id = begin(archive->writer(number), at);
        EXPECT_TRUE(ids.insert(id.value).second) << to_string(id);
        EXPECT_GT(id.value, greatest) << "above those of a former life";
        EXPECT_EQ(writer_number(id), number);
        EXPECT_EQ(archive->writer_of(id), number);
      }
    }
    greatest = *ids.rbegin();
  }
}

TEST_F(WritersTest, WhatAKillLeftIsTakenInByFewerWritersAndByMore) {
  for (const unsigned now : {1u, 2u, 7u}) {
    SetUp();
    const std::vector<Made> made = killed(4);
    {
      auto archive = open(with(now));
      EXPECT_EQ(archive->recovered().size(), made.size());
      EXPECT_EQ(list_rings(folder_).size(), now);
      for (const Made& each : made) {
        Alert alert;
        alert.confidence = Confidence::exact;
        Writer& writer = archive->writer(archive->writer_of(each.id));
        EXPECT_TRUE(writer.alert(each.id, now_realtime_ns(), alert)) << "it is known to its writer";
        EXPECT_EQ(writer.class_of(each.id), SessionClass::attack);
      }
    }
    expect_all_there(made);
    auto reader = Reader::open(folder_);
    EXPECT_EQ((*reader->find(made[0].id))->end_reason, EndReason::crash_recovered);
    EXPECT_TRUE(list_rings(folder_).empty());
    expect_whole(made.size() + 4 * 30);
    ASSERT_TRUE(rebuild_index(folder_));
    expect_whole(made.size() + 4 * 30);
    TearDown();
  }
}

TEST_F(WritersTest, ADamagedRingHindersNoOther) {
  const std::vector<Made> made = killed(4);
  ASSERT_TRUE(write_file(std::filesystem::read_symlink(ring_path(folder_, 2)), std::string(8192, 'x')));
  ASSERT_TRUE(remove_ring(ring_path(folder_, 3)));
  ASSERT_EQ(::symlink("/dev/shm/skep-not-there.ring", ring_path(folder_, 3).c_str()), 0) << "as after a loss of power";
  { open(with(2)); }
  EXPECT_TRUE(std::filesystem::exists(ring_path(folder_, 2) + kUnreadableEnding));
  EXPECT_TRUE(list_rings(folder_).empty());
  std::vector<Made> whole;
  for (const Made& each : made) {
    if (writer_number(each.id) < 2) whole.push_back(each);
  }
  EXPECT_EQ(whole.size(), 6u);
  expect_all_there(whole);
  const auto report =
      verify_archive(folder_, [](const Finding& finding) { ADD_FAILURE() << finding.where << " " << finding.what; });
  ASSERT_TRUE(report);
  EXPECT_EQ(report->problems, 0u);
}

TEST_F(WritersTest, TornTailsOfSeveralSegmentsAreAllCut) {
  std::vector<Made> made;
  {
    auto archive = open(with(3));
    for (unsigned number = 0; number < 3; ++number) {
      for (Made& each : record(archive->writer(number), 3, 5)) made.push_back(std::move(each));
    }
  }
  const std::vector<uint32_t> numbers = *list_segments(folder_);
  ASSERT_EQ(numbers.size(), 3u);
  for (const uint32_t number : numbers) {
    const Fd file(::open(segment_path(folder_, number).c_str(), O_WRONLY | O_APPEND));
    ASSERT_EQ(::write(file.get(), "SKPRgarbage", 11), 11);
  }
  { open(with(1)); }
  expect_all_there(made);
  expect_whole(made.size());
}

TEST_F(WritersTest, ASegmentThatHadOnlyItsNameGetsItsHeader) {
  { open(with(2)); }
  ASSERT_TRUE(write_file(segment_path(folder_, 2), ""));
  { open(with(2)); }
  expect_whole(0);
}

TEST_F(WritersTest, AnIdleWriterHoldsNothingUp) {
  auto options = with(3);
  options.compress_after_s = 0;
  auto archive = open(options);
  const int64_t at = now_realtime_ns() - kHourNs;
  std::vector<Made> made = record(archive->writer(1), 3, 5, at);  // and the third says nothing at all
  while (archive->writer(0).health().segments < 20) {
    for (Made& each : record(archive->writer(0), 3, 60, at)) made.push_back(std::move(each));
    for (unsigned number = 0; number < 3; ++number) archive->writer(number).tick();
  }
  const uint32_t newest = list_segments(folder_)->back();
  EXPECT_TRUE(await(*archive, [&] { return indexed_segment() == newest; })) << indexed_segment();
  EXPECT_TRUE(await(*archive, [&] { return archive_stats(folder_)->sealed == newest - 1; })) << "all are compressed";
  // The idle one goes on in a new segment.
  for (Made& each : record(archive->writer(1), 3, 5, at)) made.push_back(std::move(each));
  archive.reset();
  expect_all_there(made);
  expect_whole(made.size());
}

TEST_F(WritersTest, RetentionWaitsForNoIdleWriter) {
  std::atomic<uint64_t> free{uint64_t{1} << 40};
  auto options = with(2);
  options.room = [&] { return DiskRoom{free, uint64_t{1} << 40}; };
  auto archive = open(options);
  const int64_t at = now_realtime_ns() - kHourNs;
  const Made oldest = record(archive->writer(1), 3, 5, at).front();
  while (archive->writer(0).health().segments < 20) {
    record(archive->writer(0), 3, 60, at);
    archive->writer(1).tick();
  }
  const uint32_t newest = list_segments(folder_)->back();
  free = 3 << 19;  // low are 2 MiB
  ASSERT_TRUE(await(*archive, [&] { return dropped_up_to(folder_) == newest - 1; })) << dropped_up_to(folder_);
  // Its row may stay, where the disk has become tighter meanwhile; its bytes do not.
  const auto gone = [&] {
    auto reader = Reader::open(folder_);
    const auto row = reader->find(oldest.id);
    if (!row || !*row) return row.has_value();
    size_t records = 0;
    const auto read = reader->for_each(**row, {}, [&](const auto&) { ++records; });
    return read.has_value() && records == 0;
  };
  EXPECT_TRUE(await(*archive, gone)) << "it was harmless";
  free = uint64_t{1} << 40;
}

// However the busy one hurries, the slow ones do not take a segment each for every record.
TEST_F(WritersTest, SlowWritersTakeFewSegments) {
  constexpr unsigned kWriters = 8;
  auto archive = open(with(kWriters));
  std::vector<SessionId> slow;
  for (unsigned number = 1; number < kWriters; ++number) slow.push_back(begin(archive->writer(number)));
  while (archive->writer(0).health().segments < 60) {
    record(archive->writer(0), 3, 20);
    for (unsigned number = 1; number < kWriters; ++number) {
      archive->writer(number).data(slow[number - 1], now_realtime_ns(), Direction::to_bait, as_bytes("a little"));
      archive->writer(number).tick();
    }
  }
  uint64_t begun = 0;
  for (unsigned number = 1; number < kWriters; ++number) begun += archive->writer(number).health().segments;
  EXPECT_GE(begun, 2 * (kWriters - 1)) << "they do leave their old ones";
  EXPECT_LE(begun, archive->writer(0).health().segments + kWriters);
}

}  // namespace
}  // namespace skep::archive
