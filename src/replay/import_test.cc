#include "replay/import.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "archive/one_writer.h"
#include "base/clock.h"
#include "base/folder.h"
#include "formats/event_codec.h"
#include "replay/recordings.h"

namespace skep::replay {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr int64_t kStart = 1'500'000'000'000'000'000;

Recording recording(int64_t begun_ns = kStart, Protocol protocol = Protocol::tcp) {
  RecordingBuilder builder("x.pcap#1");
  const uint32_t number = builder.connection({.protocol = protocol,
                                              .client = *parse_endpoint("192.0.2.1:4000"),
                                              .server = *parse_endpoint("192.0.2.2:21"),
                                              .opened_ns = begun_ns,
                                              .closed_ns = begun_ns + 90,
                                              .end_reason = EndReason::open});
  builder.piece(number, Direction::to_client, begun_ns + 10, as_bytes("220\r\n"));
  builder.piece(number, Direction::to_bait, begun_ns + 20, as_bytes("US"));
  builder.piece(number, Direction::to_bait, begun_ns + 30, as_bytes("ER a\r\n"));
  builder.half_closed(number, Direction::to_bait);
  return builder.take();
}

class ImportTest : public testing::Test {
 protected:
  void open() {
    auto opened = Importer::open(folder_.path());
    ASSERT_TRUE(opened) << opened.error().message;
    importer_ = std::make_unique<Importer>(std::move(*opened));
  }
  SessionId add(const Recording& recording, const std::string& service = "") {
    const auto id = importer_->add(recording, service, "x.pcap");
    EXPECT_TRUE(id) << id.error().message;
    return id.value_or(SessionId{});
  }
  archive::Reader finish() {
    EXPECT_TRUE(importer_->finish());
    return archive::Reader::open(folder_.path()).value();
  }
  static Recording read(archive::Reader& reader, SessionId id) {
    return recording_of(reader, reader.find(id).value().value()).value();
  }
  const Folder folder_ = std::move(Folder::make().value());
  std::unique_ptr<Importer> importer_;
};

TEST_F(ImportTest, ARecordingComesBackAsItWas) {
  open();
  Recording given = recording();
  given.connections[0].end_reason = EndReason::client_closed;
  const SessionId id = add(given);
  EXPECT_EQ(id, make_session_id(kStart, 0)) << "its id is its time's";
  archive::Reader reader = finish();
  const Recording back = read(reader, id);
  EXPECT_EQ(back.service, "imported");
  ASSERT_EQ(back.messages.size(), given.messages.size());
  for (size_t i = 0; i < given.messages.size(); ++i) {
    EXPECT_EQ(back.messages[i].bytes, given.messages[i].bytes);
    EXPECT_EQ(back.messages[i].direction, given.messages[i].direction);
    EXPECT_EQ(back.messages[i].reads, given.messages[i].reads);
    EXPECT_EQ(back.messages[i].begun_ns, given.messages[i].begun_ns);
    EXPECT_EQ(back.messages[i].ended_ns, given.messages[i].ended_ns);
    EXPECT_EQ(back.messages[i].ends_direction, given.messages[i].ends_direction);
  }
  EXPECT_EQ(back.connections[0].client, given.connections[0].client);
  EXPECT_EQ(back.connections[0].server, given.connections[0].server);
  EXPECT_EQ(back.connections[0].opened_ns, kStart);
  EXPECT_EQ(back.connections[0].closed_ns, kStart + 90);
  EXPECT_EQ(back.connections[0].end_reason, EndReason::client_closed);
  EXPECT_FALSE(back.cut_short);
  EXPECT_EQ(back.lost_bytes, 0U);
}

TEST_F(ImportTest, ItSaysWhereItComesFromAndWhatItLacks) {
  open();
  Recording given = recording();
  given.lost_bytes = 7;
  given.cut_short = true;
  given.cut_because = "the capture ended";
  given.service = "ftp";
  const SessionId id = add(given);
  const SessionId undated = add(recording(0), "named");
  archive::Reader reader = finish();
  std::vector<std::string> notes;
  const auto session = reader.find(id).value().value();
  EXPECT_EQ(session.service, "ftp");
  EXPECT_EQ(session.end_reason, EndReason::not_recorded);
  EXPECT_TRUE(session.incomplete);
  const auto told = reader.for_each(session, {}, [&](const formats::Record& record) {
    if (record.type == formats::RecordType::note)
      notes.push_back(formats::decode<formats::NoteEvent>(record.payload)->words);
  });
  ASSERT_TRUE(told);
  EXPECT_THAT(notes, ElementsAre("imported from x.pcap: x.pcap#1", "7 bytes are missing in the recording",
                                 "the recording is cut short: the capture ended"));
  const Recording back = read(reader, id);
  EXPECT_EQ(back.lost_bytes, 7U);
  EXPECT_TRUE(back.cut_short);
  EXPECT_EQ(reader.find(undated).value()->service, "named");
  EXPECT_GT(start_ns(undated), kStart) << "the time of the import, where none is known";
}

TEST_F(ImportTest, IdsOfOneTimeAreDifferentAlsoInALaterImport) {
  std::set<SessionId> ids;
  open();
  const SessionId later = add(recording(kStart + 1'000'000'000));
  for (int i = 0; i < 100; ++i) ids.insert(add(recording()));
  finish();
  importer_.reset();
  open();
  for (int i = 0; i < 100; ++i) ids.insert(add(recording()));
  archive::Reader reader = finish();
  EXPECT_EQ(ids.size(), 200U);
  EXPECT_LT(*ids.rbegin(), later) << "earlier sessions come before, whenever they are imported";
  EXPECT_EQ(reader.list({}).value().size(), 201U);
}

TEST_F(ImportTest, ASessionThatIsRecordedAfterwardsHasAnIdOfItsOwn) {
  open();
  const int64_t future_ns = now_realtime_ns() + 3'600'000'000'000;
  const SessionId id = add(recording(future_ns));
  finish();
  importer_.reset();
  auto writer = archive::OneWriter::open(folder_.path(), {}).value();
  EXPECT_GT(writer->opened(now_realtime_ns(), {}), id);
}

TEST_F(ImportTest, AnArchiveThatSomebodyWritesIsRefused) {
  open();
  const auto second = Importer::open(folder_.path());
  ASSERT_FALSE(second);
  EXPECT_THAT(second.error().message, HasSubstr("another skep-proxy writes there already"));
}

TEST_F(ImportTest, DatagramsStayApartAndEndBySilence) {
  open();
  const SessionId id = add(recording(kStart, Protocol::udp));
  archive::Reader reader = finish();
  const Recording back = read(reader, id);
  EXPECT_EQ(back.messages.size(), 3U);
  EXPECT_EQ(back.connections[0].end_reason, EndReason::timeout);
  EXPECT_FALSE(back.cut_short);
}

}  // namespace
}  // namespace skep::replay
