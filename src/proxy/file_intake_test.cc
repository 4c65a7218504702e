#include "proxy/file_intake.h"

#include <gtest/gtest.h>

#include "archive/one_writer.h"
#include "archive/reader.h"
#include "base/clock.h"
#include "base/file.h"
#include "formats/event_codec.h"

namespace skep::proxy {
namespace {

using formats::FileState;

class FileIntakeTest : public testing::Test {
 protected:
  void SetUp() override {
    auto opened = archive::OneWriter::scratch();
    ASSERT_TRUE(opened);
    writer_ = std::move(*opened);
    intake_.emplace(
        writer_.archive().evidence(),
        [this](SessionId session, const formats::FileEvent& event) {
          writer_->file(session, now_realtime_ns(), event);
        },
        [this](wire::Frame frame) { said_.push_back(std::move(frame)); });
    intake_->monitor_came(0);
    formats::OpenedEvent event{"web", *parse_endpoint("192.0.2.1:1"), *parse_endpoint("192.0.2.2:80")};
    session_ = writer_->opened(now_realtime_ns(), event);
    Alert alert;
    alert.id = 7;
    alert.pid = 42;
    intake_->alert_delivered(alert, session_);
  }
  static std::string sha256_of(std::string_view bytes) {
    Sha256 sha;
    sha.add(as_bytes(bytes));
    return std::string(as_text(sha.finish()));
  }
  static wire::FileFound found(const std::string& bytes, uint64_t inode = 1, uint64_t alert = 7) {
    wire::FileFound file;
    file.set_alert(alert);
    file.set_pid(42);
    file.set_inode(inode);
    file.set_bytes(bytes.size());
    file.set_copied(bytes.size());
    file.set_sha256(sha256_of(bytes));
    file.set_offered(true);
    return file;
  }
  void piece(const std::string& of, uint64_t offset, const std::string& content) {
    wire::FileChunk chunk;
    chunk.set_sha256(sha256_of(of));
    chunk.set_offset(offset);
    chunk.set_content(content);
    intake_->piece(chunk, now_ns_);
  }
  // The offset that was asked for last; -1: nothing was.
  int64_t asked() const {
    return said_.empty() || !said_.back().has_file_wanted() ? -1
                                                            : static_cast<int64_t>(said_.back().file_wanted().offset());
  }
  std::vector<formats::FileEvent> recorded() {
    std::vector<formats::FileEvent> events;
    EXPECT_TRUE(writer_->flush());
    archive::SegmentReader reader(writer_.scratch_folder());
    const auto end = reader.scan(1, [&](const formats::Record& record, const auto&) {
      if (record.type == formats::RecordType::file)
        events.push_back(*formats::decode<formats::FileEvent>(record.payload));
    });
    EXPECT_TRUE(end);
    return events;
  }
  std::string kept(const std::string& bytes) {
    return read_file(archive::evidence_path(writer_.scratch_folder(), hex(as_bytes(sha256_of(bytes)))))
        .value_or("(not there)");
  }

