#include "proxy/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <regex>
#include <set>

#include "base/doc_page.h"

namespace skep::proxy {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Picture busy() {
  Picture picture;
  picture.uptime_ns = 90'000'000'000;
  picture.counters.opened("web");
  picture.counters.opened("ftp");
  picture.counters.ended("web", EndReason::client_closed, 17, 4000);
  picture.counters.refused("web", "sessions_max");
  picture.counters.alert("a\"rule\\\nwith everything\x1b");
  picture.whole.health.bytes = 4096;
  picture.whole.monitor_away = true;
  picture.baits.push_back({"bait1", true, 1, 7, "{}"});
  return picture;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  for (const std::string_view line : split(text, '\n')) {
    if (!line.empty()) lines.emplace_back(line);
  }
  return lines;
}

// The grammar of the text format, as far as we use it.
TEST(MetricsTest, EveryLineIsOfTheFormatAndEveryFamilyIsSaidOnce) {
  const std::regex head(R"(# (HELP|TYPE) (skep_[a-z_]+) .+)");
  const std::regex sample(
      R"((skep_[a-z_]+)(\{[a-z]+="([^"\\\n]|\\\\|\\"|\\n)*"(,[a-z]+="([^"\\\n]|\\\\|\\"|\\n)*")*\})? [0-9]+)");
  std::multiset<std::string> heads;
  std::set<std::string> series;
  for (const std::string& line : lines_of(metrics_text(busy()))) {
    std::smatch match;
    if (std::regex_match(line, match, head)) {
      heads.insert(match[1].str() + match[2].str());
      continue;
    }
    ASSERT_TRUE(std::regex_match(line, match, sample)) << line;
    EXPECT_EQ(heads.count("TYPE" + match[1].str()), 1u) << line;
    EXPECT_TRUE(series.insert(line.substr(0, line.rfind(' '))).second) << "twice: " << line;
  }
  for (const MetricFamily& family : metric_families()) {
    EXPECT_EQ(heads.count("HELP" + std::string(family.name)), 1u) << family.name;
    EXPECT_EQ(family.type == "counter", family.name.ends_with("_total")) << family.name;
  }
}

TEST(MetricsTest, SaysWhatHasHappened) {
  const std::string text = metrics_text(busy());
  for (const char* line : {
           "skep_uptime_seconds 90\n",
           "skep_sessions_live{service=\"ftp\"} 1\n",
           "skep_sessions_live{service=\"web\"} 0\n",
           "skep_sessions_opened_total{service=\"web\"} 2\n",
           "skep_sessions_by_class{service=\"web\",class=\"harmless\"} 2\n",
           "skep_sessions_ended_total{service=\"web\",reason=\"client-closed\"} 1\n",
           "skep_received_bytes_total{service=\"web\",from=\"bait\"} 4000\n",
           "skep_limit_hits_total{limit=\"sessions_max\"} 1\n",
           "skep_degraded{state=\"monitor-away\"} 1\n",
           "skep_degraded{state=\"disk-full\"} 0\n",
           "skep_monitor_events_lost_total{bait=\"bait1\"} 7\n",
       })
    EXPECT_THAT(text, HasSubstr(line));
}

TEST(MetricsTest, ALabelThatAMonitorMadeUpBreaksNoLine) {
  EXPECT_THAT(metrics_text(busy()), HasSubstr(R"(skep_alerts_total{rule="a\"rule\\\\nwith everything\\x1b"} 1)"
                                              "\n"));
  Picture picture;
  picture.counters.alert(std::string(10'000, 'x'));
  for (const std::string& line : lines_of(metrics_text(picture))) EXPECT_LT(line.size(), 300u);
}

TEST(MetricsTest, ThePageNamesEveryFamily) {
  std::vector<std::vector<std::string>> wanted;
  for (const MetricFamily& family : metric_families()) {
    wanted.push_back({fmt::format("`{}`", family.name), std::string(family.type), std::string(family.labels),
                      std::string(family.help)});
  }
  wanted.push_back(
      {"`skep_metrics_age_seconds`", "gauge", "", "Time since the proxy's loop has renewed these figures."});
  EXPECT_THAT(table_rows(source_text("docs/reference/metrics.md")), testing::ElementsAreArray(wanted));
}

// Prometheus' own judgement, where it is installed.
TEST(MetricsTest, PromtoolHasNothingToSay) {
  if (::access("/usr/bin/promtool", X_OK) != 0) GTEST_SKIP() << "promtool (package prometheus) is not installed";
  std::FILE* promtool = ::popen("/usr/bin/promtool check metrics 2>&1 >/dev/null", "w");
  ASSERT_NE(promtool, nullptr);
  std::fputs(metrics_text(busy()).c_str(), promtool);
  EXPECT_EQ(::pclose(promtool), 0);
}

}  // namespace
}  // namespace skep::proxy
