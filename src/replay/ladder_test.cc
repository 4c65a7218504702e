// The ladder of plans on toy services: what is reached by which rung.
#include <gmock/gmock.h>

#include "replay/toys_test_rig.h"

namespace skep::replay {
namespace {

using test::Toy;

constexpr uint64_t kDialogues = 60;

struct Reached {
  double as_recorded = 0, echoes = 0, two_recordings = 0, ladder = 0;  // in per cent
};

Reached reached_by(const Toy& toy) {
  uint64_t naive = 0, one = 0, two = 0, any = 0;
  for (uint64_t seed = 0; seed < kDialogues; ++seed) {
    const Recording recording = test::held(toy, 3 * seed + 1);
    const uint64_t target = 3 * seed + 3;
    const bool by_naive = test::replayed(toy, recording, plan_as_recorded(recording), target);
    const bool by_one = test::replayed(toy, recording, plan_echoes(recording), target);
    const auto plan = plan_two_recordings(recording, test::held(toy, 3 * seed + 2));
    const bool by_two = plan && test::replayed(toy, recording, *plan, target);
    naive += by_naive;
    one += by_one;
    two += by_two;
    any += by_naive || by_one || by_two;
  }
  const auto share = [](uint64_t count) { return 100.0 * static_cast<double>(count) / kDialogues; };
  return {share(naive), share(one), share(two), share(any)};
}

TEST(Ladder, ReachesTheLastStepOfEveryDialogueWithoutCryptography) {
  for (const Toy& toy : test::toys()) {
    const Reached reached = reached_by(toy);
    SCOPED_TRACE(fmt::format("{}: as recorded {:.0f} %, one {:.0f} %, two {:.0f} %, ladder {:.0f} %", toy.name,
                             reached.as_recorded, reached.echoes, reached.two_recordings, reached.ladder));
    EXPECT_EQ(reached.as_recorded, toy.stateful ? 0 : 100);
    if (toy.crypto)
      EXPECT_EQ(reached.ladder, 0);
    else
      EXPECT_GE(reached.ladder, 95);
  }
}

std::vector<Plan> all_plans(const Toy& toy, const Recording& recording, uint64_t other) {
  std::vector<Plan> plans = {plan_as_recorded(recording), plan_echoes(recording)};
  auto two = plan_two_recordings(recording, test::held(toy, other));
  EXPECT_TRUE(two) << toy.name << (two ? "" : two.error().message);
  if (two) plans.push_back(std::move(*two));
  return plans;
}

TEST(Ladder, AKeyedDigestIsUnresolvedInEveryDialogueAndNothingElseIs) {
  for (const Toy& toy : test::toys()) {
    for (uint64_t seed = 0; seed < kDialogues; ++seed) {
      const Recording recording = test::held(toy, seed);
      for (const Plan& plan : all_plans(toy, recording, seed + 1000)) {
        if (plan.rung == Rung::as_recorded) continue;
        const auto unresolved = plan.unresolved();
        EXPECT_EQ(unresolved.size(), toy.crypto ? 1 : 0) << toy.name << seed << explain(recording, plan);
        EXPECT_TRUE(unresolved.empty() || kind_of(*unresolved[0]) == "crypto") << explain(recording, plan);
        EXPECT_EQ(plan.crypto, "") << toy.name;
      }
    }
  }
}

TEST(Ladder, AnswersAsTheyWereRecordedGiveTheMessagesAsTheyWereRecorded) {
  for (const Toy& toy : test::toys()) {
    for (uint64_t seed = 0; seed < kDialogues; ++seed) {
      const Recording recording = test::held(toy, seed);
      const std::vector<Bytes> answers = test::recorded_answers(recording);
      for (const Plan& plan : all_plans(toy, recording, seed + 1000)) {
        for (uint32_t i = 0; i < recording.messages.size(); ++i) {
          const auto out = fill(recording, plan, i, test::as_recorded(recording, answers));
          ASSERT_TRUE(out) << toy.name << seed << out.error().message;
          EXPECT_EQ(*out, recording.messages[i].bytes) << toy.name << seed << explain(recording, plan);
        }
      }
    }
  }
}

}  // namespace
}  // namespace skep::replay
