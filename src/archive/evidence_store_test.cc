#include "archive/evidence_store.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>
#include <cstdlib>

#include "base/file.h"

namespace skep::archive {
namespace {

constexpr int64_t kDayNs = 86'400'000'000'000;

std::string sha256_of(std::string_view bytes) {
  Sha256 sha;
  sha.add(as_bytes(bytes));
  return hex(sha.finish());
}

class EvidenceStoreTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/skep-evidence-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    folder_ = name;
    store_ = std::make_unique<EvidenceStore>(folder_);
    ASSERT_TRUE(store_->begin());
  }
  // The words of what went wrong, or "".
  std::string take(std::string_view bytes, const std::string& sha256, int64_t now_ns = 0) {
    auto incoming = store_->receive(sha256, bytes.size(), now_ns);
    if (!incoming) return incoming.error().message;
    for (size_t at = 0; at < bytes.size(); at += 7) {
      if (auto put = (*incoming)->append(as_bytes(bytes.substr(at, 7))); !put) return put.error().message;
    }
    const auto whole = (*incoming)->finish();
    return whole ? "" : whole.error().message;
  }
  size_t parts() const {
    size_t count = 0;
    for (const std::string& path : expand_glob(folder_ + "/evidence/*")) count += path.find("part-") != path.npos;
    return count;
  }
  std::string folder_;
  std::unique_ptr<EvidenceStore> store_;
};

TEST_F(EvidenceStoreTest, KeepsWhatItsNameSaysAndNobodyCanRunIt) {
  const std::string sha256 = sha256_of("a dropped program");
  EXPECT_FALSE(store_->has(sha256));
  EXPECT_EQ(take("a dropped program", sha256), "");
  EXPECT_TRUE(store_->has(sha256));
  EXPECT_EQ(*read_file(evidence_path(folder_, sha256)), "a dropped program");
  struct stat info {};
  ASSERT_EQ(::stat(evidence_path(folder_, sha256).c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0400u);
  EXPECT_EQ(info.st_nlink, 1u);
  EXPECT_EQ(parts(), 0u);
}

TEST_F(EvidenceStoreTest, RefusesWhatIsNotWhatItsNameSays) {
  EXPECT_EQ(take("something else", sha256_of("a program")), "what came is not what its sha256 says");
  EXPECT_FALSE(store_->has(sha256_of("a program")));
  EXPECT_EQ(parts(), 0u);
}

TEST_F(EvidenceStoreTest, NeverOverwrites) {
  const std::string sha256 = sha256_of("twice");
  ASSERT_EQ(take("twice", sha256), "");
  struct stat before {};
  ::stat(evidence_path(folder_, sha256).c_str(), &before);
  EXPECT_EQ(take("twice", sha256), "") << "it is there all the same";
  struct stat after {};
  ::stat(evidence_path(folder_, sha256).c_str(), &after);
  EXPECT_EQ(before.st_ino, after.st_ino);
}

TEST_F(EvidenceStoreTest, ADayHasItsBound) {
  EXPECT_NE(store_->receive(sha256_of("x"), kEvidenceBytesADay + 1, kDayNs).error().message.find("day's"),
            std::string::npos);
  // Room is judged for each, so the bytes are asked for and not sent.
  uint64_t asked = 0;
  for (; asked < kEvidenceBytesADay; asked += 8 << 20) {
    if (!store_->receive(sha256_of("x"), 8 << 20, kDayNs)) break;
  }
  EXPECT_EQ(asked, kEvidenceBytesADay);
  EXPECT_FALSE(store_->receive(sha256_of("x"), 1, kDayNs));
  EXPECT_TRUE(store_->receive(sha256_of("x"), 1, 2 * kDayNs)) << "the next day";
}

TEST_F(EvidenceStoreTest, AFullDiskIsSaidAndLeavesNothing) {
  // A limit on the file's size stands for the disk.
  ::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  ::getrlimit(RLIMIT_FSIZE, &before);
  const rlimit tight{800, before.rlim_max};
  ::setrlimit(RLIMIT_FSIZE, &tight);
  const std::string bytes(1000, 'x');
  const std::string words = take(bytes, sha256_of(bytes));
  ::setrlimit(RLIMIT_FSIZE, &before);
  EXPECT_TRUE(words.starts_with("the archive's disk: ")) << words;
  EXPECT_EQ(parts(), 0u);
}

TEST_F(EvidenceStoreTest, WhatAFormerLifeLeftHalfIsGone) {
  ASSERT_TRUE(write_file(folder_ + "/evidence/part-7", "half"));
  ASSERT_TRUE(EvidenceStore(folder_).begin());
  EXPECT_EQ(parts(), 0u);
}

}  // namespace
}  // namespace skep::archive
