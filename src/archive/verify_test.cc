#include "archive/verify.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "archive/evidence_store.h"
#include "archive/index.h"
#include "archive/one_writer.h"
#include "archive/sealing.h"
#include "archive/segments.h"
#include "archive/stats.h"
#include "base/clock.h"
#include "base/file.h"

namespace skep::archive {
namespace {

class VerifyTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/skep-verify-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    folder_ = name;
    ArchiveOptions options;
    options.segment_bytes = 1 << 20;
    auto w = OneWriter::open(folder_, options);
    ASSERT_TRUE(w);
    const std::string block(20'000, 'x');
    for (int i = 0; i < 80; ++i) {
      id_ = (*w)->opened(now_realtime_ns(), {"web", *parse_endpoint("192.0.2.1:1"), *parse_endpoint("192.0.2.2:80")});
      (*w)->data(id_, now_realtime_ns(), Direction::to_bait, as_bytes(block));
      (*w)->data(id_, now_realtime_ns(), Direction::to_client, as_bytes(block));
      formats::ClosedEvent event;
      event.reason = EndReason::client_closed;
      (*w)->closed(id_, now_realtime_ns(), event);
    }
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  // What is found, a line each.
  std::string findings() {
    std::string lines;
    report_ = verify_archive(folder_, [&](const Finding& each) {
      lines += fmt::format("{}{}: {}\n", each.foreign ? "foreign " : "", each.where, each.what);
    });
    EXPECT_TRUE(report_);
    return lines;
  }
  void flip(const std::string& path, off_t at) {
    const Fd file(::open(path.c_str(), O_RDWR));
    char byte = 0;
    ASSERT_EQ(::pread(file.get(), &byte, 1, at), 1);
    byte = static_cast<char>(byte ^ 0x20);
    ASSERT_EQ(::pwrite(file.get(), &byte, 1, at), 1);
  }
  std::string folder_;
  SessionId id_;
  Result<VerifyReport> report_;
};

TEST_F(VerifyTest, AWholeArchiveIsWholePlainAndCompressed) {
  EXPECT_EQ(findings(), "");
  EXPECT_EQ(report_->sessions, 80u);
  EXPECT_EQ(report_->rows, 80u);
  EXPECT_EQ(report_->records, 320u);
  EXPECT_FALSE(report_->live);
  const auto numbers = list_segments(folder_);
  ASSERT_TRUE(numbers);
  for (const uint32_t number : *numbers)
    ASSERT_EQ(*seal_segment({folder_, number, {}, formats::Kept::all, nullptr, {}}), Sealed::done);
  EXPECT_EQ(findings(), "");
  EXPECT_EQ(report_->sealed, report_->segments);
  EXPECT_EQ(report_->records, 320u);
  EXPECT_EQ(archive_stats(folder_)->sessions[1], 80u);
}

TEST_F(VerifyTest, ADamagedRecordIsNamedWithItsPlace) {
  flip(segment_path(folder_, 2), 50'000);
  const std::string lines = findings();
  EXPECT_NE(lines.find("segment 2: is damaged at offset "), std::string::npos) << lines;
  EXPECT_GT(report_->problems, 0u);
}

TEST_F(VerifyTest, ADamagedCompressedSegmentIsNamed) {
  ASSERT_EQ(*seal_segment({folder_, 1, {}, formats::Kept::all, nullptr, {}}), Sealed::done);
  flip(sealed_path(folder_, 1), 20);
  EXPECT_NE(findings().find("segment 1: "), std::string::npos);
}

TEST_F(VerifyTest, AMissingSegmentIsNamedAndSoAreItsSessions) {
  ASSERT_EQ(::unlink(segment_path(folder_, 2).c_str()), 0);
  const std::string lines = findings();
  EXPECT_NE(lines.find("segment 2: is missing"), std::string::npos) << lines;
  EXPECT_NE(lines.find("is in the index; no segment has a record of it"), std::string::npos);
}

TEST_F(VerifyTest, ASessionThatTheIndexDoesNotKnowIsNamed) {
  auto index = Index::open(folder_, true);
  auto day = index->day(day_of(id_));
  ASSERT_TRUE(run_sql((*day)->database(), fmt::format("DELETE FROM sessions WHERE id = {}", id_.value)));
  EXPECT_EQ(findings().find(to_string(id_) + ": its last record is at segment "), 0u);
}

TEST_F(VerifyTest, ARowThatLeadsElsewhereIsNamed) {
  auto index = Index::open(folder_, true);
  auto day = index->day(day_of(id_));
  ASSERT_TRUE(
      run_sql((*day)->database(), fmt::format("UPDATE sessions SET last_offset = 32 WHERE id = {}", id_.value)));
  EXPECT_EQ(findings().find(to_string(id_) + ": its last record is at segment "), 0u);
}

TEST_F(VerifyTest, ForeignFilesAreNamedAndNoProblem) {
  for (const char* path : {"/mine", "/segments/notes.txt", "/segments/7.seg", "/index/copy.sqlite"})
    ASSERT_TRUE(write_file(folder_ + path, "mine"));
  const std::string lines = findings();
  for (const char* name :
       {"foreign mine:", "foreign segments/notes.txt:", "foreign segments/7.seg:", "foreign index/copy.sqlite:"})
    EXPECT_NE(lines.find(name), std::string::npos) << lines;
  EXPECT_EQ(report_->problems, 0u);
  EXPECT_EQ(report_->foreign, 4u);
}

TEST_F(VerifyTest, ACopyThatIsNotWhatItsNameSaysIsNamed) {
  const std::string name(64, 'a');
  ASSERT_TRUE(write_file(evidence_path(folder_, name), "something else"));
  EXPECT_NE(findings().find("evidence/aa/" + name + ": is not what its name says"), std::string::npos);
}

TEST_F(VerifyTest, AnArchiveThatIsWrittenIsReadBesideIt) {
  auto w = OneWriter::open(folder_, {});
  ASSERT_TRUE(w);
  (*w)->opened(now_realtime_ns(), {"web", *parse_endpoint("192.0.2.1:1"), *parse_endpoint("192.0.2.2:80")});
  EXPECT_EQ(findings(), "");
  EXPECT_TRUE(report_->live);
}

TEST_F(VerifyTest, WithoutAnArchiveThereIsAnError) {
  EXPECT_FALSE(verify_archive(folder_ + "/nowhere", [](const Finding&) {}));
}

}  // namespace
}  // namespace skep::archive
