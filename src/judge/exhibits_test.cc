#include "judge/exhibits.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include "wire/frame.h"

namespace skep::judge {
namespace {

class ExhibitsTest : public testing::Test {
 protected:
  void SetUp() override { outbox_.peer_came(); }
  static Exhibits::Subject subject(uint64_t alert, uint64_t inode = 5) {
    Exhibits::Subject subject;
    subject.alert = alert;
    subject.pid = 42;
    subject.path = "/tmp/x";
    subject.device = 1;
    subject.inode = inode;
    return subject;
  }
  void answer(uint32_t ticket, skep_file_outcome outcome, const std::string& content = "", bool own = false) {
    FileAnswer answer;
    answer.facts.head = {SKEP_FILE, ticket};
    answer.facts.outcome = outcome;
    answer.facts.device = 1;
    answer.facts.inode = 5;
    answer.facts.bytes = answer.facts.copied = content.size();
    answer.facts.own = own ? 1 : 0;
    answer.facts.clue = last_clue_;
    if (outcome == SKEP_FILE_GONE) answer.facts.device = answer.facts.inode = 0;
    if (outcome == SKEP_FILE_SAME) answer.facts.bytes = last_bytes_;
    if (outcome == SKEP_FILE_COPIED) {
      last_bytes_ = content.size();
      answer.content = Fd(::memfd_create("content", MFD_CLOEXEC));
      ASSERT_EQ(::write(answer.content.get(), content.data(), content.size()), static_cast<ssize_t>(content.size()));
    }
    exhibits_.answered(std::move(answer));
  }
  void hash() {
    while (exhibits_.busy()) exhibits_.step(0);
  }
  // What was told of last, or an empty one.
  wire::FileFound told() {
    wire::FileFound last;
    for (; outbox_.next() != nullptr; outbox_.sent()) last = outbox_.next()->file_found();
    return last;
  }
  wire::FileChunk piece(const std::string& sha256, uint64_t offset) {
    wire::FileWanted wanted;
    wanted.set_sha256(sha256);
    wanted.set_offset(offset);
    exhibits_.wanted(wanted);
    const auto frame = exhibits_.next_piece();
    exhibits_.sent();
    return frame->file_chunk();
  }

