#include "proxy/session_filter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "formats/rule_file.h"

namespace skep::proxy {
namespace {

using formats::FilterAction;
using formats::Hold;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;
using Pass = Sieve::Pass;

// Two that suppress, one that tags, one that is decided at the end.
constexpr char kRules[] =
    "alert tcp any any -> any any (msg:\"known\"; content:\"/known\"; reference:cve,2004-1; sid:1;)\n"
    "alert tcp any any -> any any (msg:\"known, too\"; content:\"/known/2\"; reference:cve,2004-2; sid:2;)\n"
    "alert tcp any any -> any any (msg:\"a way\"; content:\"AAAA\"; sid:3;)\n";

class SessionFilterTest : public testing::Test {
 protected:
  void SetUp() override {
    formats::RuleVariables variables = formats::default_rule_variables();
    formats::RuleFile file = formats::parse_rule_file("test.rules", kRules, variables);
    ASSERT_THAT(file.refused, IsEmpty());
    std::vector<payload::GivenRule> given;
    for (formats::LoadedRule& rule : file.rules) {
      const formats::RuleGrading grading = formats::grade(rule.rule, "test.rules", {});
      given.push_back({std::move(rule.rule), "test.rules", rule.line, grading});
    }
    auto set = payload::RuleSet::make(std::move(given), {});
    ASSERT_TRUE(set) << set.error().message;
    ASSERT_THAT((*set)->refused(), IsEmpty());
    plan_.rules = *set;
    plan_.samples_a_day = 100;
  }
  SessionFilter filter() {
    return {std::make_shared<const FilterPlan>(plan_),
            {*parse_endpoint("192.0.2.1:4000"), *parse_endpoint("192.0.2.2:80")},
            {scratch_, counters_, places_},
            0};
  }
  static SessionFilter::Standing standing(size_t unsent, bool untouched = true) { return {unsent, untouched, 0, 0}; }
  static std::vector<std::pair<uint32_t, HitAction>> told(const SessionFilter::Outcome& outcome) {
    std::vector<std::pair<uint32_t, HitAction>> all;
    for (const RuleHit& hit : outcome.hits) all.emplace_back(hit.sid, hit.action);
    std::sort(all.begin(), all.end());
    return all;
  }

