#include "proxy/picture.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace skep::proxy {
namespace {

using testing::HasSubstr;

TEST(PictureTest, StatusKeepsTheNamesThatScriptsUse) {
  Picture picture;
  picture.archive = "/a";
  picture.counters.opened("web");
  picture.counters.refused("web", "sessions_max");
  picture.baits.push_back({"bait1", false, 0, 0, R"({"name":"bait1"})"});
  picture.upstreams.push_back({"web", "bait1", "10.99.0.3:80", true, 3});
  picture.waiting_for_header = 2;
  picture.whole.monitor_away = true;
  const std::string json = status_json(picture);
  for (const char* words :
       {R"("program":"skep-proxy","archive":"/a")", R"("sessions_live":1,"sessions_total":2,"sessions_refused":1)",
        R"("waiting_for_port":0)", R"("records_lost":0,"bytes_lost":0,"bytes_recorded":0)",
        R"("baits":[{"name":"bait1"}],"waiting_for_header":2,"upstreams":[{"service":"web","bait":"bait1",)"
        R"("address":"10.99.0.3:80","left_out":true,"failures":3}],"degraded":["monitor-away"])",
        R"("limits":{"sessions_max":1})",
        R"("services":[{"name":"web","live":1,"sessions":2,"classes":{"harmless":2},"ended":{"limit":1})"})
    EXPECT_THAT(json, HasSubstr(words));
}

TEST(PictureTest, EveryStateThatIsNotWholeIsNamedAsTheDesignNamesIt) {
  Wholeness whole;
  EXPECT_TRUE(degraded_states(whole).empty());
  whole.health.disk_full = whole.health.ring_behind = whole.out_of_descriptors = whole.monitor_away = true;
  for (const std::string_view state : degraded_states(whole)) EXPECT_THAT(kDegradedStates, testing::Contains(state));
  EXPECT_EQ(degraded_states(whole).size(), 4u);
}

TEST(CountersTest, ASessionsClassMovesAndTheSumStays) {
  Counters counters;
  counters.opened("web");
  counters.opened("web");
  counters.raised("web", SessionClass::harmless, SessionClass::suspect);
  counters.raised("web", SessionClass::suspect, SessionClass::attack);
  counters.raised("web", SessionClass::suspect, SessionClass::attack);  // of a session that was never counted
  const ServiceCounters& web = counters.services["web"];
  EXPECT_EQ(web.classes, (std::array<uint64_t, 4>{0, 1, 0, 1}));
}

TEST(CountersTest, RulesThatAMonitorMakesUpAreBounded) {
  Counters counters;
  for (int i = 0; i < 1000; ++i) counters.alert(std::to_string(i));
  EXPECT_EQ(counters.alerts.size(), Counters::kRulesMax + 1);
  EXPECT_EQ(counters.alerts["other"], 1000 - Counters::kRulesMax);
  counters.alert("0");
  EXPECT_EQ(counters.alerts["0"], 2u);
}

TEST(CountersTest, SeveralShardsAddUp) {
  Counters one;
  Counters two;
  one.opened("web");
  one.ended("web", EndReason::timeout, 3, 4);
  two.refused("ssh", "descriptors");
  one += two;
  one += one;
  EXPECT_EQ(one.sessions_total, 4u);
  EXPECT_EQ(one.services["web"].bytes_out, 8u);
  EXPECT_EQ(one.services["web"].live, 0u);
  EXPECT_EQ(one.limits["descriptors"], 2u);
}

}  // namespace
}  // namespace skep::proxy
