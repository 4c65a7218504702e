#include "proxy/kin.h"

#include <gtest/gtest.h>

namespace skep::proxy {
namespace {

constexpr int64_t kSecond = 1'000'000'000;
constexpr size_t kFtp = 3;
const Endpoint kSource = *parse_endpoint("192.0.2.7:1000");
const Endpoint kSameSource = *parse_endpoint("192.0.2.7:2000");
const Endpoint kOther = *parse_endpoint("192.0.2.8:1000");

TEST(KinTest, TheParentIsTheNewestLiveSessionOfTheSameAddressWithThatService) {
  Kin kin;
  kin.opened(kFtp, kSource, {1});
  kin.opened(kFtp, kSameSource, {2});
  kin.opened(kFtp, kOther, {3});
  kin.opened(kFtp + 1, kSource, {4});
  EXPECT_EQ(kin.parent(kFtp, kSameSource, 0), std::optional(SessionId{2}));
  kin.ended(kFtp, kSameSource, {2}, 0);
  EXPECT_EQ(kin.parent(kFtp, kSource, 0), std::optional(SessionId{1})) << "one lives";
  EXPECT_EQ(kin.parent(kFtp, *parse_endpoint("192.0.2.9:1"), 0), std::nullopt);
}

TEST(KinTest, OneThatHasJustEndedIsStillTheParent) {
  Kin kin;
  kin.opened(kFtp, kSource, {1});
  kin.ended(kFtp, kSource, {1}, 5 * kSecond);
  EXPECT_EQ(kin.parent(kFtp, kSource, 15 * kSecond), std::optional(SessionId{1}));
  EXPECT_EQ(kin.parent(kFtp, kSource, 15 * kSecond + 1), std::nullopt);
}

TEST(KinTest, WhatIsRememberedOfTheEndedIsBounded) {
  Kin kin;
  Endpoint source = kSource;
  for (uint64_t i = 1; i <= Kin::kEndedMax + 100; ++i) {
    source.address[14] = static_cast<uint8_t>(i >> 8);
    source.address[15] = static_cast<uint8_t>(i);
    kin.opened(kFtp, source, {i});
    kin.ended(kFtp, source, {i}, 0);
  }
  EXPECT_EQ(kin.remembered(), Kin::kEndedMax);
  source.address[14] = 0;
  source.address[15] = 1;
  EXPECT_EQ(kin.parent(kFtp, source, 0), std::nullopt) << "the first was forgotten";
}

}  // namespace
}  // namespace skep::proxy