  FilterPlan plan_;
  payload::Scratch scratch_;
  FilterCounters counters_;
  FilterPlaces places_;
};

TEST_F(SessionFilterTest, ASpecificRuleSuppressesAGenericOneTags) {
  SessionFilter session = filter();
  const auto generic = session.came(as_bytes("AAAA"), standing(4));
  EXPECT_EQ(generic.decision.pass, Pass::forward);
  EXPECT_THAT(told(generic), ElementsAre(std::pair(3u, HitAction::tagged)));
  const auto both = session.came(as_bytes("GET /known/2"), standing(12));
  EXPECT_EQ(both.decision.pass, Pass::suppress);
  EXPECT_THAT(told(both), ElementsAre(std::pair(1u, HitAction::reset), std::pair(2u, HitAction::reset)));
  EXPECT_THAT(session.came(as_bytes("AAAA"), standing(4)).hits, IsEmpty()) << "nothing is looked at any more";
  EXPECT_EQ(counters_.hits[static_cast<size_t>(HitAction::reset)], 2u);
  EXPECT_EQ(counters_.rules["1:3"], 1u);
  EXPECT_EQ(counters_.samples, 1u);
}

TEST_F(SessionFilterTest, EachActionWhereItCanBeDoneElseAReset) {
  struct Row {
    const char* description;
    FilterAction action;
    bool untouched;
    uint32_t tarpits_max;
    HitAction expected;
    size_t notes;
  };
  for (const Row& row : {Row{"drop", FilterAction::drop, false, 1, HitAction::dropped, 0},
                         Row{"reset", FilterAction::reset, true, 1, HitAction::reset, 0},
                         Row{"tarpit", FilterAction::tarpit, false, 1, HitAction::tarpitted, 0},
                         Row{"a full tarpit", FilterAction::tarpit, true, 0, HitAction::reset, 1},
                         Row{"divert", FilterAction::divert, true, 1, HitAction::diverted, 0},
                         Row{"too late to divert", FilterAction::divert, false, 1, HitAction::reset, 1}}) {
    plan_.action = row.action;
    plan_.tarpits_max = row.tarpits_max;
    SessionFilter session = filter();
    const auto outcome = session.came(as_bytes("/known"), standing(6, row.untouched));
    EXPECT_EQ(outcome.action, row.expected) << row.description;
    EXPECT_THAT(outcome.notes, SizeIs(row.notes)) << row.description;
    EXPECT_EQ(places_.tarpit.taken(), row.expected == HitAction::tarpitted ? 1u : 0u) << row.description;
  }
  EXPECT_EQ(places_.tarpit.taken(), 0u) << "given back";
}

TEST_F(SessionFilterTest, TheFirstSamplesOfARuleADayAreKeptWhole) {
  plan_.samples_a_day = 2;
  const auto kept = [&](std::string_view bytes, int64_t day) {
    SessionFilter session = filter();
    SessionFilter::Standing now = standing(bytes.size());
    now.realtime_ns = day * 86'400'000'000'000;
    EXPECT_EQ(session.came(as_bytes(bytes), now).decision.pass, Pass::suppress);
    return session.recorded();
  };
  EXPECT_TRUE(kept("/known", 1));
  EXPECT_TRUE(kept("/known", 1));
  EXPECT_FALSE(kept("/known", 1));
  EXPECT_TRUE(kept("/known", 2));
  EXPECT_EQ(counters_.headers, 1u);
}

TEST_F(SessionFilterTest, WhatItLooksAtNoFurtherIsSaidOnceAndGoesOn) {
  plan_.limits.bytes_max = 4;
  SessionFilter session = filter();
  const auto first = session.came(as_bytes("GET /known"), standing(10));
  EXPECT_EQ(first.decision.pass, Pass::forward);
  EXPECT_THAT(first.notes, ElementsAre("scanned to byte 4: bytes"));
  EXPECT_THAT(session.came(as_bytes("/known"), standing(6)).notes, IsEmpty());
  EXPECT_EQ(counters_.stopped["bytes"], 1u);
}

TEST_F(SessionFilterTest, ATrapDecidesOnceAndSuppressesNothing) {
  using Way = SessionFilter::Way;
  struct Row {
    const char* description;
    bool on_any;
    std::vector<const char*> bytes;
    Way expected;
    HitAction last;
  };
  plan_.mode = formats::ServiceMode::trap;
  plan_.sieve.hold = Hold::line;
  for (const Row& row :
       {Row{"a rule", true, {"GET /kn", "own\n"}, Way::bait, HitAction::trapped},
        Row{"a generic one, where any counts", true, {"AAAA"}, Way::bait, HitAction::trapped},
        Row{"… and where it does not", false, {"AAAA\n"}, Way::production, HitAction::tagged},
        Row{"a rule behind the first line", true, {"hello\n", "/known"}, Way::production, HitAction::late},
        Row{"a second one", true, {"/known", "AAAA"}, Way::bait, HitAction::tagged}}) {
    plan_.on_any = row.on_any;
    SessionFilter session = filter();
    SessionFilter::Outcome outcome;
    for (const char* bytes : row.bytes) {
      EXPECT_NE(outcome.decision.pass, Pass::suppress) << row.description;
      outcome = session.came(as_bytes(bytes), standing(4));
    }
    EXPECT_EQ(outcome.decision.pass, Pass::forward) << row.description;
    EXPECT_EQ(session.way(), row.expected) << row.description;
    ASSERT_THAT(outcome.hits, SizeIs(1)) << row.description;
    EXPECT_EQ(outcome.hits[0].action, row.last) << row.description;
    EXPECT_EQ(session.due_ns(), 0) << row.description;
  }
}

TEST_F(SessionFilterTest, WhoSaysNothingToATrapGoesToProduction) {
  plan_.mode = formats::ServiceMode::trap;
  SessionFilter silent = filter();
  EXPECT_EQ(silent.due_ns(), plan_.sieve.ns_max);
  (void)silent.due(plan_.sieve.ns_max);
  EXPECT_EQ(silent.way(), SessionFilter::Way::production);
  SessionFilter gone = filter();
  EXPECT_THAT(gone.finished(standing(0)).hits, IsEmpty());
  EXPECT_EQ(gone.way(), SessionFilter::Way::production);
}

TEST_F(SessionFilterTest, ASwitchNamesItsRuleOnceAndHoldsNothing) {
  plan_.mode = formats::ServiceMode::switching;
  plan_.sieve.hold = Hold::line;
  SessionFilter session = filter();
  EXPECT_EQ(session.came(as_bytes("no line"), standing(7)).decision.pass, Pass::forward);
  EXPECT_FALSE(session.take_switch());
  EXPECT_THAT(told(session.came(as_bytes("/known"), standing(6))), ElementsAre(std::pair(1u, HitAction::switched)));
  EXPECT_EQ(session.take_switch().value_or(RuleHit{}).sid, 1u);
  EXPECT_FALSE(session.take_switch());
}

TEST_F(SessionFilterTest, TheSameHoweverTheBytesWereCut) {
  SessionFilter session = filter();
  const std::string bytes = "GET /known";
  for (size_t i = 0; i < bytes.size(); ++i) {
    const auto outcome = session.came(as_bytes(bytes).subspan(i, 1), standing(1));
    EXPECT_EQ(outcome.decision.pass, i + 1 < bytes.size() ? Pass::forward : Pass::suppress) << i;
  }
}

}  // namespace
}  // namespace skep::proxy
