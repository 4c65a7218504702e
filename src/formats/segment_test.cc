#include "formats/segment.h"

#include <gtest/gtest.h>

#include "formats/event_codec.h"

namespace skep::formats {
namespace {

Record sample(const Bytes& payload) {
  Record record;
  record.session = {0x1122334455667788};
  record.type = RecordType::data;
  record.direction = Direction::to_client;
  record.time_ns = 1'795'000'000'123'456'789;
  record.stream_offset = 42;
  record.previous = {3, 4096};
  record.payload = payload;
  return record;
}

TEST(SegmentTest, ARecordComesBackAsItWas) {
  const Bytes payload = {'a', 'b', 'c'};
  Bytes file;
  encode_record(sample(payload), file);
  ASSERT_EQ(file.size(), kRecordHeaderBytes + 3);
  const DecodedRecord decoded = decode_record(file);
  ASSERT_EQ(decoded.problem, RecordProblem::none);
  EXPECT_EQ(decoded.bytes, file.size());
  EXPECT_EQ(decoded.record.session, sample(payload).session);
  EXPECT_EQ(decoded.record.direction, Direction::to_client);
  EXPECT_EQ(decoded.record.previous, (RecordPlace{3, 4096}));
  EXPECT_EQ(as_text(decoded.record.payload), "abc");
}

TEST(SegmentTest, EveryCutIsRecognisedAsTorn) {
  Bytes file;
  encode_record(sample({'a', 'b', 'c'}), file);
  for (size_t length = 0; length < file.size(); ++length) {
    EXPECT_EQ(decode_record(ByteView(file).first(length)).problem, RecordProblem::torn) << length;
  }
}

TEST(SegmentTest, EveryFlippedBitIsNoticed) {
  Bytes file;
  encode_record(sample({'a', 'b', 'c'}), file);
  for (size_t bit = 0; bit < file.size() * 8; ++bit) {
    Bytes changed = file;
    changed[bit / 8] = static_cast<uint8_t>(changed[bit / 8] ^ 1u << (bit % 8));
    EXPECT_NE(decode_record(changed).problem, RecordProblem::none) << bit;
  }
}

TEST(SegmentTest, AnotherFileIsNoSegment) {
  EXPECT_FALSE(decode_segment_header(as_bytes("#!/bin/sh\necho this is not a segment\n")));
  EXPECT_EQ(*decode_segment_header(encode_segment_header(7, 1)), 7u);
}

TEST(EventCodecTest, OpenedOfAnotherProtocolSaysSoAndOfTcpIsAsItAlwaysWas) {
  OpenedEvent event{"dns", *parse_endpoint("192.0.2.1:4000"), *parse_endpoint("[2001:db8::1]:53")};
  const Bytes tcp = encode(event);
  event.protocol = Protocol::udp;
  const Bytes udp = encode(event);
  EXPECT_EQ(udp.size(), tcp.size() + 4 + 8) << "an empty SYN, and the protocol";
  EXPECT_EQ(decode<OpenedEvent>(tcp)->protocol, Protocol::tcp);
  EXPECT_EQ(decode<OpenedEvent>(udp)->protocol, Protocol::udp);
  Bytes other = udp;
  other[tcp.size() + 4] = 1;
  EXPECT_FALSE(decode<OpenedEvent>(other)) << "ICMP";
}

TEST(EventCodecTest, AnAlertComesBackAsItWas) {
  Alert alert;
  alert.rule = "shell_started";
  alert.confidence = Confidence::confirmed;
  alert.action = AlertAction::killed;
  alert.steps = {"one", "two"};
  alert.lineage.push_back({1, 0, 0, 5, "/usr/sbin/webd", "webd -p 8080", "webd"});
  alert.candidates = {7, 8};
  alert.role = AlertRole::writer;
  const auto back = decode<Alert>(encode(alert));
  ASSERT_TRUE(back);
  EXPECT_EQ(back->rule, "shell_started");
  EXPECT_EQ(back->steps, alert.steps);
  EXPECT_EQ(back->lineage[0].exe, "/usr/sbin/webd");
  EXPECT_EQ(back->candidates, alert.candidates);
  EXPECT_EQ(back->role, alert.role);
}

TEST(EventCodecTest, TheSynAndTheLegsFiguresComeBack) {
  OpenedEvent opened{"web", {}, {}};
  opened.syn.count = 3;
  opened.syn.bytes = {0x45, 0, 60};
  const auto again = decode<OpenedEvent>(encode(opened));
  ASSERT_TRUE(again);
  EXPECT_EQ(hex(again->syn.view()), "45003c");
  ClosedEvent closed;
  closed.bait_leg = TcpFigures{120, 7, 90, 2, 11, 12, 1448, 536, 1500, 5'000'000'000, 17};
  const auto back = decode<ClosedEvent>(encode(closed));
  ASSERT_TRUE(back && back->bait_leg);
  EXPECT_FALSE(back->client_leg);
  EXPECT_EQ(back->bait_leg->rtt_least_us, 90u);
  EXPECT_EQ(back->bait_leg->mss_in, 536u);
  EXPECT_EQ(back->bait_leg->bytes_acknowledged, 5'000'000'000u);
  EXPECT_EQ(back->bait_leg->bytes_received, 17u);
}

// As they lie in archives that were written before these were kept.
TEST(EventCodecTest, EventsWithoutWhatWasAddedLaterAreRead) {
  Bytes opened;
  ByteWriter writer(opened);
  writer.le(uint32_t{3});
  writer.raw(std::string_view("web"));
  writer.zeroes(2 * (16 + 8));
  const auto event = decode<OpenedEvent>(opened);
  ASSERT_TRUE(event);
  EXPECT_EQ(event->syn.count, 0u);
  EXPECT_EQ(encode(*event), opened) << "and nothing is added to one that has nothing to add";
  const Bytes closed(5 * 8, 0);
  const auto end = decode<ClosedEvent>(closed);
  ASSERT_TRUE(end);
  EXPECT_FALSE(end->client_leg || end->bait_leg);
  EXPECT_EQ(encode(*end), closed);
}

TEST(EventCodecTest, ATailThatIsCutOrTooLongIsNoEvent) {
  OpenedEvent opened{"web", {}, {}};
  opened.syn.count = 60;
  const Bytes whole = encode(opened);
  const size_t without = encode(OpenedEvent{"web", {}, {}}).size();
  for (size_t length = without + 1; length < whole.size(); ++length)
    EXPECT_FALSE(decode<OpenedEvent>(ByteView(whole).first(length))) << length;
  Bytes longer = whole;
  longer[without] = SavedSyn::kBytesMax + 1;
  longer.resize(longer.size() + SavedSyn::kBytesMax);
  EXPECT_FALSE(decode<OpenedEvent>(longer));
}

TEST(EventCodecTest, AnOriginComesBackAsItWas) {
  const OriginEvent origin{{77}, *parse_endpoint("[2001:db8::7]:4000")};
  const auto back = decode<OriginEvent>(encode(origin));
  ASSERT_TRUE(back);
  EXPECT_EQ(back->parent, origin.parent);
  EXPECT_EQ(back->balancer, origin.balancer);
}

TEST(EventCodecTest, ARuleThatFiredComesBackAsItWas) {
  const RuleHit hit{3, 1002, 7, "cmd.exe \"asked\"", RuleGrade::specific, HitAction::tarpitted, 1234};
  const auto back = decode<RuleHit>(encode(hit));
  ASSERT_TRUE(back);
  EXPECT_EQ(rule_name(*back), "3:1002");
  EXPECT_EQ(back->rev, hit.rev);
  EXPECT_EQ(back->message, hit.message);
  EXPECT_EQ(back->grade, hit.grade);
  EXPECT_EQ(back->action, hit.action);
  EXPECT_EQ(back->stream_offset, hit.stream_offset);
  RuleHit other = hit;
  other.action = static_cast<HitAction>(8);
  EXPECT_FALSE(decode<RuleHit>(encode(other)));
}

TEST(EventCodecTest, WhatIsNoEventIsNone) {
  const Bytes alert = encode(Alert{});
  EXPECT_FALSE(decode<ClosedEvent>(alert));
  for (size_t length = 0; length < alert.size(); ++length) EXPECT_FALSE(decode<Alert>(ByteView(alert).first(length)));
  ClosedEvent closed;
  closed.reason = static_cast<EndReason>(99);
  EXPECT_FALSE(decode<ClosedEvent>(encode(closed)));
}

}  // namespace
}  // namespace skep::formats
