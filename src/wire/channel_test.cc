#include "wire/channel.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cstdlib>

#include "wire/connection.h"
#include "wire/keys.h"

namespace skep::wire {
namespace {

class ChannelTest : public testing::Test {
 protected:
  static std::string make_keys() {
    char folder[] = "/tmp/skep-keys-XXXXXX";
    SKEP_CHECK(::mkdtemp(folder) != nullptr);
    SKEP_CHECK(init_keys(folder).has_value());
    return folder;
  }
  static TlsContext context(const std::string& keys, Role role) {
    auto loaded = TlsContext::load(keys, role);
    SKEP_CHECK(loaded.has_value());
    return std::move(*loaded);
  }
  // Carries bytes both ways until nothing moves; the first error of either end, or none.
  static Status carry(Channel& a, Channel& b) {
    for (bool moved = true; moved;) {
      moved = false;
      for (auto [from, to] : {std::pair(&a, &b), std::pair(&b, &a)}) {
        const ByteView out = from->outgoing();
        if (out.empty()) continue;
        moved = true;
        const Bytes copy(out.begin(), out.end());
        from->sent(copy.size());
        if (auto received = to->receive(copy); !received) return received;
      }
    }
    return {};
  }
  static Frame ping(uint64_t number) {
    Frame frame;
    frame.mutable_ping()->set_number(number);
    return frame;
  }

  static void SetUpTestSuite() { keys_ = new std::string(make_keys()); }
  static std::string* keys_;
  TlsContext proxy_context_ = context(*keys_, Role::proxy);
  TlsContext monitor_context_ = context(*keys_, Role::monitor);
  Channel proxy_{proxy_context_};
  Channel monitor_{monitor_context_};
};
std::string* ChannelTest::keys_ = nullptr;

TEST_F(ChannelTest, AFrameDoesNotWaitForTheAcknowledgementOfTheLast) {
  const Connection connection(Fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)), proxy_context_);
  int on = 0;
  socklen_t bytes = sizeof on;
  ASSERT_EQ(::getsockopt(connection.fd(), IPPROTO_TCP, TCP_NODELAY, &on, &bytes), 0);
  EXPECT_EQ(on, 1);
}

TEST_F(ChannelTest, CarriesFramesBothWays) {
  ASSERT_TRUE(carry(proxy_, monitor_));
  ASSERT_TRUE(proxy_.established() && monitor_.established());
  ASSERT_TRUE(proxy_.send(ping(7)));
  ASSERT_TRUE(monitor_.send(ping(8)));
  ASSERT_TRUE(carry(proxy_, monitor_));
  const auto at_monitor = monitor_.take_frames();
  const auto at_proxy = proxy_.take_frames();
  ASSERT_EQ(at_monitor.size(), 1u);
  ASSERT_EQ(at_proxy.size(), 1u);
  EXPECT_EQ(at_monitor[0].ping().number(), 7u);
  EXPECT_EQ(at_proxy[0].ping().number(), 8u);
  EXPECT_EQ(at_proxy[0].seq(), 1u);
}

TEST_F(ChannelTest, WhatCameBeforeAnErrorCounts) {
  ASSERT_TRUE(carry(proxy_, monitor_));
  ASSERT_TRUE(proxy_.send(ping(7)));
  const ByteView out = proxy_.outgoing();
  Bytes bytes(out.begin(), out.end());
  const ByteView garbage = as_bytes("this is no TLS record");
  bytes.insert(bytes.end(), garbage.begin(), garbage.end());
  EXPECT_FALSE(monitor_.receive(bytes));
  EXPECT_EQ(monitor_.take_frames().size(), 1u);
}

TEST_F(ChannelTest, RefusesAnotherCa) {
  const TlsContext stranger = context(make_keys(), Role::proxy);
  Channel other(stranger);
  EXPECT_FALSE(carry(other, monitor_));
  EXPECT_FALSE(monitor_.established());
}

TEST_F(ChannelTest, RefusesAPeerOfTheSameRole) {
  // The monitor's own key, used to dial: what somebody holds who has taken the honeypot host.
  const std::string keys = *keys_;
  char folder[] = "/tmp/skep-role-XXXXXX";
  ASSERT_NE(::mkdtemp(folder), nullptr);
  const std::string copy = folder;
  ASSERT_EQ(
      std::system(
          fmt::format("cp {0}/ca.pem {1}/ && cp {0}/monitor.pem {1}/proxy.pem && cp {0}/monitor.key {1}/proxy.key",
                      keys, copy)
              .c_str()),
      0);
  const TlsContext impostor = context(copy, Role::proxy);
  Channel other(impostor);
  EXPECT_FALSE(carry(other, monitor_));
  EXPECT_FALSE(monitor_.established());
}

TEST_F(ChannelTest, GarbageEndsTheConnectionWithAWord) {
  const auto taken = monitor_.receive(as_bytes("GET / HTTP/1.1\r\n\r\n"));
  ASSERT_FALSE(taken);
  EXPECT_NE(taken.error().message.find("TLS"), std::string::npos);
}

