#include "judge/outbox.h"

#include <gtest/gtest.h>

#include <vector>

namespace skep::judge {
namespace {

wire::Frame alert(uint64_t id) {
  wire::Frame frame;
  frame.mutable_alert()->set_id(id);
  return frame;
}

wire::Frame news() {
  wire::Frame frame;
  frame.mutable_flow_closed()->set_serial(1);
  return frame;
}

// Everything that waits, as a channel with room for all would take it: ids of alerts, 0 for news.
std::vector<uint64_t> send_all(Outbox& outbox) {
  std::vector<uint64_t> ids;
  while (const wire::Frame* frame = outbox.next()) {
    ids.push_back(frame->alert().id());
    outbox.sent();
  }
  return ids;
}

TEST(OutboxTest, WithoutAProxyOnlyAlertsAreKept) {
  Outbox outbox;
  outbox.put(news());
  outbox.put(alert(1));
  EXPECT_EQ(outbox.next(), nullptr);
  outbox.peer_came();
  outbox.put(news());
  EXPECT_EQ(send_all(outbox), (std::vector<uint64_t>{1, 0}));
}

TEST(OutboxTest, AnAlertThatWasNotAcknowledgedIsToldToTheNextConnection) {
  Outbox outbox;
  outbox.peer_came();
  for (const uint64_t id : {1, 2, 3}) outbox.put(alert(id));
  send_all(outbox);
  outbox.acknowledged(1);
  outbox.put(alert(4));
  outbox.put(news());
  outbox.peer_gone();
  outbox.peer_came();
  EXPECT_EQ(send_all(outbox), (std::vector<uint64_t>{2, 3, 4}));
  outbox.acknowledged(3);
  EXPECT_EQ(outbox.under_way(), 0u);
}

TEST(OutboxTest, AnAcknowledgementOfMoreThanWasSentIsOfWhatWasSent) {
  Outbox outbox;
  outbox.peer_came();
  outbox.put(alert(1));
  send_all(outbox);
  outbox.acknowledged(~uint64_t{0});
  outbox.put(alert(2));
  send_all(outbox);
  outbox.peer_gone();
  outbox.peer_came();
  EXPECT_EQ(send_all(outbox), (std::vector<uint64_t>{2}));
}

TEST(OutboxTest, AFullChannelHoldsAnAlertBackAndDropsNews) {
  Outbox outbox;
  outbox.peer_came();
  outbox.put(news());
  outbox.put(alert(1));
  EXPECT_TRUE(outbox.refused());
  EXPECT_FALSE(outbox.refused());
  EXPECT_EQ(send_all(outbox), (std::vector<uint64_t>{1}));
}

TEST(OutboxTest, BeyondItsBoundTheOldestAlertGoesAndIsCounted) {
  Outbox outbox;
  for (uint64_t id = 1; id <= Outbox::kAlertsMax + 2; ++id) outbox.put(alert(id));
  EXPECT_EQ(outbox.lost(), 2u);
  outbox.peer_came();
  EXPECT_EQ(send_all(outbox).front(), 3u);
}

TEST(OutboxTest, AProxyThatDoesNotReadCostsNewsFirst) {
  Outbox outbox;
  outbox.peer_came();
  outbox.put(alert(1));
  for (size_t i = 0; i < Outbox::kFramesMax + 10; ++i) outbox.put(news());
  EXPECT_EQ(outbox.lost(), 11u);
  outbox.put(alert(2));
  EXPECT_EQ(outbox.lost(), 12u) << "news goes for an alert";
  const auto sent = send_all(outbox);
  EXPECT_EQ(sent.front(), 1u);
  EXPECT_EQ(sent.back(), 2u);
}

}  // namespace
}  // namespace skep::judge
