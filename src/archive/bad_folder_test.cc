// What the archive's folder may do under it: be read-only, vanish, hold what is none of ours.
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "archive/one_writer.h"
#include "archive/reader.h"
#include "archive/stats.h"
#include "archive/verify.h"
#include "base/clock.h"
#include "base/file.h"

namespace skep::archive {
namespace {

class BadFolderTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/skep-folder-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    folder_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  static ArchiveOptions small() {
    ArchiveOptions options;
    options.segment_bytes = 1 << 20;
    options.keeper_pass_ms = 5;
    return options;
  }
  static SessionId one_session(Writer& w, size_t blocks) {
    const SessionId id =
        w.opened(now_realtime_ns(), {"web", *parse_endpoint("192.0.2.1:1"), *parse_endpoint("192.0.2.2:80")});
    const std::string block(100'000, 'x');
    for (size_t i = 0; i < blocks; ++i) w.data(id, now_realtime_ns(), Direction::to_bait, as_bytes(block));
    formats::ClosedEvent event;
    event.reason = EndReason::client_closed;
    w.closed(id, now_realtime_ns(), event);
    return id;
  }
  std::string folder_;
};

TEST_F(BadFolderTest, AnArchiveOnAReadOnlyMediumIsReadAndNotWritten) {
  SessionId id;
  {
    auto w = OneWriter::open(folder_, small());
    ASSERT_TRUE(w);
    id = one_session(**w, 25);
  }
  if (::unshare(CLONE_NEWNS) != 0 || ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
      ::mount(folder_.c_str(), folder_.c_str(), nullptr, MS_BIND, nullptr) != 0)
    GTEST_SKIP() << "no mount namespace here (root alone may make one)";
  ASSERT_EQ(::mount(nullptr, folder_.c_str(), nullptr, MS_BIND | MS_REMOUNT | MS_RDONLY, nullptr), 0);
  auto reader = Reader::open(folder_);
  ASSERT_TRUE(reader) << reader.error().message;
  const auto row = reader->find(id);
  ASSERT_TRUE(row && *row) << row.error().message;
  uint64_t bytes = 0;
  ASSERT_TRUE(reader->for_each(**row, {}, [&](const formats::Record& record) {
    bytes += record.type == formats::RecordType::data ? record.payload.size() : 0;
  }));
  EXPECT_EQ(bytes, 2'500'000u);
  const auto report = verify_archive(folder_, [](const Finding& each) { ADD_FAILURE() << each.where << each.what; });
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(archive_stats(folder_)->sessions[1], 1u);
  const auto refused = OneWriter::open(folder_, small());
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("Read-only file system"), std::string::npos) << refused.error().message;
  ASSERT_EQ(::umount2(folder_.c_str(), MNT_DETACH), 0);
}

TEST_F(BadFolderTest, AFolderThatVanishesIsSaidAndEndsNobody) {
  auto w = OneWriter::open(folder_, small());
  ASSERT_TRUE(w);
  one_session(**w, 5);
  // The writer's threads may put something there while it goes.
  for (int i = 0; i < 1000 && std::filesystem::exists(folder_); ++i) {
    std::error_code error;
    std::filesystem::remove_all(folder_, error);
  }
  ASSERT_FALSE(std::filesystem::exists(folder_));
  for (int i = 0; i < 10; ++i) {
    one_session(**w, 5);
    (*w)->tick();
  }
  EXPECT_TRUE((*w)->health().disk_full) << "no segment can begin";
  EXPECT_FALSE(Reader::open(folder_));
  EXPECT_FALSE(verify_archive(folder_, [](const Finding&) {}));
  w->reset();
  // Whoever begins there anew begins with nothing.
  auto again = OneWriter::open(folder_, small());
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_TRUE(again->archive().recovered().empty());
}

TEST_F(BadFolderTest, ForeignFilesOutliveRetentionAndCompression) {
  auto options = small();
  options.compress_after_s = 0;
  options.retention.days = 1;
  ASSERT_TRUE(make_directories(folder_ + "/segments"));
  for (const char* name : {"/segments/notes.txt", "/segments/1.seg", "/segments/00000000.seg", "/notes"})
    ASSERT_TRUE(write_file(folder_ + name, "mine"));
  {
    auto w = OneWriter::open(folder_, options);
    ASSERT_TRUE(w) << w.error().message;
    one_session(**w, 45);
    for (int i = 0; i < 2000 && archive_stats(folder_)->sealed < 2; ++i) ::usleep(5000);
    EXPECT_GE(archive_stats(folder_)->sealed, 2u) << "compressed beside the writing";
  }
  for (const char* name : {"/segments/notes.txt", "/segments/1.seg", "/segments/00000000.seg", "/notes"})
    EXPECT_EQ(*read_file(folder_ + name), "mine") << name;
}

}  // namespace
}  // namespace skep::archive
