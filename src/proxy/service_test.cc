#include "proxy/service.h"

#include <gtest/gtest.h>

namespace skep::proxy {
namespace {

formats::ServiceOptions service_named(const std::string& name, const std::string& linked_to = "") {
  formats::ServiceOptions service;
  service.name = name;
  service.linked_to = linked_to;
  service.baits = {{"", *formats::parse_endpoint_range("127.0.0.1:1")}};
  return service;
}

formats::ProxyOptions options_of(std::vector<formats::ServiceOptions> services) {
  formats::ProxyOptions options;
  options.services = std::move(services);
  return options;
}

TEST(SettingsTest, AServiceThatStaysKeepsItsNumberAndItsRoute) {
  const auto first = first_settings(options_of({service_named("web"), service_named("ftp")}));
  const auto next = next_settings(*first, options_of({service_named("ftp"), service_named("mail")}), {true, false});
  EXPECT_EQ(next->current, (std::vector<size_t>{1, 2}));
  EXPECT_EQ(next->services[1], first->services[1]);
  EXPECT_EQ(next->services[0], first->services[0]);  // for its sessions, which go on
  EXPECT_EQ(next->services[2]->options.name, "mail");
}

TEST(SettingsTest, AServiceThatChangedGetsANewNumber) {
  const auto first = first_settings(options_of({service_named("web")}));
  const auto next = next_settings(*first, options_of({service_named("web")}), {false});
  EXPECT_EQ(next->current, std::vector<size_t>{1});
  EXPECT_NE(next->services[1]->route, first->services[0]->route);
}

TEST(SettingsTest, ALinkFollowsTheServiceItNames) {
  const auto first = first_settings(options_of({service_named("ftp"), service_named("data", "ftp")}));
  EXPECT_EQ(first->services[1]->linked_to, 0u);
  EXPECT_TRUE(first->services[0]->is_parent);
  const auto next =
      next_settings(*first, options_of({service_named("ftp"), service_named("data", "ftp")}), {false, true});
  EXPECT_EQ(next->current, (std::vector<size_t>{2, 1}));
  EXPECT_EQ(next->services[1]->linked_to, 2u);
  EXPECT_EQ(next->services[1]->route, first->services[1]->route);
  EXPECT_EQ(first->services[1]->linked_to, 0u);  // what shards may still have does not change under them
}

TEST(SettingsTest, AServiceThatBecomesAParentIsANewOne) {
  const auto first = first_settings(options_of({service_named("ftp")}));
  const auto next =
      next_settings(*first, options_of({service_named("ftp"), service_named("data", "ftp")}), {true, false});
  EXPECT_EQ(next->current, (std::vector<size_t>{1, 2}));
  EXPECT_TRUE(next->services[1]->is_parent);
}

}  // namespace
}  // namespace skep::proxy
