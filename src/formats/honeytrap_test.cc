#include "formats/honeytrap.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace skep::formats {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

struct Read {
  std::vector<HoneytrapAttack> attacks;
  HoneytrapRead end;
};

Read read(std::string_view text, size_t room = 5, size_t wanted = SIZE_MAX) {
  Read done;
  done.end = read_honeytrap(
      [&](std::span<uint8_t> into) {
        const size_t bytes = std::min({room, into.size(), text.size()});
        std::copy_n(text.begin(), bytes, into.begin());
        text.remove_prefix(bytes);
        return bytes;
      },
      [&](HoneytrapAttack&& attack) {
        done.attacks.push_back(std::move(attack));
        return done.attacks.size() < wanted;
      });
  return done;
}

// As honeytrap orders it; `payload` is what stands in that object.
std::string attack(const std::string& payload, const std::string& port = "4000", const std::string& proxied = "") {
  return R"({"is_virtual": false, "start_time": "2025-02-18T04:23:26Z", "end_time": "2025-02-18T04:23:28Z", )"
         R"("attack_connection": {"protocol": "tcp", "remote_ip": "192.0.2.1", "remote_port": )" +
         port + R"(, "local_ip": "2001:db8::2", "local_port": 80, "payload": {)" + payload +
         R"(}}, "proxy_connection": {"protocol": "ip", "remote_ip": "0.0.0.0", "remote_port": 7, "payload": {)" +
         proxied + R"(}}, "downloads": {}})";
}
const std::string kAbc = R"("md5_hash": "900150983cd24fb0d6963f7d28e17f72", "length": 3, "data_hex": "616263")";

TEST(HoneytrapTest, AnArrayOfAttacksIsRead) {
  const Read done = read("{\"attacks\":[\n" + attack(kAbc) + ",\n" +
                         attack(R"("length": 0, "data_hex": "")", "4001", R"("data_hex": "7A")") + "\n]}\n");
  EXPECT_THAT(done.end.damage, ElementsAre());
  ASSERT_EQ(done.attacks.size(), 2U);
  const HoneytrapAttack& first = done.attacks[0];
  EXPECT_EQ(first.protocol, "tcp");
  EXPECT_EQ(to_string(first.remote), "192.0.2.1:4000");
  EXPECT_EQ(to_string(first.local), "[2001:db8::2]:80");
  EXPECT_EQ(first.start_ns, 1'739'852'606'000'000'000);
  EXPECT_EQ(first.end_ns, 1'739'852'608'000'000'000);
  EXPECT_EQ(as_text(first.received.bytes), "abc");
  EXPECT_THAT(first.received.doubts, ElementsAre());
  EXPECT_TRUE(done.attacks[1].received.bytes.empty());
  EXPECT_EQ(as_text(done.attacks[1].proxied.bytes), "z");
  EXPECT_EQ(to_string(done.attacks[1].remote), "192.0.2.1:4001");
}

TEST(HoneytrapTest, OneALineIsReadAndOneAlone) {
  const std::string one = attack(kAbc);
  EXPECT_EQ(read(one + "\n" + one + "\n" + one).attacks.size(), 3U);
  EXPECT_EQ(read("[" + one + ", " + one + "]", 1).attacks.size(), 2U);
  EXPECT_EQ(read(one, 1000).attacks.size(), 1U);
  EXPECT_EQ(read("{\"a\": [1, {\"b\": null}]}").attacks.size(), 0U);
  EXPECT_EQ(read("").end.damages, 0U);
}

