#include "archive/sealing.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "archive/segments.h"
#include "base/file.h"

namespace skep::archive {
namespace {

class SealingTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/skep-sealing-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    folder_ = name;
    ASSERT_TRUE(make_directories(folder_ + "/segments"));
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  static SessionId session(size_t number) { return {make_session_id(1'000'000'000, 0).value + number}; }

  // So many sessions, their records in turn; places of all of them in order.
  void make_segment(size_t records, size_t sessions, size_t payload_bytes) {
    Bytes segment = formats::encode_segment_header(1, 42);
    for (size_t i = 0; i < records; ++i) {
      formats::Record record;
      record.session = session(i % sessions);
      record.type = formats::RecordType::data;
      record.stream_offset = i;
      const std::string payload(payload_bytes, static_cast<char>('a' + i % 26));
      record.payload = as_bytes(payload);
      places_.push_back({1, segment.size()});
      formats::encode_record(record, segment);
    }
    ASSERT_TRUE(write_file(segment_path(folder_, 1), as_text(segment)));
    segment_bytes_ = segment.size();
  }
  std::vector<std::pair<uint64_t, uint64_t>> scanned() {
    std::vector<std::pair<uint64_t, uint64_t>> found;
    SegmentReader reader(folder_);
    const auto end = reader.scan(
        1, [&](const auto& record, const auto& place) { found.emplace_back(record.session.value, place.offset); });
    EXPECT_TRUE(end) << (end ? "" : end.error().message);
    EXPECT_EQ(end->problem, formats::RecordProblem::none);
    return found;
  }
  static bool there(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }
  SealJob job() { return {folder_, 1, {}, formats::Kept::all, nullptr, {}}; }

  std::string folder_;
  std::vector<formats::RecordPlace> places_;
  uint64_t segment_bytes_ = 0;
};

TEST_F(SealingTest, ASealedSegmentReadsAsBeforeAtEveryPlace) {
  make_segment(3000, 7, 900);
  const auto before = scanned();
  ASSERT_EQ(*seal_segment(job()), Sealed::done);
  EXPECT_FALSE(there(segment_path(folder_, 1)));
  struct stat about {};
  ASSERT_EQ(::stat(sealed_path(folder_, 1).c_str(), &about), 0);
  EXPECT_LT(static_cast<uint64_t>(about.st_size), segment_bytes_ / 4);
  EXPECT_EQ(scanned(), before);
  SegmentReader reader(folder_);
  for (size_t i = places_.size(); i-- > 0;) {
    const auto loaded = reader.read(places_[i]);
    ASSERT_TRUE(loaded) << loaded.error().message;
    EXPECT_EQ(loaded->decoded.record.stream_offset, i);
  }
}

TEST_F(SealingTest, WhenItWasLastWrittenIsKept) {
  make_segment(30, 3, 900);
  const timespec times[2] = {{0, UTIME_OMIT}, {1'700'000'000, 123}};
  ASSERT_EQ(::utimensat(AT_FDCWD, segment_path(folder_, 1).c_str(), times, 0), 0);
  ASSERT_EQ(*seal_segment(job()), Sealed::done);
  ASSERT_EQ(*seal_segment(job()), Sealed::done) << "once more, of the sealed one";
  EXPECT_EQ(written_ns(sealed_path(folder_, 1)), 1'700'000'000'000'000'123);
}

TEST_F(SealingTest, ItIsWhatZstdMakesOfTheSegment) {
  make_segment(600, 3, 900);
  const std::string before = *read_file(segment_path(folder_, 1));
  ASSERT_EQ(*seal_segment(job()), Sealed::done);
  // The package's own program, where it is installed.
  if (std::system("command -v zstd >/dev/null") != 0) GTEST_SKIP() << "no zstd(1) here";
  ASSERT_EQ(std::system(("zstd -qdc " + sealed_path(folder_, 1) + " > " + folder_ + "/back").c_str()), 0);
  EXPECT_TRUE(*read_file(folder_ + "/back") == before);
}

TEST_F(SealingTest, WhatIsKeptStaysAtItsPlaceAndTheRestIsGone) {
  make_segment(3000, 5, 700);
  auto shorten = job();
  shorten.keep = [](SessionId id) { return id == session(2); };
  shorten.kept = formats::Kept::tagged;
  ASSERT_EQ(*seal_segment(shorten), Sealed::done);
  const auto found = scanned();
  ASSERT_EQ(found.size(), 600u);
  for (size_t i = 0; i < found.size(); ++i) EXPECT_EQ(found[i].second, places_[i * 5 + 2].offset);
  SegmentReader reader(folder_);
  for (size_t i = 0; i < places_.size(); ++i) {
    const auto loaded = reader.read(places_[i]);
    ASSERT_TRUE(loaded) << loaded.error().message;
    EXPECT_EQ(loaded->gone, i % 5 != 2) << i;
  }
  // Once more, from the sealed one, with another choice; and nothing.
  shorten.keep = [](SessionId id) { return id == session(1); };
  EXPECT_EQ(*seal_segment(shorten), Sealed::nothing_kept);
  EXPECT_FALSE(there(sealed_path(folder_, 1)));
}

TEST_F(SealingTest, LongGapsTakeNoRoom) {
  make_segment(4000, 4000, 900);
  auto shorten = job();
  shorten.keep = [](SessionId id) { return id == session(10) || id == session(3990); };
  ASSERT_EQ(*seal_segment(shorten), Sealed::done);
  const auto found = scanned();
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[1].second, places_[3990].offset);
}

TEST_F(SealingTest, ADamagedSegmentIsLeftAsItIs) {
  make_segment(100, 2, 50);
  std::string damaged = *read_file(segment_path(folder_, 1));
  damaged[places_[40].offset + 60] ^= 1;
  ASSERT_TRUE(write_file(segment_path(folder_, 1), damaged));
  EXPECT_EQ(*seal_segment(job()), Sealed::damaged);
  EXPECT_EQ(*read_file(segment_path(folder_, 1)), damaged);
  EXPECT_FALSE(there(sealed_path(folder_, 1)));
  EXPECT_FALSE(there(sealed_path(folder_, 1) + kPartEnding));
}

TEST_F(SealingTest, ToldToStopItLeavesTheSegment) {
  make_segment(3000, 2, 900);
  std::atomic<bool> stop{false};
  auto stopping = job();
  stopping.stop = &stop;
  stopping.after_a_frame = [&](uint64_t) { stop = true; };
  EXPECT_EQ(*seal_segment(stopping), Sealed::stopped);
  EXPECT_TRUE(there(segment_path(folder_, 1)));
  EXPECT_FALSE(there(sealed_path(folder_, 1) + kPartEnding));
}

// What a crash can leave: half of the new file beside the old one, or both
// whole.
TEST_F(SealingTest, AfterACrashAtAnyMomentTheSegmentIsThereOnce) {
  make_segment(2000, 2, 900);
  const auto before = scanned();
  const std::string plain = *read_file(segment_path(folder_, 1));
  ASSERT_EQ(*seal_segment(job()), Sealed::done);
  const std::string sealed = *read_file(sealed_path(folder_, 1));
  ASSERT_TRUE(write_file(segment_path(folder_, 1), plain));
  EXPECT_EQ(scanned(), before) << "both are there";
  ASSERT_TRUE(remove_half_sealed(folder_));
  EXPECT_FALSE(there(segment_path(folder_, 1)));
  EXPECT_EQ(scanned(), before);
  ASSERT_TRUE(write_file(segment_path(folder_, 1), plain));
  ASSERT_EQ(::unlink(sealed_path(folder_, 1).c_str()), 0);
  for (const size_t length : {size_t{0}, size_t{1}, sealed.size() / 2, sealed.size() - 1, sealed.size()}) {
    ASSERT_TRUE(write_file(sealed_path(folder_, 1) + kPartEnding, sealed.substr(0, length)));
    ASSERT_TRUE(remove_half_sealed(folder_));
    EXPECT_FALSE(there(sealed_path(folder_, 1) + kPartEnding)) << length;
    EXPECT_EQ(scanned(), before) << length;
  }
}

TEST_F(SealingTest, ADamagedFrameIsAnErrorAndItsNeighboursAreRead) {
  make_segment(3000, 1, 900);
  ASSERT_EQ(*seal_segment(job()), Sealed::done);
  std::string sealed = *read_file(sealed_path(folder_, 1));
  for (size_t at = 2000; at < 2064; ++at) sealed[at] ^= 0x55;
  ASSERT_TRUE(write_file(sealed_path(folder_, 1), sealed));
  SegmentReader reader(folder_);
  size_t unread = 0;
  for (const formats::RecordPlace& place : places_) unread += reader.read(place) ? 0 : 1;
  EXPECT_GT(unread, 0u);
  EXPECT_LT(unread, places_.size());
  const auto end = reader.scan(1, [](const auto&, const auto&) {});
  EXPECT_TRUE(!end || end->problem == formats::RecordProblem::damaged);
}

}  // namespace
}  // namespace skep::archive
