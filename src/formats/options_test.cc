#include "formats/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace skep::formats {
namespace {

using testing::HasSubstr;

constexpr char kProxy[] = R"(archive: /var/lib/skep
keys: /etc/skep/keys
baits:
  - {name: bait1, monitor: 10.99.0.3:7443}
services:
  - name: web
    listen: ["0.0.0.0:80", "[::]:80"]
    bait: bait1
    address: 10.99.0.3:8080
    on_alert: cut
source_ports: 40000-40031
durability: forward-after-disk
log: {format: json, level: warning}
metrics: 127.0.0.1:9464
compress_after_s: 5
retention: {days: 90, bytes: 500000000000}
)";

constexpr char kMonitor[] = R"(listen: 10.99.0.3:7443
keys: /etc/skep/keys
services:
  - name: web
    command: [/usr/sbin/webd, -p, "8080"]
    port: 8080
    app_groups: [cgi]
app_groups:
  - {name: cgi, programs: ["/usr/lib/cgi-bin/*"]}
)";

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos);
  return text.replace(at, from.size(), to);
}

TEST(ProxyOptionsTest, ReadsTheLeastThatWorks) {
  const auto options = parse_proxy_options("proxy.yaml", kProxy);
  ASSERT_TRUE(options) << options.error().message;
  EXPECT_EQ(options->services[0].listen.size(), 2u);
  ASSERT_EQ(options->services[0].baits.size(), 1u);
  EXPECT_EQ(to_string(options->services[0].baits[0].address), "10.99.0.3:8080");
  EXPECT_EQ(options->services[0].on_alert, OnAlert::cut);
  EXPECT_EQ(options->socket, "/var/lib/skep/proxy.sock");
  EXPECT_EQ(options->source_port_last, 40031);
  EXPECT_EQ(options->durability, Durability::disk);
  EXPECT_EQ(to_string(*options->metrics), "127.0.0.1:9464");
  EXPECT_EQ(options->compress_after_s, 5u);
  EXPECT_EQ(options->retention.days, 90u);
  EXPECT_EQ(options->retention.bytes, 500'000'000'000u);
  EXPECT_EQ(options->log.format, log::Format::json);
  EXPECT_EQ(options->log.level, log::Level::warning);
}

constexpr char kFiltered[] = R"(archive: /var/lib/skep
services:
  - {name: web, listen: ["0.0.0.0:80"], address: 10.99.0.3:80, filter: {action: drop, hold: line}}
  - {name: ftp, listen: ["0.0.0.0:21"], address: 10.99.0.3:21, filter: off}
filter:
  rules: [/etc/skep/rules/*.rules]
  grades: {sid: {1002: specific}, classtype: {attempted-recon: specific}, file: {/etc/skep/rules/own.rules: generic}}
  variables: {HTTP_PORTS: "[80,8080]"}
  action: divert
  divert_to: 10.99.0.4:80
  hold: http-head
  hold_bytes: 4096
  hold_ms: 100
  tarpit_ms: 1000
  tarpits_max: 7
  samples_per_rule_per_day: 3
  scan_bytes_max: 1000000
  sources: [{file: /etc/skep/scanners, name: scanners, action: drop}]
  allow: [192.0.2.0/24, /etc/skep/ours]
)";

TEST(ProxyOptionsTest, ReadsAFilterAndWhatAServiceHasOtherwise) {
  const auto options = parse_proxy_options("proxy.yaml", kFiltered);
  ASSERT_TRUE(options) << options.error().message;
  ASSERT_TRUE(options->filter);
  const FilterOptions& filter = *options->filter;
  EXPECT_EQ(filter.grades.by_sid.at(1002), RuleGrade::specific);
  EXPECT_EQ(filter.grades.by_file.at("/etc/skep/rules/own.rules"), RuleGrade::generic);
  EXPECT_EQ(filter.variables.at("HTTP_PORTS"), "[80,8080]");
  EXPECT_EQ(filter.action, FilterAction::divert);
  EXPECT_EQ(to_string(*filter.divert_to), "10.99.0.4:80");
  EXPECT_EQ(filter.hold, Hold::http_head);
  EXPECT_EQ(filter.samples_per_rule_per_day, 3u);
  EXPECT_EQ(filter.sources.at(0).action, SourceAction::drop);
  EXPECT_EQ(options->services[0].filter.action, FilterAction::drop);
  EXPECT_EQ(options->services[0].filter.hold, Hold::line);
  EXPECT_TRUE(options->services[1].filter.off);
  const std::string text = effective_yaml(*options);
  const auto again = parse_proxy_options("effective", text);
  ASSERT_TRUE(again) << again.error().message << text;
  EXPECT_EQ(effective_yaml(*again), text);
}

constexpr char kTrap[] = R"(archive: /var/lib/skep
services:
  - {name: web, listen: ["0.0.0.0:80"], address: 10.99.0.3:80, mode: trap, production: 10.99.0.5:80, trap_on: specific}
  - {name: ftp, listen: ["0.0.0.0:30000-30009"], address: 10.99.0.3:30000-30009, mode: switch, production: 10.99.0.5:30000-30009}
filter: {rules: [/etc/skep/rules/own.rules], switch_ms: 1000, switched_max: 10, switch_prefix_v4: 24}
)";

TEST(ProxyOptionsTest, ReadsTrapAndSwitch) {
  const auto options = parse_proxy_options("proxy.yaml", kTrap);
  ASSERT_TRUE(options) << options.error().message;
  EXPECT_EQ(options->services[0].mode, ServiceMode::trap);
  EXPECT_FALSE(options->services[0].trap_on_any);
  EXPECT_EQ(options->services[1].mode, ServiceMode::switching);
  EXPECT_EQ(to_string(options->services[1].production), "10.99.0.5:30000-30009");
  EXPECT_EQ(options->filter->switch_prefix_v4, 24u);
  const std::string text = effective_yaml(*options);
  const auto again = parse_proxy_options("effective", text);
  ASSERT_TRUE(again) << again.error().message << text;
  EXPECT_EQ(effective_yaml(*again), text);
  const std::pair<const char*, const char*> mistakes[] = {
      {", production: 10.99.0.5:80", ""},   {"mode: trap", "mode: bait"},
      {"mode: trap", "mode: trapp"},        {"filter: {rules: [/etc/skep/rules/own.rules], ", "filter: {"},
      {"trap_on: specific", "filter: off"}, {"production: 10.99.0.5:30000-30009", "production: 10.99.0.5:30000-30008"}};
  for (const auto& [from, to] : mistakes)
    EXPECT_FALSE(parse_proxy_options("proxy.yaml", replaced(kTrap, from, to))) << to;
}

TEST(ProxyOptionsTest, SaysWhatIsWrongWithAFilter) {
  struct Row {
    const char* description;
    const char* from;
    const char* to;
    const char* words;
  };
  for (const Row& row :
       {Row{"an action", "action: divert", "action: vanish", "drop, reset, tarpit, divert, found 'vanish'"},
        Row{"no address", "  divert_to: 10.99.0.4:80\n", "", "divert wants to know where"},
        Row{"a grade", "1002: specific", "1002: sure", "'sure' is none of specific, generic"},
        Row{"a sid", "1002: specific", "x: specific", "'x' is no rule's number"},
        Row{"a key", "tarpits_max", "tarpit_max", "did you mean"},
        Row{"a list without a name", ", name: scanners", "", "name"},
        Row{"a service's", "filter: off", "filter: none", "wants `off`, or a map"},
        Row{"a number", "hold_ms: 100", "hold_ms: 0", "hold_ms"}}) {
    const auto options = parse_proxy_options("proxy.yaml", replaced(kFiltered, row.from, row.to));
    ASSERT_FALSE(options) << row.description;
    EXPECT_THAT(options.error().message, HasSubstr(row.words)) << row.description;
  }
}

TEST(ProxyOptionsTest, EffectiveOptionsReadBackAreTheSame) {
  const auto options = parse_proxy_options("proxy.yaml", kProxy);
  ASSERT_TRUE(options);
  const std::string text = effective_yaml(*options);
  const auto again = parse_proxy_options("effective", text);
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(effective_yaml(*again), text);
}

struct Mistake {
  const char* description;
  const char* from;
  const char* to;
  const char* words;
};

TEST(ProxyOptionsTest, SaysWhatIsWrongAndWhere) {
  const Mistake mistakes[] = {
      {"no such durability", "forward-after-disk", "sometimes",
       "proxy.yaml:12: durability: wants forward or forward-after-disk, found 'sometimes'"},
      {"unknown key", "on_alert: cut", "on_alrt: cut",
       "proxy.yaml:10: a service: unknown key 'on_alrt'; did you mean 'on_alert'?"},
      {"wrong type", "archive: /var/lib/skep", "archive: [x]", "proxy.yaml:1: archive: wants a text, found a list"},
      {"no such bait", "bait: bait1", "bait: bait2", "no bait is named 'bait2'; did you mean 'bait1'?"},
      {"no address", "address: 10.99.0.3:8080", "address: webhost", "'webhost' is no address:port"},
      {"missing key", "    address: 10.99.0.3:8080\n", "", "'address' is missing"},
      {"no such level", "log: {format: json, level: warning}", "log: {level: loud}",
       "proxy.yaml:13: level: wants one of debug, info, warning, error, found 'loud'"},
      {"no such key of the log", "log: {format: json, level: warning}", "log: {levle: info}", "did you mean 'level'?"},
      {"bad range", "40000-40031", "40031-40000", "wants a range"},
      {"twice", "keys: /etc/skep/keys", "archive: /b", "'archive' is there twice"},
      {"not yaml", "archive: /var", "archive: [/var", "proxy.yaml:"},
  };
  for (const Mistake& mistake : mistakes) {
    const auto options = parse_proxy_options("proxy.yaml", replaced(kProxy, mistake.from, mistake.to));
    ASSERT_FALSE(options) << mistake.description;
    EXPECT_THAT(options.error().message, HasSubstr(mistake.words)) << mistake.description;
  }
}

TEST(MonitorOptionsTest, ReadsTheLeastThatWorks) {
  const auto options = parse_monitor_options("monitor.yaml", kMonitor);
  ASSERT_TRUE(options) << options.error().message;
  EXPECT_TRUE(options->builtin_signatures);
  EXPECT_EQ(options->services[0].ports, std::vector<uint16_t>{8080});
  EXPECT_EQ(effective_yaml(*parse_monitor_options("e", effective_yaml(*options))), effective_yaml(*options));
}

TEST(MonitorOptionsTest, AServiceIsLaunchedOrAdoptedNotBoth) {
  const auto options =
      parse_monitor_options("monitor.yaml", replaced(kMonitor, "port: 8080", "port: 8080\n    pid: 7"));
  ASSERT_FALSE(options);
  EXPECT_THAT(options.error().message, HasSubstr("exactly one of command, pid, cgroup"));
}

TEST(MonitorOptionsTest, AnAdoptedServiceInterceptsNothing) {
  const auto options = parse_monitor_options(
      "monitor.yaml", replaced(kMonitor, "command: [/usr/sbin/webd, -p, \"8080\"]", "pid: 7\n    intercept: [socket]"));
  ASSERT_FALSE(options);
  EXPECT_THAT(options.error().message, HasSubstr("intercept: wants a command"));
}

TEST(YamlTest, RefusesWhatIsNestedWithoutEnd) {
  EXPECT_FALSE(parse_proxy_options("deep", std::string(100'000, '[')));
  std::string dashes;
  for (int i = 0; i < 50'000; ++i) dashes += "- ";
  EXPECT_FALSE(parse_proxy_options("deep", dashes));
}

TEST(YamlTest, RefusesAFewLinesThatStandForMoreThanMemoryHolds) {
  std::string laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 20; ++i)
    laughs += fmt::format("a{0}: &a{0} [*a{1}, *a{1}, *a{1}, *a{1}, *a{1}, *a{1}, *a{1}, *a{1}]\n", i, i - 1);
  EXPECT_FALSE(parse_proxy_options("laughs", laughs));
}

TEST(YamlTest, SaysOnceThatSomethingElseStandsWhereAMapIsWanted) {
  const auto services = parse_monitored_services("s.yaml", "- - 0");
  ASSERT_FALSE(services);
  EXPECT_EQ(services.error().message, "s.yaml:1: a service wants a map, found a list");
}

TEST(YamlTest, ComesToAnEndWhereTheLibraryFindsDocumentsWithoutEnd) {
  EXPECT_FALSE(parse_proxy_options("broken", std::string(",-\x1f\0", 4)));
  EXPECT_FALSE(parse_proxy_options("two", "archive: /a\n---\narchive: /b\n"));
}

}  // namespace
}  // namespace skep::formats