  archive::OneWriter writer_;
  std::vector<wire::Frame> said_;
  std::optional<FileIntake> intake_;
  SessionId session_;
  int64_t now_ns_ = 0;
};

TEST_F(FileIntakeTest, FetchesACopyPieceByPiece) {
  intake_->found(found("abcdef"), 0);
  intake_->step(0);
  EXPECT_EQ(asked(), 0);
  piece("abcdef", 0, "abcd");
  EXPECT_EQ(asked(), 4);
  piece("abcdef", 4, "ef");
  EXPECT_TRUE(said_.back().has_file_taken());
  EXPECT_EQ(kept("abcdef"), "abcdef");
  ASSERT_EQ(recorded().size(), 2u);
  EXPECT_EQ(recorded()[0].state, FileState::coming);
  EXPECT_EQ(recorded()[1].state, FileState::stored);
}

TEST_F(FileIntakeTest, WhatIsThereIsNotFetchedAgain) {
  intake_->found(found("abc", 1), 0);
  intake_->step(0);
  piece("abc", 0, "abc");
  said_.clear();
  intake_->found(found("abc", 2), 0);
  intake_->step(0);
  EXPECT_TRUE(said_.empty());
  EXPECT_EQ(recorded().back().inode, 2u);
  EXPECT_EQ(recorded().back().state, FileState::stored);
}

TEST_F(FileIntakeTest, AConnectionThatEndsDoesNotEndACopy) {
  intake_->found(found("abcdef"), 0);
  intake_->step(0);
  piece("abcdef", 0, "abc");
  intake_->monitor_gone(0);
  piece("abcdef", 3, "def");
  EXPECT_EQ(intake_->refused(), 1u) << "nobody asked for it any more";
  intake_->monitor_came(0);
  intake_->found(found("abcdef"), 0);  // told again
  intake_->step(0);
  EXPECT_EQ(asked(), 3);
  piece("abcdef", 3, "def");
  EXPECT_EQ(kept("abcdef"), "abcdef");
  EXPECT_EQ(recorded().size(), 2u);
}

TEST_F(FileIntakeTest, WhatDoesNotComeIsCutAndSaid) {
  const struct {
    const char* description;
    bool gone;
    int64_t after_ns;
  } rows[] = {{"a monitor that is there and gives nothing", false, FileIntake::kPieceNs},
              {"a monitor that stays away", true, FileIntake::kAwayNs}};
  uint64_t inode = 10;
  for (const auto& row : rows) {
    const std::string bytes = row.description;
    intake_->monitor_came(0);
    intake_->found(found(bytes, ++inode), 0);
    intake_->step(0);
    if (row.gone) intake_->monitor_gone(0);
    intake_->step(row.after_ns - 1);
    EXPECT_EQ(recorded().back().state, FileState::coming) << row.description;
    intake_->step(row.after_ns);
    EXPECT_EQ(recorded().back().state, FileState::not_stored) << row.description;
    EXPECT_TRUE(recorded().back().why.starts_with("cut: ")) << row.description;
    EXPECT_EQ(kept(bytes), "(not there)");
  }
}

TEST_F(FileIntakeTest, WordsThatDoNotFitAreNotKept) {
  intake_->found(found("abc", 1), 0);
  intake_->step(0);
  piece("abc", 0, "abd");
  EXPECT_EQ(recorded().back().why, "what came is not what its sha256 says");
  intake_->found(found("xyz", 2), 0);
  intake_->step(0);
  piece("xyz", 0, "xyz and more");
  EXPECT_EQ(recorded().back().why, "the monitor gave other bytes than it had said");
  intake_->found(found("uvw", 3), 0);
  intake_->step(0);
  piece("uvw", 0, "");
  EXPECT_EQ(recorded().back().state, FileState::not_stored) << "no progress";
  for (const char* bytes : {"abc", "xyz", "uvw"}) EXPECT_EQ(kept(bytes), "(not there)");
  piece("abc", 0, "abc");
  EXPECT_EQ(intake_->refused(), 1u) << "never asked for";
}

TEST_F(FileIntakeTest, AFileOfNoAlertOfOursIsRefused) {
  intake_->found(found("abc", 1, 8), 0);
  intake_->step(FileIntake::kStrangerNs);
  EXPECT_EQ(intake_->refused(), 0u) << "its alert may still find its session";
  intake_->step(FileIntake::kStrangerNs + 1);
  EXPECT_EQ(intake_->refused(), 1u);
  EXPECT_TRUE(recorded().empty());
  EXPECT_TRUE(said_.empty());
}

TEST_F(FileIntakeTest, WhatASessionWroteIsToldToThatSessionAlone) {
  const auto other = [&](AlertRole role, uint64_t id) {
    formats::OpenedEvent event{"web", *parse_endpoint("192.0.2.1:2"), *parse_endpoint("192.0.2.2:80")};
    const SessionId session = writer_->opened(now_realtime_ns(), event);
    Alert alert;
    alert.id = id;
    alert.pid = 42;
    alert.role = role;
    intake_->alert_delivered(alert, session);
    return session;
  };
  other(AlertRole::starter, 9);
  other(AlertRole::writer, 9);
  const struct {
    wire::FileFound::Role role;
    size_t told;
  } rows[] = {{wire::FileFound::PROGRAM, 2},
              {wire::FileFound::INTERPRETER, 2},
              {wire::FileFound::WRITTEN, 1},
              {wire::FileFound::WRITTEN_BY_WRITER, 1}};
  size_t before = 0;
  for (const auto& row : rows) {
    wire::FileFound file;  // the same file in every role
    file.set_alert(9);
    file.set_pid(42);
    file.set_inode(1);
    file.set_role(row.role);
    intake_->found(file, 0);
    EXPECT_EQ(recorded().size() - before, row.told) << wire::FileFound::Role_Name(row.role);
    before = recorded().size();
  }
  EXPECT_EQ(recorded()[0].role, formats::FileRole::program);
  EXPECT_EQ(recorded()[2].role, formats::FileRole::interpreter);
  EXPECT_EQ(recorded()[4].role, formats::FileRole::written);
  EXPECT_EQ(recorded()[5].role, formats::FileRole::written);
}

TEST_F(FileIntakeTest, HowManyMoreWereWrittenIsRecorded) {
  wire::FileFound note;
  note.set_alert(7);
  note.set_pid(42);
  note.set_role(wire::FileFound::WRITTEN);
  note.set_left_out(5);
  intake_->found(note, 0);
  ASSERT_EQ(recorded().size(), 1u);
  EXPECT_EQ(recorded()[0].left_out, 5u);
  EXPECT_EQ(recorded()[0].state, FileState::not_stored);
}

TEST_F(FileIntakeTest, AFileWaitsForItsAlert) {
  intake_->found(found("abc", 1, 8), 0);
  Alert alert;
  alert.id = 8;
  alert.pid = 42;
  intake_->alert_delivered(alert, session_);
  intake_->step(1);
  EXPECT_EQ(asked(), 0);
}

TEST_F(FileIntakeTest, ASessionHasItsBounds) {
  for (uint64_t id = 100; id < 100 + FileIntake::kSessionFiles + 1; ++id) {
    Alert alert;
    alert.id = id;
    alert.pid = 42;
    intake_->alert_delivered(alert, session_);
    const std::string bytes = std::to_string(id);
    intake_->found(found(bytes, 1, id), 0);
    intake_->step(0);
    if (asked() == 0) piece(bytes, 0, bytes);
  }
  EXPECT_EQ(recorded().back().state, FileState::not_stored);
  EXPECT_TRUE(recorded().back().why.starts_with("the session's 64 files")) << recorded().back().why;
}

TEST_F(FileIntakeTest, WhatIsUnderWayWhenTheProxyEndsIsSaid) {
  intake_->found(found("abc"), 0);
  intake_->step(0);
  intake_.reset();
  EXPECT_TRUE(recorded().back().why.starts_with("cut: the proxy ended")) << recorded().back().why;
}

}  // namespace
}  // namespace skep::proxy
