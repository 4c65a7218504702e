#include "judge/learned.h"

#include <asm/unistd_64.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "base/text.h"
#include "judge/profiles.h"

namespace skep::judge {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

skep_first_seen_record record_of(uint32_t kind, uint64_t key) {
  skep_first_seen_record record{};
  record.kind = kind;
  record.key = key;
  return record;
}

// As the kernel tells it: the parts, the last first, each with its NUL.
skep_first_seen_record path_record(uint32_t kind, const std::string& path) {
  skep_first_seen_record record = record_of(kind, 1);
  std::string told;
  const auto parts = split(std::string_view(path).substr(1), '/');
  for (auto part = parts.rbegin(); part != parts.rend(); ++part) told += std::string(*part) + '\0';
  std::memcpy(record.name, told.data(), told.size());
  record.name_bytes = static_cast<uint32_t>(told.size());
  record.whole = 1;
  return record;
}

TEST(PathOfPartsTest, TurnsTheKernelsOrderRound) {
  EXPECT_EQ(path_of_parts(std::string_view("passwd\0etc\0", 11)), "/etc/passwd");
  EXPECT_EQ(path_of_parts(""), "");
  EXPECT_EQ(path_of_parts("cut"), "/cut");
}

TEST(LearnedTest, EachKindComesIntoItsList) {
  Learned learned(5);
  learned.take(path_record(SKEP_PROFILE_PROGRAM, "/usr/bin/true"));
  learned.take(path_record(SKEP_PROFILE_FILE_READ, "/etc/passwd"));
  learned.take(path_record(SKEP_PROFILE_FOLDER_WRITTEN, "/var/log/webd/access.log"));
  learned.take(record_of(SKEP_PROFILE_PORT, 8080));
  learned.take(record_of(SKEP_PROFILE_PORT, 0));
  learned.take(record_of(SKEP_PROFILE_CALL, __NR_openat));
  skep_first_seen_record peer = record_of(SKEP_PROFILE_PEER, 7);
  const Endpoint address = parse_endpoint("192.0.2.7:0").value();
  std::memcpy(peer.address, address.address.data(), sizeof peer.address);
  learned.take(peer);
  learned.session();
  const formats::ServiceProfile profile = learned.profile("web", 9);
  EXPECT_EQ(profile.service, "web");
  EXPECT_EQ(profile.from_ns, 5);
  EXPECT_EQ(profile.to_ns, 9);
  EXPECT_EQ(profile.sessions, 1u);
  EXPECT_THAT(profile.programs, ElementsAre("/usr/bin/true"));
  EXPECT_THAT(profile.files_read, ElementsAre("/etc/passwd"));
  EXPECT_THAT(profile.folders_written, ElementsAre("/var/log/webd"));
  EXPECT_THAT(profile.ports, ElementsAre(0, 8080));
  EXPECT_THAT(profile.calls, ElementsAre("openat"));
  EXPECT_THAT(profile.peers, ElementsAre(address));
  EXPECT_TRUE(profile.notes.empty());
}

TEST(LearnedTest, MoreThanSixteenFilesOfAFolderAreTheFolder) {
  Learned learned;
  for (size_t i = 0; i < Learned::kFilesApart; ++i)
    learned.take(path_record(SKEP_PROFILE_FILE_READ, fmt::format("/srv/site/{}", i)));
  learned.take(path_record(SKEP_PROFILE_FILE_READ, "/srv/site/deep/down"));
  EXPECT_EQ(learned.profile("web", 0).files_read.size(), Learned::kFilesApart + 1);
  learned.take(path_record(SKEP_PROFILE_FILE_READ, "/srv/site/one-more"));
  const formats::ServiceProfile profile = learned.profile("web", 0);
  EXPECT_THAT(profile.files_read, ElementsAre());
  EXPECT_THAT(profile.folders_read, ElementsAre("/srv/site"));
  EXPECT_THAT(profile.notes, ElementsAre(HasSubstr("/srv/site: more than 16 files")));
}

TEST(LearnedTest, FoldersWithSecretsAreNeverTakenWhole) {
  Learned learned;
  for (const char* folder : {"", "/etc", "/home", "/root", "/usr", "/var"}) {
    for (size_t i = 0; i < 2 * Learned::kFilesApart; ++i)
      learned.take(path_record(SKEP_PROFILE_FILE_READ, fmt::format("{}/file{}", folder, i)));
  }
  EXPECT_THAT(learned.profile("web", 0).folders_read, ElementsAre());
  EXPECT_EQ(learned.profile("web", 0).files_read.size(), 12 * Learned::kFilesApart);
}

TEST(LearnedTest, ManyFoldersWrittenInOneAreThatTree) {
  Learned learned;
  for (size_t i = 0; i <= Learned::kFilesApart; ++i)
    learned.take(path_record(SKEP_PROFILE_FOLDER_WRITTEN, fmt::format("/srv/cache/{}/page", i)));
  learned.take(path_record(SKEP_PROFILE_FOLDER_WRITTEN, "/srv/log/today"));
  EXPECT_THAT(learned.profile("web", 0).folders_written, ElementsAre("/srv/log", "/srv/cache/**"));
}

TEST(LearnedTest, FilesOfProcessesAreOneEntry) {
  Learned learned;
  for (int pid = 1; pid < 5; ++pid) {
    learned.take(path_record(SKEP_PROFILE_FILE_READ, fmt::format("/proc/{}/status", pid)));
    learned.take(path_record(SKEP_PROFILE_FOLDER_WRITTEN, fmt::format("/proc/{}/oom_score_adj", pid)));
  }
  EXPECT_THAT(learned.profile("web", 0).folders_read, ElementsAre("/proc"));
  EXPECT_THAT(learned.profile("web", 0).folders_written, ElementsAre("/proc/**"));
}

TEST(LearnedTest, WhatHasNoPathIsCountedAndSaid) {
  Learned learned;
  skep_first_seen_record cut = path_record(SKEP_PROFILE_FILE_READ, "/a/b");
  cut.whole = 0;
  learned.take(cut);
  learned.take(path_record(SKEP_PROFILE_FILE_READ, "/a/with\nnewline"));
  learned.incomplete(3);
  const formats::ServiceProfile profile = learned.profile("web", 0);
  EXPECT_THAT(profile.files_read, ElementsAre());
  EXPECT_THAT(profile.notes, ElementsAre(HasSubstr("2 files have no path"), HasSubstr("3 records of the kernel")));
}

TEST(LearnedTest, HoldsNoMoreThanAProfileMay) {
  Learned learned;
  for (size_t i = 0; i < formats::ServiceProfile::kEntriesMax + 10; ++i)
    learned.take(path_record(SKEP_PROFILE_FILE_READ, fmt::format("/srv/{}/file", i)));
  const formats::ServiceProfile profile = learned.profile("web", 0);
  EXPECT_EQ(entries_of(profile), formats::ServiceProfile::kEntriesMax);
  EXPECT_THAT(profile.notes, Contains(HasSubstr("10 more did not fit")));
  EXPECT_TRUE(formats::parse_profile_file("p", formats::profile_yaml(profile)));
}

TEST(ProfileEntriesTest, FilesAreTheirFolderAndTheHashOfTheirName) {
  formats::ServiceProfile profile;
  profile.programs = {"/usr/bin/true"};
  profile.files_read = {"/passwd"};
  profile.folders_read = {"/srv"};
  profile.folders_written = {"/var/log", "/tmp/**"};
  profile.calls = {"sendmsg"};
  const auto entries = profile_entries(profile);
  ASSERT_TRUE(entries) << entries.error().message;
  std::vector<std::string> said;
  for (const skep_profile_entry& entry : *entries) said.push_back(fmt::format("{} {}", entry.kind, entry.path));
  EXPECT_THAT(said, ElementsAre("1 /usr/bin", "5 /", "7 /srv", "4 /var/log", "8 /tmp", "6 "));
  EXPECT_EQ(entries->at(0).key, skep_name_hash("true", 4));
  EXPECT_EQ(entries->at(5).key, static_cast<uint64_t>(__NR_sendto));
}

TEST(ProfileEntriesTest, ACallThatNobodyKnowsIsAMistake) {
  formats::ServiceProfile profile;
  profile.calls = {"openatt"};
  const auto entries = profile_entries(profile);
  ASSERT_FALSE(entries);
  EXPECT_THAT(entries.error().message, HasSubstr("did you mean 'openat'?"));
}

}  // namespace
}  // namespace skep::judge
