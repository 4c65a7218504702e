#include "proxy/reload.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/doc_page.h"

namespace skep::proxy {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr char kOptions[] = R"(archive: /var/lib/skep
services:
  - {name: web, listen: ["0.0.0.0:80"], address: 10.99.0.3:8080}
  - {name: ssh, listen: ["0.0.0.0:22"], address: 10.99.0.3:22}
)";

formats::ProxyOptions options_of(const std::string& text) {
  const auto options = formats::parse_proxy_options("proxy.yaml", text);
  EXPECT_TRUE(options) << options.error().message;
  return options.value_or(formats::ProxyOptions());
}

TEST(ReloadTest, TheSameOptionsChangeNothing) {
  const OptionsChange change = compare(options_of(kOptions), options_of(kOptions));
  EXPECT_THAT(change.keys, IsEmpty());
  EXPECT_THAT(change.fixed, IsEmpty());
  EXPECT_THAT(change.service_kept, ElementsAre(true, true));
}

TEST(ReloadTest, NamesWhatHasChangedAndWhatMayNot) {
  const auto next =
      options_of(std::string(kOptions) + "idle_timeout_ms: 7\nsegment_bytes: 2097152\nmetrics: 127.0.0.1:9\n");
  const OptionsChange change = compare(options_of(kOptions), next);
  EXPECT_THAT(change.keys, ElementsAre("idle_timeout_ms"));
  EXPECT_THAT(change.fixed, ElementsAre("metrics", "segment_bytes"));
  EXPECT_EQ(
      refusal_of(change.fixed),
      "metrics, segment_bytes cannot change while skep-proxy runs: nothing was changed; set them back, or restart "
      "it");
  EXPECT_THAT(compare(next, options_of(kOptions)).fixed, ElementsAre("metrics", "segment_bytes")) << "and back";
}

TEST(ReloadTest, AServiceIsKeptWhereNothingOfItHasChanged) {
  const auto next = options_of(R"(archive: /var/lib/skep
services:
  - {name: ssh, listen: ["0.0.0.0:22"], address: 10.99.0.3:22}
  - {name: web, listen: ["0.0.0.0:80"], address: 10.99.0.3:8080, on_alert: cut}
  - {name: ftp, listen: ["0.0.0.0:21"], address: 10.99.0.3:21}
)");
  const OptionsChange change = compare(options_of(kOptions), next);
  EXPECT_THAT(change.service_kept, ElementsAre(true, false, false));
  EXPECT_THAT(change.keys, ElementsAre("services"));
}

TEST(ReloadTest, WhatDecidesWhereTheLogLiesOrWhoReadsItNeverChanges) {
  for (const char* key : {"archive", "keys", "socket", "user", "baits", "source_ports", "segment_bytes", "metrics",
                          "a key of a later version"})
    EXPECT_FALSE(may_change(key)) << key;
}

TEST(ReloadTest, ThePageNamesTheKeysThatMayChange) {
  const std::string page = source_text("docs/reference/reload.md");
  const auto rows = table_rows(section(page, "What may change"));
  ASSERT_FALSE(rows.empty());
  for (const auto& row : rows) EXPECT_TRUE(may_change(row[0].substr(1, row[0].size() - 2))) << row[0];
  for (const char* key : {"services", "log", "idle_timeout_ms", "session_bytes_max"})
    EXPECT_THAT(page, testing::HasSubstr(fmt::format("| `{}` |", key)));
}

}  // namespace
}  // namespace skep::proxy
