// docs/formats/control-channel.md held to the code.
#include <gtest/gtest.h>

#include <algorithm>

#include "base/doc_page.h"
#include "model/session.h"
#include "wire/channel.h"
#include "wire/control_server.h"

namespace skep::wire {
namespace {

const std::string& page() {
  static const std::string text = source_text("docs/formats/control-channel.md");
  return text;
}

std::string endpoint_text(const std::string& address, uint32_t port) {
  Endpoint endpoint;
  SKEP_CHECK(address.size() == endpoint.address.size());
  std::copy(address.begin(), address.end(), endpoint.address.begin());
  endpoint.port = static_cast<uint16_t>(port);
  return to_string(endpoint);
}

TEST(ControlChannelPageTest, TheWorkedBytesAnnounceASession) {
  const auto blocks = fenced_blocks(page(), "hex");
  ASSERT_EQ(blocks.size(), 1u);
  const Bytes bytes = bytes_of_hex(blocks[0]);
  FrameReader reader;
  reader.feed(bytes);
  const auto content = reader.next();
  ASSERT_TRUE(content && *content);
  EXPECT_EQ(reader.waiting(), 0u);
  const auto frame = parse_frame(**content);
  ASSERT_TRUE(frame) << frame.error().message;
  EXPECT_EQ(frame->seq(), 2u);
  ASSERT_TRUE(frame->has_session_opened());
  const SessionOpened& opened = frame->session_opened();
  EXPECT_EQ(to_string(SessionId{opened.session()}), "20260330T000007784231-000");
  EXPECT_EQ(endpoint_text(opened.flow().remote_address(), opened.flow().remote_port()), "10.99.0.2:40007");
  EXPECT_EQ(endpoint_text(opened.flow().local_address(), opened.flow().local_port()), "10.99.0.3:8080");
  EXPECT_EQ(opened.service(), "web");
  EXPECT_EQ(hex(encode_frame(*frame)), hex(bytes));
}

TEST(ControlChannelPageTest, NamesEveryMessageWithItsNumber) {
  const std::string proto = source_text("src/wire/control.proto");
  const auto rows = table_rows(section(page(), "Messages"));
  size_t count = 0;
  for (const std::string_view line : split(std::string_view(proto).substr(proto.find("oneof body")), '\n')) {
    const auto words = split(trim(line), ' ');  // "Hello hello = 2;"
    if (words.size() != 4 || words[2] != "=") continue;
    ASSERT_LT(count, rows.size());
    EXPECT_EQ(rows[count].at(0) + ";", words[3]);
    EXPECT_EQ(rows[count].at(1), words[1]);
    ++count;
  }
  EXPECT_EQ(count, rows.size());
  EXPECT_GT(count, 0u);
}

TEST(ControlChannelPageTest, GivesTheLimitsThatHold) {
  const struct {
    const char* what;
    uint64_t limit;
  } limits[] = {
      {"length of a frame", kFrameBytesMax},
      {"connections to the monitor that are not authenticated yet", kPendingMax},
      {"of them from one address", kPendingPerAddressMax},
      {"handshake, either end", static_cast<uint64_t>(kHandshakeTimeoutNs) / 1'000'000'000},
      {"bytes that wait to be sent", kOutgoingBytesMax},
      {"bytes of a text", kTextBytesMax},
      {"processes in an alert's lineage", kLineageMax},
      {"steps of an alert", kStepsMax},
      {"candidates of an alert, flows of a loss", kCandidatesMax},
      {"services of a welcome", kServicesMax},
      {"bytes of a file's copy", kFileBytesMax},
      {"bytes of a piece", kChunkBytesMax},
      {"registers of a crash", kRegistersMax},
  };
  const auto rows = table_rows(section(page(), "Limits"));
  for (const auto& [what, limit] : limits) {
    const auto row =
        std::find_if(rows.begin(), rows.end(), [&, name = what](const auto& cells) { return cells.at(0) == name; });
    ASSERT_NE(row, rows.end()) << what;
    EXPECT_EQ(std::stoull(row->at(1)), limit) << what;
  }
}

}  // namespace
}  // namespace skep::wire
