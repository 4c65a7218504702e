// The C structs that cross from kernel to host, compiled here as C++ (their static_asserts run), and the nouns' texts.
#include <gtest/gtest.h>

#include "model/kernel_event.h"
#include "model/session.h"
#include "model/signature_table.h"
#include "model/watch_records.h"

namespace skep {
namespace {

TEST(SessionIdTest, TextComesBackAsTheSameId) {
  const SessionId id = make_session_id(1'795'000'000'123'456'789, 0xabc);
  EXPECT_EQ(to_string(id).size(), 25u);
  EXPECT_EQ(parse_session_id(to_string(id)), id);
  EXPECT_EQ(start_ns(id), 1'795'000'000'123'456'000);
}

TEST(SessionIdTest, TextSortsByTime) {
  EXPECT_LT(to_string(make_session_id(1'000'000'000'000'000'000, 5)),
            to_string(make_session_id(1'000'000'000'000'001'000, 1)));
}

TEST(SessionIdTest, RefusesWhatIsNoId) {
  for (const char* text :
       {"", "x", "20261124T110512123456-zzz", "20261324T110512123456-0a7", "20261124T110512123456_0a7"}) {
    EXPECT_FALSE(parse_session_id(text)) << text;
  }
}

TEST(EndpointTest, TextComesBack) {
  for (const char* text : {"192.0.2.1:80", "[2001:db8::1]:65535", "127.0.0.1:0"}) {
    const auto endpoint = parse_endpoint(text);
    ASSERT_TRUE(endpoint) << text;
    EXPECT_EQ(to_string(*endpoint), text);
  }
}

TEST(EndpointTest, RefusesWhatIsNone) {
  for (const char* text : {"", "host:80", "1.2.3.4:99999", "[::1:80", "1.2.3.4:", "[::1]80"}) {
    EXPECT_FALSE(parse_endpoint(text)) << text;
  }
}

}  // namespace
}  // namespace skep
