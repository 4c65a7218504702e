#include "proxy/guests.h"

#include <gtest/gtest.h>

#include "formats/event_codec.h"

namespace skep::proxy {
namespace {

constexpr int64_t kSecond = 1'000'000'000;

Alert alert(uint64_t id) {
  Alert made;
  made.id = id;
  made.rule = "a shell";
  return made;
}

TEST(GuestsTest, WhatIsToldOfOneIsKeptUntilItIsAskedFor) {
  Guests guests(1);
  const auto id = guests.open(3, 0);
  ASSERT_TRUE(id);
  guests.told(*id, formats::ServedEvent{7, 4242, 4243});
  guests.told(*id, alert(8));
  guests.told(*id, alert(9));
  const Guests::Guest* guest = guests.asked(*id, kSecond);
  ASSERT_NE(guest, nullptr);
  EXPECT_EQ(guest->bait, 3U);
  EXPECT_EQ(guest->served_by_pid, 4242U);
  EXPECT_TRUE(guest->supervised);
  ASSERT_EQ(guest->alerts.size(), 2U);
  const auto last = formats::decode<Alert>(guest->alerts[1]);
  ASSERT_TRUE(last);
  EXPECT_EQ(last->id, 9U);
  EXPECT_EQ(last->rule, "a shell");
}

TEST(GuestsTest, ANumberIsNoSessionsIdAndDoesNotComeAgain) {
  Guests guests(1'774'828'800'000);
  const auto first = guests.open(0, 0);
  ASSERT_TRUE(first && guests.close(*first) == std::optional<size_t>(0));
  const auto second = guests.open(0, 0);
  ASSERT_TRUE(second);
  EXPECT_NE(*first, *second);
  EXPECT_TRUE(is_guest(*first) && is_guest(*second));
  EXPECT_FALSE(is_guest(make_session_id(kSecond * 3600 * 24 * 365, 0))) << "of 1971";
}

TEST(GuestsTest, WhatIsToldOfOneThatIsOverGoesNowhere) {
  Guests guests(1);
  const auto id = guests.open(0, 0);
  ASSERT_TRUE(id);
  guests.close(*id);
  guests.told(*id, alert(1));
  EXPECT_EQ(guests.asked(*id, 0), nullptr);
  EXPECT_EQ(guests.close(*id), std::nullopt);
  EXPECT_EQ(guests.size(), 0U);
}

TEST(GuestsTest, WhoMayHaveBeenOverlookedIsSaidToBe) {
  struct Row {
    const char* description;
    formats::NoteKind kind;
    bool supervised;
  };
  const Row rows[] = {{"the monitor went away", formats::NoteKind::unsupervised, false},
                      {"its kernel lost records", formats::NoteKind::kernel_lost, false},
                      {"it said too much", formats::NoteKind::monitor_flooding, false},
                      {"anything else", formats::NoteKind::other, true}};
  Guests guests(1);
  for (const Row& row : rows) {
    const auto id = guests.open(0, 0);
    ASSERT_TRUE(id);
    guests.told(*id, formats::NoteEvent{row.kind, "words"});
    guests.told(*id, formats::NoteEvent{formats::NoteKind::supervised_again, "words"});
    EXPECT_EQ(guests.asked(*id, 0)->supervised, row.supervised) << row.description;
  }
}

TEST(GuestsTest, AlertsAndTheirBytesAreBounded) {
  Guests guests(1);
  const auto many = guests.open(0, 0);
  ASSERT_TRUE(many);
  for (uint64_t i = 0; i < Guests::kAlertsMax + 5; ++i) guests.told(*many, alert(i));
  EXPECT_EQ(guests.asked(*many, 0)->alerts.size(), Guests::kAlertsMax);
  EXPECT_EQ(guests.asked(*many, 0)->more_alerts, 5U);

  const auto large = guests.open(0, 0);
  ASSERT_TRUE(large);
  Alert wordy = alert(1);
  wordy.description = std::string(60'000, 'w');
  for (int i = 0; i < 6; ++i) guests.told(*large, wordy);
  EXPECT_LE(guests.asked(*large, 0)->alert_bytes, Guests::kAlertBytesMax);
  EXPECT_EQ(guests.asked(*large, 0)->alerts.size(), 4U);
  EXPECT_EQ(guests.asked(*large, 0)->more_alerts, 2U);
}

TEST(GuestsTest, ThereAreOnlySoManyAndWhoIsNotAskedOfIsForgotten) {
  Guests guests(1);
  std::vector<SessionId> ids;
  for (size_t i = 0; i < Guests::kGuestsMax; ++i) ids.push_back(*guests.open(i % 2, 0));
  EXPECT_EQ(guests.open(0, 0), std::nullopt);
  EXPECT_NE(guests.asked(ids[7], kSecond), nullptr);
  EXPECT_TRUE(guests.take_forgotten(Guests::kPatienceNs - 1).empty());
  const auto forgotten = guests.take_forgotten(Guests::kPatienceNs);
  EXPECT_EQ(forgotten.size(), Guests::kGuestsMax - 1);
  EXPECT_EQ(forgotten[1], std::make_pair(ids[1], size_t{1}));
  EXPECT_EQ(guests.size(), 1U);
  EXPECT_TRUE(guests.open(0, 0));
}

}  // namespace
}  // namespace skep::proxy
