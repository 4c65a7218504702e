// What the automaton does with times and values that no trace of one thread shows.
#include "match/automaton.h"

#include <asm/unistd_64.h>
#include <gtest/gtest.h>

#include "match/compile.h"
#include "match/engine.h"

namespace skep::match {
namespace {

constexpr uint64_t kSecond = 1'000'000'000;

CompiledSet compiled(const std::string& signature) {
  CompileContext context;
  context.services.push_back({"web", 0, true, {__NR_mount, __NR_listen}});
  context.resolve = resolve_nothing();
  const auto set = formats::parse_signature_file("t.yaml", "signatures:\n  - " + signature);
  EXPECT_TRUE(set) << set.error().message;
  auto made = compile({*set}, context);
  EXPECT_TRUE(made) << made.error().message;
  return std::move(*made);
}

skep_call call_of(uint32_t nr, uint8_t stage, uint64_t now_ns) {
  skep_call call{};
  call.nr = nr;
  call.stage = stage;
  call.now_ns = now_ns;
  return call;
}

TEST(AutomatonTest, EvidenceFallsHoweverOftenALittleIsAdded) {
  const CompiledSet set = compiled(
      "{signature: e, kind: evidence, by: process, half_life: 160s, weights: [{when: evt.type = mount, add: 1}], "
      "levels: [{at: 100}]}");
  skep_state state{};
  skep_renew_state(set.table.get(), 0, &state);
  for (uint64_t second = 1; second <= 10'000; ++second) {
    const skep_call call = call_of(__NR_mount, SKEP_STAGE_POST, second * kSecond);
    skep_add_evidence(set.table.get(), 0, &state, 0, &call);
  }
  // One point a second against a half-life of 160 s comes to rest at 160 / ln 2, about 231 points.
  EXPECT_GT(state.evidence.score / SKEP_SCORE_UNIT, 231 * 0.955);
  EXPECT_LT(state.evidence.score / SKEP_SCORE_UNIT, 231 * 1.045);
}

TEST(AutomatonTest, AThreadWhoseTimeIsOlderTakesNoEvidenceAway) {
  const CompiledSet set = compiled(
      "{signature: e, kind: evidence, by: process, half_life: 16s, weights: [{when: evt.type = mount, add: 10}], "
      "levels: [{at: 100}]}");
  skep_state state{};
  skep_renew_state(set.table.get(), 0, &state);
  for (const uint64_t now : {5 * kSecond, 5 * kSecond - 1}) {
    const skep_call call = call_of(__NR_mount, SKEP_STAGE_POST, now);
    skep_add_evidence(set.table.get(), 0, &state, 0, &call);
  }
  EXPECT_EQ(state.evidence.score, 20u * SKEP_SCORE_UNIT);
}

TEST(AutomatonTest, AThreadWhoseTimeIsOlderAdvancesTheRun) {
  const CompiledSet set =
      compiled("{signature: s, kind: sequence, maxspan: 10s, action: observe, steps: [{on: mount}, {on: umount2}]}");
  Engine engine(*set.table);
  skep_call first = call_of(__NR_mount, SKEP_STAGE_POST, 5 * kSecond);
  engine.judge(first, {});
  skep_call last = call_of(__NR_umount2, SKEP_STAGE_POST, 5 * kSecond - 1);
  EXPECT_EQ(engine.judge(last, {}).size(), 1u);
}

TEST(AutomatonTest, ABeginOfWhichNothingIsRememberedLeavesTheOthers) {
  const CompiledSet set = compiled(
      "{signature: s, kind: sequence, instances: 2, action: observe, steps: [{on: dup2, as: f}, {on: fchmod, where: "
      "fd.ino = $f.fd.ino}]}");
  Engine engine(*set.table);
  const auto with_file = [](uint32_t nr, uint64_t file) {
    skep_call call = call_of(nr, SKEP_STAGE_POST, kSecond);
    call.fields[SKEP_FIELD_FD_FILE] = file;
    call.has = uint64_t{1} << SKEP_FIELD_FD_FILE;
    return call;
  };
  skep_call first = with_file(__NR_dup2, 7);
  engine.judge(first, {});
  skep_call unknown = call_of(__NR_dup2, SKEP_STAGE_POST, kSecond);
  engine.judge(unknown, {});
  skep_call last = with_file(__NR_fchmod, 7);
  EXPECT_EQ(engine.judge(last, {}).size(), 1u);
}

TEST(AutomatonTest, OfTwoLevelsReachedByOneCallTheStrongerIsTaken) {
  const CompiledSet set = compiled(
      "{signature: seen, kind: evidence, by: process, weights: [{when: evt.type = mount, add: 10}], levels: [{at: 10}]}"
      "\n  - {signature: ended, kind: evidence, by: process, weights: [{when: evt.type = mount, add: 10}], levels: "
      "[{at: 10, action: kill}]}");
  Engine engine(*set.table);
  skep_call call = call_of(__NR_mount, SKEP_STAGE_POST, kSecond);
  const auto fired = engine.judge(call, {});
  ASSERT_EQ(fired.size(), 1u);
  EXPECT_EQ(fired[0].action, SKEP_KILLED);
}

TEST(AutomatonTest, WhatTwoLevelsRefuseIsRefusedOnce) {
  const CompiledSet set = compiled(
      "{signature: e, kind: evidence, by: process, weights: [{when: evt.type = umount2, add: 10}], levels: [{at: 10, "
      "deny_next: [mount]}, {at: 20, deny_next: [mount, execve]}]}"
      "\n  - {signature: refused, kind: evidence, by: process, weights: [{when: {signature: e}, add: 1}], levels: "
      "[{at: 2}]}");
  Engine engine(*set.table);
  for (int i = 0; i < 2; ++i) {
    skep_call adds = call_of(__NR_umount2, SKEP_STAGE_POST, kSecond);
    engine.judge(adds, {});
  }
  skep_call refused = call_of(__NR_mount, SKEP_STAGE_PRE, kSecond);
  EXPECT_EQ(engine.judge(refused, {}).size(), 1u) << "one point, not two";
  EXPECT_EQ(engine.judge(refused, {}).size(), 2u);
}

TEST(AutomatonTest, TheHookOfListenTakesWhatIsJudgedBefore) {
  const CompiledSet set = compiled("{signature: l, condition: evt.type = listen and fd.is_service_port = false}");
  Engine engine(*set.table);
  skep_call call = call_of(__NR_listen, SKEP_STAGE_HOOK, kSecond);
  call.has = uint64_t{1} << SKEP_FIELD_SERVICE_PORT;
  EXPECT_EQ(engine.judge(call, {}).size(), 1u);
}

}  // namespace
}  // namespace skep::match
