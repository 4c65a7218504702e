#include "archive/reader.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "archive/one_writer.h"

namespace skep::archive {
namespace {

// One session with more records than places are kept of it, so that the stretches between them are gone back twice.
class ReaderTest : public testing::Test {
 protected:
  static constexpr int kRecords = 20'000;
  void SetUp() override {
    char name[] = "/tmp/skep-reader-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    folder_ = name;
    auto writer = OneWriter::open(folder_, {1 << 20});
    ASSERT_TRUE(writer) << writer.error().message;
    const SessionId id = (*writer)->opened(1, {"web", {}, {}});
    const SessionId other = (*writer)->opened(1, {"web", {}, {}});
    for (int i = 0; i < kRecords; ++i) {
      (*writer)->data(id, 2 + i, Direction::to_bait, as_bytes("x"));
      if (i % 7 == 0) (*writer)->data(other, 2 + i, Direction::to_bait, as_bytes("y"));
    }
    (*writer)->closed(id, kRecords + 2, {});
    writer->reset();
    auto reader = Reader::open(folder_);
    ASSERT_TRUE(reader);
    reader_.emplace(std::move(*reader));
    session_ = **reader_->find(id);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string folder_;
  std::optional<Reader> reader_;
  SessionSummary session_;
};

TEST_F(ReaderTest, HandsOutEachRecordOnceAndInOrder) {
  int64_t next = 1;
  const auto read = reader_->for_each(session_, {}, [&](const formats::Record& record) {
    EXPECT_EQ(record.time_ns, next);
    next = record.time_ns + 1;
  });
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(next, kRecords + 3);
  EXPECT_EQ(reader_->last_time(session_).value_or(0), kRecords + 2);
}

TEST_F(ReaderTest, GoesOnBehindAPlaceThatWasRead) {
  // The place of a record in the middle: what links to it says.
  formats::RecordPlace middle;
  ASSERT_TRUE(reader_->for_each(session_, {}, [&](const formats::Record& record) {
    if (record.time_ns == 9'001) middle = record.previous;
  }));
  std::vector<int64_t> times;
  ASSERT_TRUE(
      reader_->for_each(session_, middle, [&](const formats::Record& record) { times.push_back(record.time_ns); }));
  ASSERT_EQ(times.size(), static_cast<size_t>(kRecords + 2 - 9'000));
  EXPECT_EQ(times.front(), 9'001);
}

TEST_F(ReaderTest, EndsWhereNoMoreAreWanted) {
  int taken = 0;
  ASSERT_TRUE(reader_->for_each_while(session_, {}, [&](const formats::Record&) { return ++taken < 5'000; }));
  EXPECT_EQ(taken, 5'000);
}

}  // namespace
}  // namespace skep::archive