  std::vector<skep_file_order> asked_;
  Outbox outbox_;
  Exhibits exhibits_{outbox_, [this](const skep_file_order& order) {
                       asked_.push_back(order);
                       return static_cast<uint32_t>(asked_.size());
                     }};
  uint64_t last_bytes_ = 0;
  skep_file_clue last_clue_ = SKEP_FILE_BY_NEWEST_NAME;
};

TEST_F(ExhibitsTest, AFileIsToldAfterItsAlertWhicheverComesFirst) {
  for (const bool alert_first : {true, false}) {
    exhibits_.open(subject(7), 0);
    const auto ticket = static_cast<uint32_t>(asked_.size());
    if (alert_first) exhibits_.told(7);
    answer(ticket, SKEP_FILE_COPIED, "content");
    hash();
    EXPECT_EQ(outbox_.next() != nullptr, alert_first);
    if (!alert_first) exhibits_.told(7);
    const wire::FileFound file = told();
    EXPECT_EQ(file.alert(), 7u);
    EXPECT_EQ(file.path(), "/tmp/x");
    EXPECT_EQ(hex(as_bytes(file.sha256())), "ed7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73");
    EXPECT_TRUE(file.offered());
    EXPECT_EQ(file.why(), "");
  }
}

TEST_F(ExhibitsTest, AnUnchangedFileIsKnownByItsFormerHash) {
  exhibits_.open(subject(1), 0);
  exhibits_.open(subject(2), 0);
  exhibits_.told(1);
  exhibits_.told(2);
  answer(1, SKEP_FILE_COPIED, "content");
  answer(2, SKEP_FILE_SAME);
  hash();
  exhibits_.open(subject(3), 0);
  exhibits_.told(3);
  answer(3, SKEP_FILE_SAME);
  EXPECT_EQ(told().alert(), 3u);
  exhibits_.open(subject(4), 0);
  exhibits_.told(4);
  last_bytes_ = 1;  // of another state of the file
  answer(4, SKEP_FILE_SAME);
  EXPECT_TRUE(told().why().starts_with("unchanged since an earlier alert"));
}

TEST_F(ExhibitsTest, WhatIsLackingIsSaid) {
  const struct {
    skep_file_outcome outcome;
    const char* words;
  } rows[] = {{SKEP_FILE_NOT_HELD, "not held"},
              {SKEP_FILE_NO_FILE, "no regular file"},
              {SKEP_FILE_TOO_SLOW, "it gave its bytes too slowly"},
              {SKEP_FILE_BUSY, "too many files were to be copied"},
              {SKEP_FILE_CLOSED, "not looked at: not everybody"},
              {SKEP_FILE_GONE, "not looked at: the process had ended"}};
  uint64_t alert = 0;
  for (const auto& [outcome, words] : rows) {
    exhibits_.open(subject(++alert), 0);
    exhibits_.told(alert);
    answer(static_cast<uint32_t>(asked_.size()), outcome);
    const wire::FileFound file = told();
    EXPECT_TRUE(file.why().starts_with(words)) << file.why();
    EXPECT_FALSE(file.offered());
    EXPECT_TRUE(file.sha256().empty());
  }
}

TEST_F(ExhibitsTest, AWatchThatDoesNotAnswerIsNotWaitedForLong) {
  exhibits_.open(subject(1), 0);
  exhibits_.told(1);
  exhibits_.step(Exhibits::kAnswerNs - 1);
  EXPECT_EQ(outbox_.next(), nullptr);
  exhibits_.step(Exhibits::kAnswerNs);
  EXPECT_EQ(told().why(), "no copy came in time");
  answer(1, SKEP_FILE_COPIED, "late");
  hash();
  EXPECT_EQ(outbox_.next(), nullptr) << "told once";
}

TEST_F(ExhibitsTest, ABurstWaitsItsTurnBeforeWrittenFiles) {
  for (uint64_t alert = 1; alert <= Exhibits::kAsksMax + 2; ++alert) {
    exhibits_.open(subject(alert, alert), 0);
    exhibits_.told(alert);
  }
  Exhibits::Subject written = subject(1);
  written.how = SKEP_FILE_WRITTEN;
  exhibits_.add(written, 0);
  EXPECT_EQ(asked_.size(), Exhibits::kAsksMax);
  EXPECT_EQ(outbox_.next(), nullptr) << "nothing is given up";
  for (uint32_t ticket = 1; ticket <= 3; ++ticket) answer(ticket, SKEP_FILE_GONE);
  exhibits_.step(0);
  ASSERT_EQ(asked_.size(), Exhibits::kAsksMax + 3);
  EXPECT_EQ(asked_[Exhibits::kAsksMax].inode, Exhibits::kAsksMax + 1);
  EXPECT_EQ(asked_[Exhibits::kAsksMax + 1].inode, Exhibits::kAsksMax + 2);
  EXPECT_EQ(asked_[Exhibits::kAsksMax + 2].how, uint32_t{SKEP_FILE_WRITTEN});
  told();
  answer(Exhibits::kAsksMax + 2, SKEP_FILE_COPIED, "content");
  hash();
  EXPECT_EQ(told().alert(), Exhibits::kAsksMax + 2);
}

TEST_F(ExhibitsTest, WhatWaitsIsBoundedInNumberAndInTimeAndSaidToBe) {
  const std::string why = "too many files were asked for at a time";
  const size_t bound = Exhibits::kAsksMax + Exhibits::kWaitMax;
  for (uint64_t alert = 1; alert <= bound; ++alert) {
    exhibits_.open(subject(alert), 0);
    exhibits_.told(alert);
  }
  EXPECT_EQ(outbox_.next(), nullptr);
  exhibits_.open(subject(bound + 1), 0);
  exhibits_.told(bound + 1);
  const wire::FileFound file = told();
  EXPECT_EQ(file.alert(), bound + 1);
  EXPECT_EQ(file.why(), why);
  exhibits_.step(Exhibits::kAnswerNs - 1);
  EXPECT_EQ(outbox_.next(), nullptr);
  exhibits_.step(Exhibits::kAnswerNs);
  size_t asked = 0;
  size_t waited = 0;
  for (; outbox_.next() != nullptr; outbox_.sent()) {
    const std::string& said = outbox_.next()->file_found().why();
    asked += said == "no copy came in time" ? 1 : 0;
    waited += said == why ? 1 : 0;
  }
  EXPECT_EQ(asked, Exhibits::kAsksMax);
  EXPECT_EQ(waited, Exhibits::kWaitMax);
  exhibits_.open(subject(bound + 2), Exhibits::kAnswerNs);
  exhibits_.step(Exhibits::kAnswerNs);
  EXPECT_EQ(asked_.size(), Exhibits::kAsksMax + 1) << "nothing that was given up is asked for";
}

TEST_F(ExhibitsTest, WhatWaitedForAnAlertThatIsNeverToldIsNotAskedFor) {
  for (uint64_t alert = 1; alert <= Exhibits::kAsksMax + 1; ++alert) exhibits_.open(subject(alert), 0);
  exhibits_.forget(Exhibits::kAsksMax + 1);
  answer(1, SKEP_FILE_GONE);
  exhibits_.step(0);
  EXPECT_EQ(asked_.size(), Exhibits::kAsksMax);
}

TEST_F(ExhibitsTest, TheServicesOwnProgramIsNamedAndNotOffered) {
  exhibits_.open(subject(1), 0);
  exhibits_.told(1);
  answer(1, SKEP_FILE_COPIED, "content", true);
  hash();
  const wire::FileFound file = told();
  EXPECT_FALSE(file.offered());
  EXPECT_EQ(file.sha256().size(), Sha256::kBytes);
  EXPECT_TRUE(piece(file.sha256(), 0).gone());
}

TEST_F(ExhibitsTest, AnotherFileThanTheKernelOpenedIsSaidToBe) {
  exhibits_.open(subject(1, 99), 0);
  exhibits_.told(1);
  answer(1, SKEP_FILE_COPIED, "#!/bin/sh\n");
  hash();
  EXPECT_EQ(told().why(), "a script: what the kernel opened is inode 99 on device 0x1");
}

TEST_F(ExhibitsTest, AScriptsInterpreterIsToldBesideIt) {
  exhibits_.open(subject(1, 99), 0);
  Exhibits::Subject interpreter = subject(1);
  interpreter.role = wire::FileFound::INTERPRETER;
  interpreter.how = SKEP_FILE_NAMED;
  interpreter.path = "/bin/sh";
  exhibits_.open(interpreter, 0);
  EXPECT_STREQ(asked_.at(1).path[0], "/bin/sh");
  EXPECT_EQ(asked_.at(1).how, uint32_t{SKEP_FILE_NAMED});
  exhibits_.told(1);
  answer(2, SKEP_FILE_COPIED, "the shell");
  hash();
  const wire::FileFound file = told();
  EXPECT_EQ(file.role(), wire::FileFound::INTERPRETER);
  EXPECT_EQ(file.path(), "/bin/sh");
  EXPECT_EQ(file.sha256().size(), Sha256::kBytes);
  answer(1, SKEP_FILE_COPIED, "#!/bin/sh\n");
  hash();
  EXPECT_EQ(told().role(), wire::FileFound::PROGRAM);
}

TEST_F(ExhibitsTest, WrittenFilesWaitTheirTurnAndKeepNoProgramWaiting) {
  Exhibits::Subject written = subject(1);
  written.role = wire::FileFound::WRITTEN;
  written.how = SKEP_FILE_WRITTEN;
  written.key = 77;
  written.former_path = "/tmp/first";
  written.why = "written as /tmp/first";
  for (size_t i = 0; i < Exhibits::kWrittenAsksMax + 1; ++i) exhibits_.add(written, 0);
  ASSERT_EQ(asked_.size(), Exhibits::kWrittenAsksMax);
  EXPECT_EQ(asked_[0].key, 77u);
  EXPECT_STREQ(asked_[0].path[1], "/tmp/first");
  exhibits_.open(subject(2), 0);
  EXPECT_EQ(asked_.size(), Exhibits::kWrittenAsksMax + 1) << "a program does not wait";
  answer(1, SKEP_FILE_COPIED, "content");
  exhibits_.step(0);
  EXPECT_EQ(asked_.size(), Exhibits::kWrittenAsksMax + 2) << "the next has its turn";
  hash();
  EXPECT_EQ(told().why(), "written as /tmp/first");
  last_clue_ = SKEP_FILE_BY_DESCRIPTOR;
  answer(2, SKEP_FILE_COPIED, "else");
  hash();
  EXPECT_EQ(told().why(), "written as /tmp/first; found open in its process, under no name that is known");
  answer(4, SKEP_FILE_GONE);
  EXPECT_TRUE(told().why().starts_with("written as /tmp/first; not there any more"));
}

TEST_F(ExhibitsTest, WrittenFilesBeyondTheBoundAreToldWithoutACopy) {
  Exhibits::Subject written = subject(1);
  written.how = SKEP_FILE_WRITTEN;
  for (size_t i = 0; i < Exhibits::kWrittenAsksMax + Exhibits::kWrittenWaitMax; ++i) exhibits_.add(written, 0);
  EXPECT_EQ(outbox_.next(), nullptr);
  exhibits_.add(written, 0);
  const wire::FileFound file = told();
  EXPECT_EQ(file.path(), "/tmp/x");
  EXPECT_EQ(file.why(), "too many files waited to be asked for");
}

TEST_F(ExhibitsTest, OfAnAlertThatIsNeverToldNothingIsKept) {
  exhibits_.open(subject(1), 0);
  exhibits_.forget(1);
  exhibits_.told(1);
  answer(1, SKEP_FILE_COPIED, "content");
  hash();
  EXPECT_EQ(outbox_.next(), nullptr);
  exhibits_.open(subject(2), 0);
  exhibits_.told(2);
  exhibits_.forget(2);
  answer(2, SKEP_FILE_COPIED, "content");
  hash();
  EXPECT_EQ(told().alert(), 2u) << "what was told of is not forgotten";
}

TEST_F(ExhibitsTest, ANameThatIsTooLongForAnOrderIsLeftOut) {
  Exhibits::Subject written = subject(1);
  written.path = std::string(SKEP_PATH_BYTES, 'x');
  exhibits_.open(written, 0);
  EXPECT_STREQ(asked_.at(0).path[0], "");
}

TEST_F(ExhibitsTest, GivesItsCopyInPiecesUntilItIsTaken) {
  std::string content(wire::kChunkBytesMax + 10, 'x');
  content.back() = 'y';
  exhibits_.open(subject(1), 0);
  exhibits_.told(1);
  answer(1, SKEP_FILE_COPIED, content);
  hash();
  const std::string sha256 = told().sha256();
  EXPECT_EQ(piece(sha256, 0).content(), content.substr(0, wire::kChunkBytesMax));
  EXPECT_EQ(piece(sha256, wire::kChunkBytesMax).content(), content.substr(wire::kChunkBytesMax));
  EXPECT_TRUE(piece(sha256, content.size()).gone()) << "there is no such piece";
  exhibits_.taken(sha256);
  EXPECT_TRUE(piece(sha256, 0).gone());
}

}  // namespace
}  // namespace skep::judge
