#include <asm/unistd_64.h>
#include <gtest/gtest.h>

#include <string>

#include "formats/signature_file.h"
#include "match/automaton.h"
#include "match/builtin.h"
#include "match/compile.h"
#include "match/intercepts.h"

namespace skep::match {
namespace {

CompiledSet compiled(const std::string& text, const std::string& name = "test") {
  const auto set = formats::parse_signature_file(name, text);
  SKEP_CHECK(set);
  const auto base = base_intercepts();
  CompileContext context;
  context.services.push_back({"web", 0, true, std::vector<uint16_t>(base.begin(), base.end())});
  context.resolve = resolve_nothing();
  auto done = compile({*set}, context);
  SKEP_CHECK(done);
  return std::move(*done);
}

CompiledSet one(const std::string& condition) {
  return compiled("signatures:\n  - {signature: s, condition: \"" + condition + "\", action: observe}\n");
}

skep_call call_of(uint32_t nr, std::initializer_list<std::pair<skep_field, uint64_t>> fields) {
  skep_call call{};
  call.nr = nr;
  call.stage = SKEP_STAGE_POST;
  for (const auto& [field, value] : fields) {
    call.fields[field] = value;
    call.has |= uint64_t{1} << field;
  }
  return call;
}

bool admits(const CompiledSet& set, const skep_call& call) {
  return skep_guards_admit(set.table.get(), &call) != 0;
}

bool admits_result(const CompiledSet& set, int64_t result) {
  return admits(set, call_of(__NR_dup, {{SKEP_FIELD_RESULT, static_cast<uint64_t>(result)}}));
}

TEST(GuardsTest, SignedLimitsAreSigned) {
  const CompiledSet below = one("evt.type = dup and evt.res < -2");
  EXPECT_TRUE(admits_result(below, -3));
  EXPECT_FALSE(admits_result(below, -2));
  EXPECT_FALSE(admits_result(below, 7));
  const CompiledSet above = one("evt.type = dup and evt.res > 2");
  EXPECT_TRUE(admits_result(above, 3));
  EXPECT_FALSE(admits_result(above, 2));
  EXPECT_FALSE(admits_result(above, -1));
}

TEST(GuardsTest, AListIsTheRunsOfItsValues) {
  const CompiledSet set = one("evt.type = dup and evt.res in (0, 1, 2, 1030)");
  EXPECT_EQ(set.table->guarded[__NR_dup].count, 2);
  for (const int64_t in : {0, 1, 2, 1030}) EXPECT_TRUE(admits_result(set, in)) << in;
  for (const int64_t out : {-1, 3, 1029, 1031}) EXPECT_FALSE(admits_result(set, out)) << out;
}

TEST(GuardsTest, OfAConjunctionTheNarrowest) {
  const CompiledSet set = one("evt.type = dup and evt.res > 0 and evt.arg.0 = 5 and user.uid = 0");
  EXPECT_TRUE(admits(set, call_of(__NR_dup, {{SKEP_FIELD_ARG0, 5}})));
  EXPECT_FALSE(admits(set, call_of(__NR_dup, {{SKEP_FIELD_ARG0, 6}, {SKEP_FIELD_RESULT, 1}})));
}

TEST(GuardsTest, WhatMayMatchWithoutThemHasNone) {
  EXPECT_EQ(one("evt.type = dup and user.uid = 0").table->guarded[__NR_dup].count, 0);
  EXPECT_EQ(one("evt.type = dup and (evt.res = 0 or user.uid = 0)").table->guarded[__NR_dup].count, 0);
  EXPECT_EQ(one("evt.type = dup and evt.res in (0, 2, 4, 6, 8)").table->guarded[__NR_dup].count, 0) << "too many";
  EXPECT_TRUE(admits_result(one("evt.type = dup and user.uid = 0"), 12));
}

TEST(GuardsTest, OfSeveralSignaturesEach) {
  const CompiledSet set = compiled(
      "signatures:\n"
      "  - {signature: a, condition: evt.type = dup and evt.res = 1, action: observe}\n"
      "  - {signature: b, condition: evt.type = dup and evt.arg.0 = 9, action: observe}\n");
  EXPECT_TRUE(admits_result(set, 1));
  EXPECT_TRUE(admits(set, call_of(__NR_dup, {{SKEP_FIELD_ARG0, 9}})));
  EXPECT_FALSE(admits_result(set, 2));
}

// A server writes and asks for its descriptors' flags all day.
TEST(GuardsTest, OfTheBuiltInSetAnOrdinaryWriteEndsThere) {
  const CompiledSet set = compiled(std::string(builtin_yaml()), kBuiltinName);
  EXPECT_FALSE(admits(set, call_of(__NR_write, {{SKEP_FIELD_RESULT, 64}, {SKEP_FIELD_DATA, 0x50545448}})));
  EXPECT_FALSE(admits(set, call_of(__NR_fcntl, {{SKEP_FIELD_RESULT, 2}, {SKEP_FIELD_ARG0, 7}, {skep_field(2), 3}})));
}

}  // namespace
}  // namespace skep::match
