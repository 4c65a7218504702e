#include "judge/service_book.h"

#include <asm/unistd_64.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "match/intercepts.h"

namespace skep::judge {
namespace {

formats::MonitoredService service_with(const std::vector<std::string>& intercept) {
  formats::MonitoredService service;
  service.name = "web";
  service.command = {"/usr/sbin/webd"};
  service.ports = {80};
  service.intercept = intercept;
  return service;
}

std::vector<uint16_t> ordered_intercepts(const std::vector<std::string>& intercept) {
  ServiceBook book({});
  const auto slot = book.add(service_with(intercept));
  EXPECT_TRUE(slot) << slot.error().message;
  const auto order = book.order_for(*slot);
  EXPECT_TRUE(order) << order.error().message;
  return {order->intercepts, order->intercepts + order->intercept_count};
}

TEST(ServiceBookTest, OrdersSocketAndCloneWholeOnlyWhereTheyAreNamed) {
  EXPECT_EQ(ordered_intercepts({}).size(), match::base_intercepts().size());
  for (const uint16_t call : {uint16_t{__NR_socket}, uint16_t{__NR_clone}}) {
    EXPECT_THAT(ordered_intercepts({}), testing::Not(testing::Contains(call)));
    EXPECT_THAT(ordered_intercepts({"socket", "clone"}), testing::Contains(call));
  }
}

TEST(ServiceBookTest, RefusesWhatCannotBeIntercepted) {
  ServiceBook book({});
  for (const char* name : {"clone3", "sendmsg", "soket"}) {
    const auto slot = book.add(service_with({name}));
    ASSERT_FALSE(slot) << name;
    EXPECT_THAT(slot.error().message, testing::HasSubstr("web: intercept: ")) << name;
  }
}

}  // namespace
}  // namespace skep::judge