TEST_F(ChannelTest, HalfAHandshakeIsNoError) {
  const ByteView hello = proxy_.outgoing();
  const Bytes half(hello.begin(), hello.begin() + static_cast<ptrdiff_t>(hello.size() / 2));
  EXPECT_TRUE(monitor_.receive(half));
  EXPECT_FALSE(monitor_.established());
}

TEST_F(ChannelTest, AGapInTheNumbersIsCounted) {
  ASSERT_TRUE(carry(proxy_, monitor_));
  // A frame that found the way out full uses its number up.
  size_t accepted = 0;
  Frame big;
  big.mutable_degraded()->set_words(std::string(kTextBytesMax, 'x'));
  while (proxy_.send(big)) ++accepted;
  ASSERT_TRUE(carry(proxy_, monitor_));
  ASSERT_TRUE(proxy_.send(ping(1)));
  ASSERT_TRUE(carry(proxy_, monitor_));
  EXPECT_EQ(monitor_.counters().missing, 1u);
  EXPECT_EQ(monitor_.counters().received, accepted + 1);
  EXPECT_EQ(proxy_.counters().refused, 1u);
}

TEST(FrameReaderTest, RefusesAnOversizedLengthBeforeItsContentComes) {
  FrameReader reader;
  reader.feed(Bytes{0x40, 0, 0, 0});
  EXPECT_FALSE(reader.next());
}

TEST(FrameReaderTest, WaitsForTheRestOfAFrame) {
  Frame frame;
  frame.set_seq(3);
  frame.mutable_pong()->set_number(9);
  const Bytes bytes = encode_frame(frame);
  FrameReader reader;
  for (size_t i = 0; i + 1 < bytes.size(); ++i) {
    reader.feed(ByteView(bytes).subspan(i, 1));
    ASSERT_TRUE(reader.next());
    ASSERT_FALSE(*reader.next());
  }
  reader.feed(ByteView(bytes).last(1));
  const auto content = reader.next();
  ASSERT_TRUE(content && *content);
  EXPECT_EQ(parse_frame(**content)->pong().number(), 9u);
}

TEST(FrameTest, RefusesWhatIsOutsideItsLimits) {
  Frame frame;
  frame.mutable_alert()->set_rule(std::string(kTextBytesMax + 1, 'r'));
  const std::string bytes = frame.SerializeAsString();
  EXPECT_FALSE(parse_frame(as_bytes(bytes)));
  EXPECT_FALSE(parse_frame(as_bytes("\xff\xff\xff")));
  EXPECT_FALSE(parse_frame({}));
}

TEST(FrameTest, AReplaysEndsAreLookedAt) {
  Frame frame;
  SessionClosed& closed = *frame.mutable_session_closed();
  EXPECT_TRUE(parse_frame(as_bytes(frame.SerializeAsString())));
  FlowTuple& flow = *closed.mutable_replayed();
  flow.set_remote_address(std::string(16, 'a'));
  flow.set_local_address(std::string(15, 'a'));
  EXPECT_FALSE(parse_frame(as_bytes(frame.SerializeAsString())));
  flow.set_local_address(std::string(16, 'a'));
  EXPECT_TRUE(parse_frame(as_bytes(frame.SerializeAsString())));
  flow.set_remote_port(65536);
  EXPECT_FALSE(parse_frame(as_bytes(frame.SerializeAsString())));
}

TEST(FrameTest, NoBytesThatAnAttackerChoosesMakeItMalformed) {
  const std::string name = "/tmp/\xff\xfe\x80";  // a program's name is any bytes
  Frame frame;
  Alert& alert = *frame.mutable_alert();
  alert.set_exe(name);
  alert.set_arguments(name);
  alert.add_steps(name);
  Process& process = *alert.add_lineage();
  process.set_exe(name);
  process.set_args(name);
  process.set_comm(name);
  alert.mutable_crash_state()->set_comm(name);
  Frame file;
  file.mutable_file_found()->set_path(name);
  file.mutable_file_found()->set_why(name);
  Frame event;
  event.mutable_process()->set_exe(name);
  for (Frame* each : {&frame, &file, &event}) {
    each->set_seq(1);
    const Bytes bytes = encode_frame(*each);
    FrameReader reader;
    reader.feed(bytes);
    const auto content = reader.next();
    ASSERT_TRUE(content && *content);
    EXPECT_TRUE(parse_frame(**content)) << parse_frame(**content).error().message << each->body_case();
  }
}

TEST(KeysTest, NeverOverwrites) {
  char folder[] = "/tmp/skep-keys-XXXXXX";
  ASSERT_NE(::mkdtemp(folder), nullptr);
  ASSERT_TRUE(init_keys(folder));
  const auto again = init_keys(folder);
  ASSERT_FALSE(again);
  EXPECT_NE(again.error().message.find("never overwritten"), std::string::npos);
}

}  // namespace
}  // namespace skep::wire
