#include "judge/written.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

namespace skep::judge {
namespace {

constexpr uint64_t kBeganNs = 1000;

skep_flow flow_of(uint64_t serial, uint64_t opened_ns = kBeganNs) {
  skep_flow flow{};
  flow.serial = serial;
  flow.opened_ns = opened_ns;
  return flow;
}

// "/tmp/NAME", opened by a thread that read from flow `serial` itself.
skep_wrote_record wrote(uint64_t serial, uint64_t inode, const std::string& name) {
  skep_wrote_record record{};
  record.label.flow = flow_of(serial);
  record.label.source = SKEP_LABEL_RECV;
  record.device = 1;
  record.inode = inode;
  record.key = inode;
  record.pid = 42;
  record.whole = 1;
  const std::string parts = name + std::string(1, '\0') + "tmp" + std::string(1, '\0');
  record.name_bytes = static_cast<uint32_t>(parts.size());
  std::memcpy(record.name, parts.data(), parts.size());
  return record;
}

// By a thread that works in "/srv".
skep_renamed_record renamed(uint64_t serial, const std::string& former, const std::string& name) {
  skep_renamed_record record{};
  record.serial = serial;
  record.whole = 1;
  record.folder_bytes = 4;
  std::memcpy(record.folder, "srv", 4);
  former.copy(record.former, sizeof record.former);
  name.copy(record.name, sizeof record.name);
  return record;
}

TEST(WrittenFilesTest, TellsWhatASessionWroteOnceAndNothingOfAnother) {
  WrittenFiles files(kBeganNs);
  files.take(wrote(7, 1, "a"));
  files.take(wrote(8, 2, "neighbours"));
  files.take(wrote(7, 3, "b"));
  const auto untold = files.take_untold(flow_of(7));
  ASSERT_EQ(untold.files.size(), 2u);
  EXPECT_EQ(untold.files[0].path, "/tmp/a");
  EXPECT_EQ(untold.files[1].path, "/tmp/b");
  EXPECT_EQ(untold.files[1].inode, 3u);
  EXPECT_FALSE(untold.unknown);
  EXPECT_TRUE(files.take_untold(flow_of(7)).files.empty()) << "told once";
  files.take(wrote(7, 1, "a"));
  EXPECT_EQ(files.take_untold(flow_of(7)).files.size(), 1u) << "written again: told again";
  EXPECT_TRUE(files.take_untold(flow_of(9)).files.empty());
}

TEST(WrittenFilesTest, KeepsTheNewestNameAndTheFirst) {
  WrittenFiles files(kBeganNs);
  files.take(wrote(7, 1, "part"));
  files.take(renamed(7, "/tmp/part", "/etc/middle"));
  files.take(renamed(7, "../etc/middle", "./placed"));
  files.take(renamed(7, "/tmp/part", "/tmp/another"));  // no file is called so any more
  files.take(renamed(8, "placed", "/tmp/neighbours"));
  files.take(renamed(7, "", "/tmp/x"));
  files.take(renamed(7, "placed", ""));
  const auto untold = files.take_untold(flow_of(7));
  ASSERT_EQ(untold.files.size(), 1u);
  EXPECT_EQ(untold.files[0].path, "/srv/placed");
  EXPECT_EQ(untold.files[0].former_path, "/tmp/part");
}

TEST(WrittenFilesTest, OfManyTheLastAreKeptAndTheOthersCounted) {
  WrittenFiles files(kBeganNs);
  const uint64_t more = 5;
  for (uint64_t inode = 1; inode <= WrittenFiles::kFilesMax + more; ++inode)
    files.take(wrote(7, inode, std::to_string(inode)));
  const auto untold = files.take_untold(flow_of(7));
  EXPECT_EQ(untold.files.size(), WrittenFiles::kFilesMax);
  EXPECT_EQ(untold.files.front().inode, more + 1);
  EXPECT_EQ(untold.left_out, more);
  files.take(wrote(7, 1000, "after"));
  EXPECT_EQ(files.take_untold(flow_of(7)).left_out, 0u) << "what makes room has been told";
}

TEST(WrittenFilesTest, WhatIsNotKnownAnyMoreIsSaidOnce) {
  WrittenFiles files(kBeganNs);
  EXPECT_TRUE(files.take_untold(flow_of(5, kBeganNs - 1)).unknown) << "older than the judge";
  EXPECT_FALSE(files.take_untold(flow_of(5, kBeganNs - 1)).unknown);
  for (uint64_t serial = 10; serial <= 10 + WrittenFiles::kSessionsMax; ++serial) files.take(wrote(serial, 1, "x"));
  EXPECT_TRUE(files.take_untold(flow_of(10)).unknown) << "the oldest made room";
  EXPECT_FALSE(files.take_untold(flow_of(10 + WrittenFiles::kSessionsMax)).unknown);
}

TEST(WrittenFilesTest, SaysWhereTheSessionOrTheNameIsNotSure) {
  WrittenFiles files(kBeganNs);
  auto record = wrote(7, 1, "a");
  record.label.doubts = SKEP_DOUBT_THREADS;
  record.whole = 0;
  files.take(record);
  const auto untold = files.take_untold(flow_of(7));
  ASSERT_EQ(untold.files.size(), 1u);
  EXPECT_FALSE(untold.files[0].certain);
  EXPECT_FALSE(untold.files[0].whole);
}

TEST(WrittenFilesTest, ANameIsReadNoFurtherThanTheRecord) {
  WrittenFiles files(kBeganNs);
  auto record = wrote(7, 1, "");
  record.name_bytes = UINT32_MAX;
  std::memset(record.name, 'x', sizeof record.name);
  files.take(record);
  EXPECT_EQ(files.take_untold(flow_of(7)).files.at(0).path, "/" + std::string(sizeof record.name, 'x'));
  auto long_name = renamed(7, std::string(SKEP_PATH_BYTES, 'x'), std::string(SKEP_PATH_BYTES, 'y'));
  long_name.folder_bytes = UINT32_MAX;
  files.take(wrote(7, 1, ""));
  files.take(long_name);
  EXPECT_LE(files.take_untold(flow_of(7)).files.at(0).path.size(), 2 * sizeof record.name + SKEP_PATH_BYTES);
}

}  // namespace
}  // namespace skep::judge
