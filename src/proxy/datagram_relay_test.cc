#include "proxy/datagram_relay.h"

#include <gtest/gtest.h>
#include <poll.h>

#include "archive/one_writer.h"
#include "archive/reader.h"
#include "base/clock.h"
#include "formats/event_codec.h"
#include "io/sockets.h"

namespace skep::proxy {
namespace {

class DatagramRelayTest : public testing::Test {
 protected:
  void SetUp() override {
    auto opened = archive::OneWriter::scratch();
    ASSERT_TRUE(opened);
    writer_ = std::move(*opened);
    for (Fd* socket : {&door_, &bait_}) {
      auto listening = io::listen_udp(*parse_endpoint("127.0.0.1:0"));
      ASSERT_TRUE(listening);
      *socket = std::move(*listening);
    }
    auto client = io::connect_udp(io::local_end(door_.get()), 0);
    ASSERT_TRUE(client);
    client_ = std::move(*client);
  }
  void TearDown() override {
    relay_.reset();
    writer_.reset();
  }
  void begin(const RelayOptions& options = {}) {
    formats::OpenedEvent event{"dns", io::local_end(client_.get()), io::local_end(door_.get())};
    event.protocol = Protocol::udp;
    id_ = writer_->opened(now_realtime_ns(), event);
    relay_.emplace(*writer_, buffers_, id_, options, door_.get(),
                   io::Path{io::local_end(client_.get()), io::local_end(door_.get()), 0});
  }
  void bait_comes() {
    auto leg = io::connect_udp(io::local_end(bait_.get()), 0);
    ASSERT_TRUE(leg);
    leg_ = io::local_end(leg->get());
    relay_->bait_chosen(std::move(*leg));
    relay_->bait_stands();
  }
  // As a shard does it.
  void client_sends(const std::string& bytes) {
    ASSERT_EQ(io::send_datagram(client_.get(), as_bytes(bytes)), 0);
    await(door_);
    const auto room = writer_->room(io::kDatagramRoom);
    const io::Received received = io::receive_datagram(door_.get(), room);
    ASSERT_GE(received.bytes, 0);
    relay_->take(received, room.first(static_cast<size_t>(received.bytes)));
  }
  void bait_sends(const std::string& bytes) {
    ASSERT_EQ(io::send_datagram(bait_.get(), {leg_, io::local_end(bait_.get()), 0}, as_bytes(bytes)), 0);
    await_leg();
  }
  // On loopback it is there, and so is a refusal, once the other's call has returned.
  void await_leg() {
    relay_->told();
    relay_->move();
  }
  static void await(const Fd& socket) {
    pollfd waited{socket.get(), POLLIN, 0};
    ASSERT_EQ(::poll(&waited, 1, 10'000), 1);
  }
  // All that has arrived there, one a line.
  static std::vector<std::string> arrived(const Fd& socket) {
    std::vector<std::string> all;
    Bytes room(io::kDatagramRoom);
    for (io::Received got = io::receive_datagram(socket.get(), room); got.bytes >= 0;
         got = io::receive_datagram(socket.get(), room))
      all.emplace_back(as_text(ByteView(room).first(static_cast<size_t>(got.bytes))));
    return all;
  }
  // What the log says: "> bytes" and "< bytes", and notes.
  std::vector<std::string> recorded() {
    formats::ClosedEvent closed;
    closed.reason = relay_->session().end_reason();
    writer_->closed(id_, now_realtime_ns(), closed);
    relay_.reset();
    writer_.reset();
    auto reader = archive::Reader::open(writer_.scratch_folder());
    std::vector<std::string> all;
    const auto read = reader->for_each(**reader->find(id_), {}, [&](const formats::Record& record) {
      if (record.type == formats::RecordType::data)
        all.push_back((record.direction == Direction::to_bait ? "> " : "< ") + std::string(as_text(record.payload)));
      if (record.type == formats::RecordType::note)
        all.push_back("note " + formats::decode<formats::NoteEvent>(record.payload)->words);
    });
    EXPECT_TRUE(read);
    return all;
  }

  archive::OneWriter writer_;
  Buffers buffers_{64 << 20};
  Fd door_, bait_, client_;
  SessionId id_;
  Endpoint leg_;
  std::optional<DatagramRelay> relay_;
};

using Texts = std::vector<std::string>;

TEST_F(DatagramRelayTest, EachIsPassedOnAsItCame) {
  begin();
  bait_comes();
  client_sends("one");
  client_sends("");
  client_sends("two");
  EXPECT_EQ(arrived(bait_), (Texts{"one", "", "two"}));
  bait_sends("answer");
  bait_sends("");
  EXPECT_EQ(arrived(client_), (Texts{"answer", ""}));
  EXPECT_EQ(relay_->session().forwarded_to(Side::bait), 6u);
  EXPECT_EQ(relay_->session().forwarded_to(Side::client), 6u);
  relay_->end(EndReason::timeout);
  EXPECT_EQ(recorded(), (Texts{"> one", "> ", "> two", "< answer", "< "}));
}

TEST_F(DatagramRelayTest, WhatComesBeforeTheBaitsSocketIsThereWaits) {
  begin();
  client_sends("one");
  client_sends("two");
  EXPECT_GT(buffers_.held(), 0u);
  bait_comes();
  EXPECT_EQ(arrived(bait_), (Texts{"one", "two"}));
  EXPECT_EQ(buffers_.held(), 0u);
}

TEST_F(DatagramRelayTest, WhatWaitsIsBoundedAlsoTheEmptyOnes) {
  RelayOptions options;
  options.buffer_bytes = 4096;
  begin(options);
  for (int i = 0; i < 200; ++i) client_sends("");
  EXPECT_LE(buffers_.held(), 4096u);
  EXPECT_EQ(relay_->take_limit(), Limit::datagram_buffers);
  EXPECT_FALSE(relay_->take_limit()) << "said once";
  EXPECT_EQ(relay_->session().dropped_to(Side::bait), 200u - 4096 / 64);
  relay_->end(EndReason::timeout);
  EXPECT_EQ(recorded().back(),
            fmt::format("note datagrams that were dropped: {} to the bait, 0 to the attacker", 200 - 4096 / 64));
  EXPECT_EQ(buffers_.held(), 0u);
}

TEST_F(DatagramRelayTest, OneMayWaitHoweverLongItIs) {
  RelayOptions options;
  options.buffer_bytes = 4096;
  begin(options);
  const std::string bytes(65'507, 'x');
  client_sends(bytes);
  bait_comes();
  EXPECT_EQ(arrived(bait_), (Texts{bytes}));
}

TEST_F(DatagramRelayTest, ARefusalEndsItAndLosesNoAnswerBesideIt) {
  begin();
  bait_comes();
  client_sends("one");
  ASSERT_EQ(io::send_datagram(bait_.get(), {leg_, io::local_end(bait_.get()), 0}, as_bytes("bye")), 0);
  bait_.reset();
  client_sends("two");
  await_leg();
  EXPECT_TRUE(relay_->over());
  EXPECT_EQ(relay_->session().end_reason(), EndReason::bait_refused);
  EXPECT_EQ(arrived(client_), (Texts{"bye"}));
  EXPECT_EQ(recorded(), (Texts{"> one", "> two", "< bye", "note the bait could not be reached: Connection refused"}));
}

TEST_F(DatagramRelayTest, AfterTheDiskOnlyWhatLiesThereIsPassedOn) {
  RelayOptions options;
  options.durability = formats::Durability::disk;
  begin(options);
  bait_comes();
  client_sends("one");
  while (relay_->move() == DatagramRelay::Progress::held) {
    EXPECT_TRUE(arrived(bait_).empty());
    ::poll(nullptr, 0, 1);
  }
  EXPECT_EQ(arrived(bait_), (Texts{"one"}));
}

TEST_F(DatagramRelayTest, WhatTheBaitsSocketDidNotHoldIsCounted) {
  begin();
  bait_comes();
  client_sends("all");
  const std::string bytes(60'000, 'x');
  const io::Path path{leg_, io::local_end(bait_.get()), 0};
  for (int i = 0; i < 2'000; ++i) io::send_datagram(bait_.get(), path, as_bytes(bytes));
  relay_->told();
  while (relay_->move() == DatagramRelay::Progress::more) arrived(client_);
  bait_sends("the last");
  EXPECT_GT(relay_->session().dropped_to(Side::client), 0u);
  EXPECT_EQ(relay_->take_limit(), Limit::datagram_buffers);
}

}  // namespace
}  // namespace skep::proxy
