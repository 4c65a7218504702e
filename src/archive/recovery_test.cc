// What may be left of the log, tried at every place where it can end or be spoilt.
#include "archive/recovery.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "archive/one_writer.h"
#include "archive/segments.h"
#include "base/clock.h"
#include "base/file.h"

namespace skep::archive {
namespace {

class RecoveryTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/skep-recovery-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    folder_ = name;
    ASSERT_TRUE(make_directories(folder_ + "/segments"));
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  // A segment of so many data records, and where each of them ends.
  void make_segment(size_t records) {
    segment_ = formats::encode_segment_header(1, 0);
    ends_ = {segment_.size()};
    for (size_t i = 0; i < records; ++i) {
      formats::Record record;
      record.session = {make_session_id(1'000'000'000, 1)};
      record.type = formats::RecordType::data;
      record.stream_offset = i;
      const std::string payload(5 + i * 7 % 40, static_cast<char>('a' + i));
      record.payload = as_bytes(payload);
      formats::encode_record(record, segment_);
      ends_.push_back(segment_.size());
    }
  }
  uint64_t last_end_within(size_t bytes) const {
    uint64_t last = ends_.front();
    for (const uint64_t end : ends_) last = end <= bytes ? end : last;
    return last;
  }
  // Lays the file there, recovers, and says how long it is then.
  uint64_t length_after(const Bytes& file) {
    EXPECT_TRUE(write_file(segment_path(folder_, 1), as_text(file)));
    auto index = Index::open(folder_, true);
    EXPECT_TRUE(index);
    EXPECT_TRUE(recover_log(folder_, *index));
    struct stat about {};
    EXPECT_EQ(::stat(segment_path(folder_, 1).c_str(), &about), 0);
    return static_cast<uint64_t>(about.st_size);
  }
  std::string folder_;
  Bytes segment_;
  std::vector<uint64_t> ends_;
};

TEST_F(RecoveryTest, ATailThatIsTornAtAnyByteIsCutBehindTheLastWholeRecord) {
  make_segment(6);
  for (size_t length = ends_.front(); length <= segment_.size(); ++length) {
    Bytes torn(segment_.begin(), segment_.begin() + static_cast<ptrdiff_t>(length));
    ASSERT_EQ(length_after(torn), last_end_within(length)) << "the file ends at " << length;
    torn.resize(8192);
    ASSERT_EQ(length_after(torn), last_end_within(length))
        << "zeroes from " << length << " on, a block that was not written";
    torn.resize(length);
    torn.resize(length + 300, 0xa5);
    ASSERT_EQ(length_after(torn), last_end_within(length)) << "other bytes from " << length << " on";
  }
}

TEST_F(RecoveryTest, DamageWithWholeRecordsBehindItIsLeftAsItIs) {
  make_segment(6);
  for (size_t at = ends_[1]; at < ends_[2]; ++at) {
    Bytes damaged = segment_;
    damaged[at] ^= 0x10;
    ASSERT_EQ(length_after(damaged), segment_.size()) << "byte " << at << " of the second record";
  }
}

TEST_F(RecoveryTest, WhatTheRingHeldIsWhereItBelongsAndTheRingIsGone) {
  SessionId id;
  {
    auto left = OneWriter::open(folder_, {});
    ASSERT_TRUE(left);
    id = (*left)->opened(now_realtime_ns(), {"web", *parse_endpoint("192.0.2.1:1"), *parse_endpoint("192.0.2.2:80")});
    ASSERT_TRUE((*left)->flush());
    // As a kill leaves it: the ring says that nothing is stored, the segment lacks its end.
    const auto ring = read_ring(ring_path(folder_, 0));
    ASSERT_TRUE(ring && *ring);
    Bytes copy = **ring;
    reinterpret_cast<formats::RingHeader*>(copy.data())->stored = 0;
    left->reset();
    ASSERT_TRUE(write_file(folder_ + "/ring", as_text(copy)));
    ASSERT_EQ(::truncate(segment_path(folder_, 1).c_str(), 0), 0);
  }
  ASSERT_TRUE(take_in_rings(folder_));
  auto index = Index::open(folder_, true);
  ASSERT_TRUE(index);
  const auto recovered = recover_log(folder_, *index);
  ASSERT_TRUE(recovered) << recovered.error().message;
  EXPECT_EQ(recovered->rows.count(id.value), 1u);
  EXPECT_NE(::access((folder_ + "/ring").c_str(), F_OK), 0);
}

TEST_F(RecoveryTest, ARingThatMakesNoSenseIsSetAside) {
  ASSERT_TRUE(write_file(folder_ + "/ring", std::string(8192, 'x')));
  EXPECT_TRUE(take_in_rings(folder_));
  EXPECT_EQ(::access((folder_ + "/ring.unreadable").c_str(), F_OK), 0);
}

TEST_F(RecoveryTest, ARingThatWentWithTheMachineIsNoHindrance) {
  ASSERT_EQ(::symlink("/dev/shm/skep-not-there.ring", (folder_ + "/ring").c_str()), 0);
  const auto writer = OneWriter::open(folder_, {});
  EXPECT_TRUE(writer) << writer.error().message;
}

TEST_F(RecoveryTest, WithoutSharedMemoryTheRingLiesInTheArchive) {
  auto ring = Ring::make(ring_path(folder_, 0), 1 << 20, "/proc");
  ASSERT_TRUE(ring) << ring.error().message;
  struct stat about {};
  ASSERT_EQ(::lstat((folder_ + "/ring").c_str(), &about), 0);
  EXPECT_TRUE(S_ISREG(about.st_mode));
  EXPECT_EQ((*ring)->free_bytes(), 1u << 20);
  // Twice in a row: what goes beyond the end is at the start.
  (*ring)->at((1 << 20) - 1)[1] = 'z';
  EXPECT_EQ(*(*ring)->at(0), 'z');
  (*ring)->remove();
}

}  // namespace
}  // namespace skep::archive
