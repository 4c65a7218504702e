#include "judge/journal.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include "judge/outbox.h"

namespace skep::judge {
namespace {

wire::Frame alert(uint64_t id, size_t text_bytes = 10) {
  wire::Frame frame;
  frame.mutable_alert()->set_id(id);
  frame.mutable_alert()->set_arguments(std::string(text_bytes, 'x'));
  return frame;
}

class JournalTest : public testing::Test {
 protected:
  // As another life of the judge: the same memory, nothing else.
  Journal life() { return Journal(Fd(::fcntl(memory_.get(), F_DUPFD_CLOEXEC, 0))); }
  std::vector<uint64_t> recalled() {
    std::vector<uint64_t> ids;
    for (const wire::Frame& frame : life().recall()) ids.push_back(frame.alert().id());
    return ids;
  }
  const Fd memory_{::memfd_create("journal", MFD_CLOEXEC)};
};

TEST_F(JournalTest, TheNextLifeKnowsWhatTheLastHadNotCleared) {
  Journal journal = life();
  for (uint64_t id = 1; id <= 100; ++id) ASSERT_TRUE(journal.add(alert(id, 4000)));  // more than one block
  const auto ids = recalled();
  ASSERT_EQ(ids.size(), 100u);
  EXPECT_EQ(ids.front(), 1u);
  EXPECT_EQ(ids.back(), 100u);
  EXPECT_TRUE(recalled().empty()) << "once";
}

TEST_F(JournalTest, WhatIsShorterThanBeforeEndsWhereItEnds) {
  Journal journal = life();
  for (uint64_t id = 1; id <= 3; ++id) journal.add(alert(id, 1000));
  journal.clear();
  journal.add(alert(4));
  EXPECT_EQ(recalled(), std::vector<uint64_t>{4});
}

TEST_F(JournalTest, FullIsSaid) {
  Journal journal = life();
  size_t added = 0;
  while (journal.add(alert(added, 4000))) ++added;
  EXPECT_GT(added, 4000u);
  EXPECT_EQ(recalled().size(), added);
}

TEST_F(JournalTest, WordsThatAreNoFramesEndIt) {
  Journal journal = life();
  journal.add(alert(1));
  const std::string junk(100'000, '\xff');
  ASSERT_EQ(::pwrite(memory_.get(), junk.data(), junk.size(), 30), static_cast<ssize_t>(junk.size()));
  EXPECT_LE(recalled().size(), 1u);
}

TEST_F(JournalTest, TheOutboxKeepsThereWhatIsNotAcknowledged) {
  Journal journal = life();
  Outbox outbox(&journal);
  outbox.peer_came();
  wire::Frame news;
  news.mutable_flow_closed()->set_serial(1);
  outbox.put(news);
  for (uint64_t id = 1; id <= 3; ++id) outbox.put(alert(id));
  while (outbox.next() != nullptr) outbox.sent();
  outbox.acknowledged(2);
  EXPECT_EQ(journal.frames(), 3u) << "cleared as a whole, when nothing waits any more";
  outbox.acknowledged(3);
  EXPECT_EQ(journal.frames(), 0u);
  outbox.put(alert(4));
  EXPECT_EQ(recalled(), std::vector<uint64_t>{4});
}

TEST_F(JournalTest, AFullJournalIsWrittenAnewFromWhatStillWaits) {
  Journal journal = life();
  Outbox outbox(&journal);
  outbox.peer_came();
  constexpr uint64_t kMany = 10'000;  // of 4 KB: more than the journal holds
  for (uint64_t id = 1; id <= kMany; ++id) {
    outbox.put(alert(id, 4000));
    while (outbox.next() != nullptr) outbox.sent();
    if (id > 1) outbox.acknowledged(id - 1);
  }
  EXPECT_EQ(outbox.unjournaled(), 0u);
  EXPECT_EQ(recalled().back(), kMany);
}

}  // namespace
}  // namespace skep::judge