TEST(HoneytrapTest, APayloadThatDoesNotAgreeIsSaid) {
  struct Case {
    const char* payload;
    const char* bytes;
    std::vector<std::string> doubts;
  };
  const Case cases[] = {{R"("data_hex": "616263", "length": 4)", "abc", {"length says 4 bytes, data_hex has 3"}},
                        {R"("md5_hash": "900150983cd24fb0d6963f7d28e17f72", "data_hex": "616264")",
                         "abd",
                         {"md5_hash does not agree with data_hex"}},
                        {R"("sha512_hash": "00", "data_hex": "61")", "a", {"sha512_hash does not agree with data_hex"}},
                        {R"("data_hex": "616", "length": 1)", "a", {"data_hex ends within a byte"}},
                        {R"("data_hex": "61x2", "length": 1)", "a", {"data_hex is not hexadecimal to its end"}},
                        {R"("md5_hash": "", "sha512_hash": "", "data_hex": "61")", "a", {}},
                        {R"("length": 2)", "", {"length says 2 bytes, data_hex has 0"}}};
  for (const Case& each : cases) {
    SCOPED_TRACE(each.payload);
    const Read done = read(attack(each.payload));
    ASSERT_EQ(done.attacks.size(), 1U);
    EXPECT_EQ(as_text(done.attacks[0].received.bytes), each.bytes);
    EXPECT_EQ(done.attacks[0].received.doubts, each.doubts);
  }
}

TEST(HoneytrapTest, BehindDamageItGoesOnAtTheNextLine) {
  const std::string one = attack(kAbc);
  std::string broken = one;
  broken.replace(broken.find("\"local_port\": 80"), 16, "\"local_port\": eighty");
  const Read done = read("{\"attacks\":[\n" + one + ",\n" + broken + ",\n" + attack(kAbc, "4002") + ",\n" +
                         attack(kAbc, "4003") + "\n]}\n");
  ASSERT_EQ(done.attacks.size(), 3U);
  EXPECT_EQ(done.attacks[1].remote.port, 4002);
  EXPECT_EQ(done.attacks[2].remote.port, 4003);
  ASSERT_EQ(done.end.damages, 1U);
  EXPECT_THAT(done.end.damage[0], HasSubstr("line 3: "));
  EXPECT_EQ(done.end.attacks, 3U);
}

TEST(HoneytrapTest, OfWhatIsCutShortTheBeginningIsRead) {
  const std::string one = attack(kAbc);
  const std::string all = "{\"attacks\":[\n" + one + ",\n" + one + "\n]}";
  for (size_t bytes = 0; bytes < all.size(); bytes += 7) {
    const Read done = read(std::string_view(all).substr(0, bytes), 64);
    EXPECT_LE(done.attacks.size(), 2U);
    EXPECT_EQ(done.end.damages, bytes == 0 ? 0U : 1U) << bytes;
  }
}

TEST(HoneytrapTest, WhatIsNestedTooDeepIsDamage) {
  const Read done = read(std::string(10'000, '[') + "\n" + attack(kAbc));
  EXPECT_EQ(done.end.damages, 1U);
  EXPECT_EQ(done.attacks.size(), 1U);
}

TEST(HoneytrapTest, NoMoreThanIsWantedIsRead) {
  const std::string one = attack(kAbc);
  const Read done = read(one + "\n" + one + "\n" + one, 64, 2);
  EXPECT_EQ(done.attacks.size(), 2U);
  EXPECT_EQ(done.end.damages, 0U);
}

TEST(HoneytrapTest, AnEndlessPayloadIsKeptAsFarAsTheBound) {
  std::string beginning = attack("\"data_hex\": \"");
  beginning.resize(beginning.find("data_hex\": \"") + 12);
  uint64_t given = 0;
  HoneytrapPayload kept;
  const auto end = read_honeytrap(
      [&](std::span<uint8_t> room) -> size_t {
        if (given > 3 * kHoneytrapPayloadMax) {
          std::ranges::copy(std::string_view("\"}}}"), room.begin());
          return std::exchange(given, UINT64_MAX) == UINT64_MAX ? 0 : 4;
        }
        std::ranges::fill(room, '6');
        if (given == 0) std::ranges::copy(beginning, room.begin());
        given += room.size();
        return room.size();
      },
      [&](HoneytrapAttack&& attack) {
        kept = std::move(attack.received);
        return true;
      });
  EXPECT_EQ(end.damages, 0U);
  EXPECT_EQ(kept.bytes.size(), kHoneytrapPayloadMax);
  EXPECT_THAT(kept.doubts, ElementsAre("data_hex is longer than 64 MiB"));
}

}  // namespace
}  // namespace skep::formats
