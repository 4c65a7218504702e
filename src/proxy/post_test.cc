#include "proxy/post.h"

#include <gtest/gtest.h>

namespace skep::proxy {
namespace {

// Sessions of two shards, by the number in their ids.
constexpr SessionId kOfFirst{uint64_t{1} << 20};
constexpr SessionId kOfSecond{(uint64_t{1} << 20) + 1};

Word word_on(SessionId session) {
  return {session, formats::NoteEvent{formats::NoteKind::other, "x"}};
}

TEST(PostTest, AWordGoesToTheShardOfItsSession) {
  Post post(2);
  EXPECT_TRUE(post.tell(word_on(kOfSecond)));
  EXPECT_TRUE(post.of(0).take_all().empty());
  const auto mails = post.of(1).take_all();
  ASSERT_EQ(mails.size(), 1u);
  EXPECT_EQ(std::get<Word>(mails[0]).session, kOfSecond);
}

TEST(PostTest, SessionsOfAFormerLifeWithMoreShardsHaveOneToo) {
  Post post(1);
  EXPECT_TRUE(post.tell(word_on(kOfSecond)));
  EXPECT_EQ(post.of(0).take_all().size(), 1u);
}

TEST(PostTest, AMomentHasPassedOnceAllThatWasToldByThenIsDealtWith) {
  Post post(2);
  EXPECT_TRUE(post.passed(post.mark()));
  post.tell(word_on(kOfFirst));
  post.tell(word_on(kOfSecond));
  const Post::Mark mark = post.mark();
  post.tell(word_on(kOfSecond));  // later
  EXPECT_FALSE(post.passed(mark));
  post.of(0).take_all();
  post.of(0).done(1);
  EXPECT_FALSE(post.passed(mark));  // the other shard's still lies there
  post.of(1).take_all();
  post.of(1).done(1);
  EXPECT_TRUE(post.passed(mark));
  EXPECT_FALSE(post.passed(post.mark()));
}

TEST(PostTest, AFullMailboxRefusesAndIsWaitedForByNobody) {
  Post post(1);
  for (size_t i = 0; i < Mailbox::kMailMax; ++i) ASSERT_TRUE(post.tell(word_on(kOfFirst)));
  EXPECT_FALSE(post.tell(word_on(kOfFirst)));
  EXPECT_EQ(post.of(0).refused(), 1u);
  const Post::Mark mark = post.mark();
  post.of(0).done(post.of(0).take_all().size());
  EXPECT_TRUE(post.passed(mark));
}

}  // namespace
}  // namespace skep::proxy
