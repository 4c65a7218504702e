#include "capture/tcp_streams.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "capture/test_packets.h"

namespace skep::capture {
namespace {

using testing::ElementsAre;

constexpr char kClient[] = "192.0.2.1:4000";
constexpr char kServer[] = "192.0.2.2:80";

TestSegment syn(uint32_t seq) {
  return {.seq = seq, .flags = "S"};
}
TestSegment data(uint32_t seq, std::string payload, std::string flags = "A") {
  return {.seq = seq, .ack = 1, .flags = std::move(flags), .payload = std::move(payload)};
}
TestSegment answer(uint32_t seq, uint32_t ack, std::string payload, std::string flags = "A") {
  return {
      .from = kServer, .to = kClient, .seq = seq, .ack = ack, .flags = std::move(flags), .payload = std::move(payload)};
}

struct Taken {
  explicit Taken(const StreamLimits& limits = {}) : streams(told, limits) {}
  Taken& take(const std::vector<TestSegment>& segments) {
    for (const TestSegment& each : segments) streams.take(segment_of(each));
    return *this;
  }
  std::vector<std::string>& finish() {
    streams.finish();
    EXPECT_EQ(streams.bytes_held(), 0U);
    return told.words;
  }
  Told told;
  TcpStreams streams;
};

TEST(TcpStreamsTest, WhatBothSayComesInItsOrder) {
  Taken run;
  run.take({syn(99), answer(500, 100, "", "SA"), data(100, "GET "), answer(501, 104, "220"), data(104, "/"),
            answer(501, 105, "220"), answer(504, 105, "x"), data(105, "!", "AF")});
  EXPECT_THAT(run.finish(),
              ElementsAre("1 0 'GET '", "1 < 0 '220'", "1 4 '/'", "1 < 3 'x'", "1 5 '!'", "1 finished", "1 ended"));
  EXPECT_THAT(run.told.ends, ElementsAre("192.0.2.1:4000 > 192.0.2.2:80"));
  EXPECT_EQ(run.streams.counts(),
            (StreamCounts{.connections = 1, .of_clients = {.bytes = 6}, .of_servers = {.bytes = 4, .again_bytes = 3}}));
}

struct Order {
  const char* description;
  std::vector<TestSegment> segments;
  const char* stream;
};

TEST(TcpStreamsTest, SegmentsInAnyStateMakeOneStream) {
  const Order orders[] = {
      {"late", {syn(99), data(103, "def"), data(100, "abc")}, "abcdef"},
      {"doubled", {syn(99), data(100, "abc"), data(100, "abc"), data(103, "d")}, "abcd"},
      {"doubled while it waits", {syn(99), data(103, "d"), data(103, "d"), data(100, "abc")}, "abcd"},
      {"overlapping what was given", {syn(99), data(100, "abc"), data(101, "XXdef")}, "abcdef"},
      {"the first bytes win over what waits", {syn(99), data(102, "cd"), data(100, "abXXef")}, "abcdef"},
      {"an overlap on the left", {syn(99), data(103, "def"), data(102, "cXX"), data(100, "ab")}, "abcdef"},
      {"an overlap on the right", {syn(99), data(103, "de"), data(104, "XXfg"), data(100, "abc")}, "abcdeXfg"},
      {"over several pieces",
       {syn(99), data(101, "b"), data(103, "d"), data(105, "f"), data(100, "aXcXeXg")},
       "abcdefg"},
      {"within a piece that waits", {syn(99), data(101, "bcde"), data(102, "XX"), data(100, "a")}, "abcde"},
      {"sequence numbers begin again", {syn(0xfffffffd), data(0xfffffffe, "ab"), data(1, "de"), data(0, "c")}, "abcde"},
      {"bytes with the SYN", {{.seq = 99, .flags = "S", .payload = "ab"}, data(102, "c")}, "abc"},
      {"bytes with the SYN, confirmed with the server's",
       {{.seq = 99, .flags = "S", .payload = "ab"}, answer(500, 102, "", "SA"), data(102, "c")},
       "abc"},
      {"a SYN twice", {syn(99), syn(99), data(100, "a")}, "a"},
      {"what is behind the FIN is none of it", {syn(99), data(100, "ab", "AF"), data(102, "X")}, "ab"},
      {"nor what waited there", {syn(99), data(102, "X"), data(100, "ab", "AF")}, "ab"},
      {"the FIN before the bytes", {syn(99), data(103, "", "AF"), data(100, "abc")}, "abc"},
      {"far off", {syn(99), data(100, "a"), data(0x60000064, "X"), data(0xa0000064, "X"), data(101, "b")}, "ab"},
      {"an empty segment", {syn(99), data(100, ""), data(100, "a")}, "a"}};
  for (const Order& order : orders) {
    SCOPED_TRACE(order.description);
    Taken run;
    run.take(order.segments).finish();
    EXPECT_EQ(run.told.streams[1], order.stream);
    EXPECT_EQ(run.streams.counts().of_clients.gaps, 0U);
    EXPECT_EQ(run.streams.counts().connections, 1U);
    EXPECT_EQ(run.told.ends.size(), 1U);
  }
}

TEST(TcpStreamsTest, LostBytesAreSaidWhenTheServerHasThem) {
  Taken run;
  run.take({syn(99), data(100, "ab"), data(105, "fg"), answer(500, 102, ""), data(107, "h")});
  EXPECT_THAT(run.told.words, ElementsAre("1 0 'ab'"));
  run.take({answer(500, 108, "")});
  EXPECT_THAT(run.told.words, ElementsAre("1 0 'ab'", "1 lost 2+3", "1 5 'fg'", "1 7 'h'"));
  run.take({data(102, "cde"), data(108, "i")});
  EXPECT_EQ(run.told.words.back(), "1 8 'i'");
  EXPECT_EQ(run.streams.counts().of_clients.lost_bytes, 3U);
  EXPECT_EQ(run.streams.counts().of_clients.gaps, 1U);
  EXPECT_EQ(run.streams.counts().of_clients.again_bytes, 3U);
}

TEST(TcpStreamsTest, LostBytesAreSaidAtTheEnd) {
  Taken run;
  run.take({syn(99), data(101, "b"), data(103, "d"), data(106, "", "AF")});
  EXPECT_THAT(run.finish(),
              ElementsAre("1 lost 0+1", "1 1 'b'", "1 lost 2+1", "1 3 'd'", "1 lost 4+2", "1 finished", "1 ended"));
}

TEST(TcpStreamsTest, WhatTheCaptureCutOffIsLost) {
  Taken run;
  TestSegment cut = data(100, "ab");
  cut.missing = 3;
  run.take({syn(99), cut, data(105, "f"), answer(500, 106, "x")});
  EXPECT_THAT(run.finish(), ElementsAre("1 0 'ab'", "1 lost 2+3", "1 5 'f'", "1 < 0 'x'", "1 ended"));
}

TEST(TcpStreamsTest, WhatWaitsIsBounded) {
  Taken run({.early_bytes = 1000});
  run.take({syn(99)});
  for (uint32_t i = 0; i < 100; ++i) {
    run.take({data(101 + 2 * i, "x")});
    EXPECT_LE(run.streams.bytes_held(), 1000U);
  }
  run.finish();
  EXPECT_EQ(run.streams.counts().of_clients.bytes, 100U);
  EXPECT_EQ(run.streams.counts().of_clients.lost_bytes, 100U);
}

TEST(TcpStreamsTest, WhatWaitsOfAllIsBounded) {
  Taken run({.all_early_bytes = 1000});
  for (uint16_t port = 1000; port < 1100; ++port) {
    TestSegment begin = syn(99);
    TestSegment early = data(101, "x");
    begin.from = early.from = fmt::format("192.0.2.1:{}", port);
    run.take({begin, early});
    EXPECT_LE(run.streams.bytes_held(), 1000U);
  }
  run.finish();
  EXPECT_EQ(run.streams.counts().of_clients.bytes, 100U);
}

TEST(TcpStreamsTest, ConnectionsAreBoundedAndTheLongestSilentGoes) {
  Taken run({.connections = 2});
  TestSegment other = data(500, "b");
  other.from = "192.0.2.1:4001";
  TestSegment third = data(500, "c");
  third.from = "192.0.2.1:4002";
  run.take({data(100, "a"), other, data(101, "A"), third});
  EXPECT_THAT(run.told.words, ElementsAre("1 0 'a'", "2 0 'b'", "1 1 'A'", "2 ended", "3 0 'c'"));
  EXPECT_EQ(run.streams.counts().put_out, 1U);
  run.finish();
  EXPECT_THAT(run.told.words, testing::IsSupersetOf({"1 ended", "3 ended"}));
}

TEST(TcpStreamsTest, WhoServesIsSaidBySynElseByThePorts) {
  struct Case {
    const char* description;
    std::vector<TestSegment> segments;
    const char* ends;
    const char* stream;
  };
  const auto from = [](const char* a, const char* b, TestSegment segment) {
    segment.from = a;
    segment.to = b;
    return segment;
  };
  constexpr char kHigh[] = "192.0.2.1:9000";
  constexpr char kLow[] = "192.0.2.2:80";
  const Case cases[] = {
      {"a SYN from the lower port",
       {from(kLow, kHigh, syn(9)), from(kLow, kHigh, data(10, "a"))},
       "192.0.2.2:80 > 192.0.2.1:9000",
       "a"},
      {"only the server's SYN",
       {from(kHigh, kLow, {.seq = 5, .ack = 10, .flags = "SA"}), from(kLow, kHigh, data(11, "b")),
        from(kLow, kHigh, data(10, "a"))},
       "192.0.2.2:80 > 192.0.2.1:9000",
       "ab"},
      {"midstream, the client first", {from(kHigh, kLow, data(10, "a"))}, "192.0.2.1:9000 > 192.0.2.2:80", "a"},
      {"midstream, the server first",
       {from(kLow, kHigh, {.seq = 5, .ack = 10, .payload = "x"}), from(kHigh, kLow, data(10, "a"))},
       "192.0.2.1:9000 > 192.0.2.2:80",
       "a"},
      {"midstream, over IPv6",
       {from("[2001:db8::1]:9000", "[2001:db8::2]:80", data(10, "a"))},
       "[2001:db8::1]:9000 > [2001:db8::2]:80",
       "a"},
      {"a SYN behind its bytes",
       {from(kHigh, kLow, data(10, "a")), from(kHigh, kLow, syn(9)), from(kHigh, kLow, data(11, "b"))},
       "192.0.2.1:9000 > 192.0.2.2:80",
       "ab"}};
  for (const Case& each : cases) {
    SCOPED_TRACE(each.description);
    Taken run;
    run.take(each.segments).finish();
    EXPECT_THAT(run.told.ends, ElementsAre(each.ends));
    EXPECT_EQ(run.told.streams[1], each.stream);
    EXPECT_EQ(run.streams.counts().midstream, std::string(each.description).starts_with("midstream") ||
                                                      std::string(each.description).ends_with("its bytes")
                                                  ? 1U
                                                  : 0U);
  }
}

TEST(TcpStreamsTest, APortThatIsUsedAgainIsAnotherConnection) {
  Taken run;
  run.take({syn(99), data(100, "a"), syn(7000), data(7001, "b"), data(7002, "", "R"), syn(9000), data(9001, "c", "AF"),
            answer(9, 5001, "", "SA"), data(5001, "d")});
  EXPECT_THAT(run.finish(), ElementsAre("1 0 'a'", "1 ended", "2 0 'b'", "2 ended", "3 0 'c'", "3 finished", "3 ended",
                                        "4 0 'd'", "4 ended"));
}

TEST(TcpStreamsTest, WhatComesLateOpensNoConnection) {
  Taken run;
  run.take({syn(99), data(100, "ab", "AF"), data(100, "ab", "AF"), answer(500, 103, "x"), data(103, "", "R")});
  EXPECT_THAT(run.finish(), ElementsAre("1 0 'ab'", "1 finished", "1 < 0 'x'", "1 ended"));
  Taken other;
  other.take({data(100, ""), answer(500, 100, "", "R"), data(100, "", "AF")});
  EXPECT_THAT(other.finish(), ElementsAre());
}

TEST(TcpStreamsTest, ARstOnlyCountsWhereItsSenderStands) {
  Taken run;
  run.take({syn(99), answer(500, 100, "", "SA"), data(100, "ab"), data(100, "", "R"), data(0x00200066, "", "R"),
            answer(9, 0, "", "R"), data(102, "c"), answer(501, 0, "", "R"), data(103, "X")});
  EXPECT_THAT(run.finish(), ElementsAre("1 0 'ab'", "1 2 'c'", "1 ended"));
  EXPECT_EQ(run.streams.counts().stray_segments, 3U);
  Taken refused;
  refused.take({syn(99), answer(0, 100, "", "RA")});
  EXPECT_THAT(refused.finish(), ElementsAre("1 ended"));
}

// Both directions are put in order by the same rules: each of the ends is once the one that loses, doubles, mixes up.
TEST(TcpStreamsTest, TheServersBytesArePutInOrderToo) {
  Taken run;
  run.take({syn(99), answer(500, 100, "", "SA"), answer(504, 100, "def"), answer(501, 100, "abc"), data(100, "x"),
            answer(501, 101, "abcdef"), answer(510, 101, "j")});
  EXPECT_THAT(run.told.words, ElementsAre("1 < 0 'abc'", "1 < 3 'def'", "1 0 'x'"));
  TestSegment confirming = data(101, "y");
  confirming.ack = 511;
  run.take({confirming, answer(511, 102, "", "AF"), data(102, "z", "AF")});
  EXPECT_THAT(run.finish(), ElementsAre("1 < 0 'abc'", "1 < 3 'def'", "1 0 'x'", "1 < lost 6+3", "1 < 9 'j'", "1 1 'y'",
                                        "1 < finished", "1 2 'z'", "1 finished", "1 ended"));
  EXPECT_EQ(run.streams.counts().of_servers, (DirectionCounts{7, 3, 1, 6}));
  EXPECT_THAT(run.told.reasons, ElementsAre(EndReason::server_closed));
}

TEST(TcpStreamsTest, HowAConnectionEndedIsSaid) {
  struct Case {
    const char* description;
    std::vector<TestSegment> segments;
    EndReason reason;
  };
  const Case cases[] = {
      {"the client closes", {data(100, "a", "AF"), answer(501, 102, "b", "AF")}, EndReason::client_closed},
      {"the server closes", {answer(501, 100, "b", "AF"), data(100, "a", "AF")}, EndReason::server_closed},
      {"the client resets", {data(100, "a"), data(101, "", "R")}, EndReason::reset_by_client},
      {"the server resets", {data(100, "a"), answer(501, 101, "", "R")}, EndReason::reset_by_server},
      {"the client closes, and then resets", {data(100, "a", "AF"), data(102, "", "R")}, EndReason::client_closed},
      {"the capture does not have the end", {data(100, "a")}, EndReason::open}};
  for (const Case& each : cases) {
    SCOPED_TRACE(each.description);
    Taken run;
    run.take({syn(99), answer(500, 100, "", "SA")}).take(each.segments).finish();
    EXPECT_THAT(run.told.reasons, ElementsAre(each.reason));
  }
}

TEST(TcpStreamsTest, ASegmentToItselfIsNoConnection) {
  Taken run;
  run.take({{.from = kServer, .to = kServer, .flags = "S"}});
  EXPECT_THAT(run.finish(), ElementsAre());
  EXPECT_EQ(run.streams.counts().stray_segments, 1U);
}

// Cut, doubled, overlapped and mixed up within what a network does: the stream is whole.
TEST(TcpStreamsTest, AnyOrderOfTheSamePiecesGivesTheSameStream) {
  std::mt19937 random(1);
  const auto below = [&](size_t n) { return std::uniform_int_distribution<size_t>(0, n - 1)(random); };
  for (int round = 0; round < 300; ++round) {
    std::string stream(1 + below(400), ' ');
    for (char& each : stream) each = static_cast<char>('a' + below(26));
    const auto first = static_cast<uint32_t>(random());
    std::vector<TestSegment> segments;
    for (size_t at = 0; at < stream.size();) {
      const size_t bytes = 1 + below(20);
      const size_t back = below(std::min<size_t>(at, 10) + 1);
      segments.push_back(data(first + static_cast<uint32_t>(at - back), stream.substr(at - back, bytes + back)));
      if (below(4) == 0) segments.push_back(segments[below(segments.size())]);
      at += bytes;
    }
    for (size_t i = 0; i + 1 < segments.size(); ++i)
      std::swap(segments[i], segments[i + below(std::min<size_t>(segments.size() - i, 6))]);
    Taken run;
    run.take({syn(first - 1)}).take(segments);
    EXPECT_EQ(run.streams.bytes_held(), 0U);
    run.finish();
    EXPECT_EQ(run.told.streams[1], stream);
  }
}

}  // namespace
}  // namespace skep::capture
