#include "replay/minimise.h"

#include <gtest/gtest.h>

#include "replay/minimal_file.h"
#include "replay/test_dialogue.h"

namespace skep::replay {
namespace {

std::string sent(const Candidate& candidate) {
  std::string all;
  for (const Message& message : candidate.recording.messages) {
    if (message.direction == Direction::to_bait) all += as_text(message.bytes);
  }
  return all;
}

Result<Minimal> minimised(const Recording& recording, const std::function<bool(const std::string&)>& attacks,
                          uint32_t most = 20'000) {
  const std::atomic<bool> stop{false};
  const Plan plan = plan_as_recorded(recording);
  MinimiseOptions options;
  options.candidates_max = most;
  return minimise(
      recording, plan,
      [&](const std::vector<Candidate>& candidates) {
        std::vector<bool> all;
        for (const Candidate& each : candidates) all.push_back(attacks(sent(each)));
        return all;
      },
      options, {}, stop);
}

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

TEST(MinimiseTest, NothingIsLeftThatTheAlertDoesWithout) {
  const Recording recording =
      dialogue({"<hi", ">HELO somebody\n", "<ok", ">RUN first;/bin/sh -c 'x';last\n", "<gone", ">more"}, 3);
  const auto attacks = [](const std::string& text) { return has(text, "RUN") && has(text, ";/bin/sh"); };
  const auto minimal = minimised(recording, attacks);
  ASSERT_TRUE(minimal);
  EXPECT_TRUE(minimal->whole);
  EXPECT_EQ(sent(reduced(recording, plan_as_recorded(recording), minimal->kept)), "RUN;/bin/sh");
  EXPECT_EQ(minimal->bytes, 11u);
  EXPECT_EQ(minimal->bytes_needed, 11u);
}

// An overflow: so many bytes must be there, whatever they are, and then some of a certain value.
TEST(MinimiseTest, FillingMustBeThereAndMayBeAnything) {
  const Recording recording = dialogue({">POST / " + std::string(300, 'A') + "JUMP" + std::string(40, 'B')}, 0);
  const auto attacks = [](const std::string& text) {
    const size_t at = text.find("JUMP");
    return at != std::string::npos && at >= 256;
  };
  const auto minimal = minimised(recording, attacks);
  ASSERT_TRUE(minimal);
  EXPECT_EQ(minimal->bytes, 260u);
  EXPECT_EQ(minimal->bytes_needed, 4u);
}

// Two places of which neither can go alone: the ranges are tried, not only the bytes.
TEST(MinimiseTest, ARangeGoesThatNoSingleByteOfCan) {
  const Recording recording = dialogue({">((a))[EVIL]((b))"}, 0);
  const auto attacks = [](const std::string& text) {
    int open = 0;
    for (const char c : text) open += c == '(' ? 1 : c == ')' ? -1 : 0;
    return has(text, "[EVIL]") && open == 0;
  };
  const auto minimal = minimised(recording, attacks);
  ASSERT_TRUE(minimal);
  EXPECT_EQ(sent(reduced(recording, plan_as_recorded(recording), minimal->kept)), "[EVIL]");
}

TEST(MinimiseTest, ABoundThatIsMetIsSaid) {
  const Recording recording = dialogue({">" + std::string(500, 'x') + "EVIL"}, 0);
  const auto minimal = minimised(
      recording, [](const std::string& text) { return has(text, "EVIL"); }, 12);
  ASSERT_TRUE(minimal);
  EXPECT_FALSE(minimal->whole);
  EXPECT_TRUE(has(sent(reduced(recording, plan_as_recorded(recording), minimal->kept)), "EVIL"));
}

TEST(MinimiseTest, WhereTheWholeRaisesNoAlertThereIsNothingToMinimise) {
  EXPECT_FALSE(minimised(dialogue({">GET /"}, 0), [](const std::string&) { return false; }));
  EXPECT_FALSE(minimised(dialogue({"<220 hello"}), [](const std::string&) { return true; }));
}

// A length that lies around what was dropped is that of what is left.
TEST(MinimiseTest, LengthsFollowWhatIsDropped) {
  const std::string body = "a=1&cmd=EVIL";
  const std::string head = "POST / HTTP/1.0\r\nContent-Length: 12\r\n\r\n";
  const Recording recording = dialogue({">" + head + body}, 0);
  Plan plan = plan_as_recorded(recording);
  Field length;
  length.place = {0, static_cast<uint32_t>(head.find("12")), 2};
  Length of_body;
  of_body.from = static_cast<uint32_t>(head.size());
  of_body.to = static_cast<uint32_t>(head.size() + body.size());
  length.what = of_body;
  plan.fields.push_back(length);
  const Candidate shorter = reduced(
      recording, plan,
      {{0, 0, static_cast<uint32_t>(head.size())}, {0, static_cast<uint32_t>(head.size() + body.find("EVIL")), 4}});
  const std::vector<Bytes> answers(1);
  Surroundings around;
  around.answers = &answers;
  const auto message = fill(shorter.recording, shorter.plan, 0, around);
  ASSERT_TRUE(message);
  EXPECT_EQ(as_text(*message), "POST / HTTP/1.0\r\nContent-Length: 4\r\n\r\nEVIL");
}

TEST(MinimalFileTest, PlacesAreReadAsTheyWereWritten) {
  const std::vector<Place> places = {{0, 12, 5}, {0, 30, 1}, {7, 0, 4'000'000'000u}};
  const auto read = parse_places(to_string(places));
  ASSERT_TRUE(read);
  EXPECT_EQ(to_string(*read), "0:12+5 0:30+1 7:0+4000000000");
  EXPECT_TRUE(parse_places("")->empty());
  for (const std::string_view bad : {"0", "0:1", "0:1+", "x:1+2", "0:1+2,3", "0:1+99999999999", "-1:0+1"}) {
    EXPECT_FALSE(parse_places(bad)) << bad;
  }
}

}  // namespace
}  // namespace skep::replay
