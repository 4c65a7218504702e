#include "formats/profile_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/clock.h"
#include "base/doc_page.h"

namespace skep::formats {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr char kHead[] = "apiVersion: skep/v1\nkind: ServiceProfile\nservice: web\n";

TEST(ProfileFileTest, ReadsWhatItWrites) {
  ServiceProfile profile;
  profile.service = "web";
  profile.from_ns = parse_time("2026-03-30T00:00:00Z").value();
  profile.to_ns = parse_time("2026-03-31T00:00:00Z").value();
  profile.sessions = 5120;
  profile.programs = {"/usr/sbin/webd", "/srv/a file: with # signs"};
  profile.ports = {80, 0};
  profile.peers = {parse_endpoint("192.0.2.7:0").value(), parse_endpoint("[2001:db8::1]:0").value()};
  profile.folders_written = {"/var/log/webd", "/tmp/**"};
  profile.files_read = {"/etc/passwd"};
  profile.folders_read = {"/var/www"};
  profile.calls = {"read", "write"};
  profile.notes = {"/var/www: a note"};
  const std::string text = profile_yaml(profile);
  EXPECT_THAT(text, HasSubstr("# /var/www: a note\n"));
  const auto again = parse_profile_file("p.yaml", text);
  ASSERT_TRUE(again) << again.error().message << text;
  EXPECT_EQ(again->from_ns, profile.from_ns);
  EXPECT_EQ(again->to_ns, profile.to_ns);
  EXPECT_EQ(again->sessions, 5120u);
  EXPECT_EQ(again->programs, profile.programs);
  EXPECT_EQ(again->ports, profile.ports);
  EXPECT_EQ(again->peers, profile.peers);
  EXPECT_EQ(again->folders_written, profile.folders_written);
  EXPECT_EQ(again->files_read, profile.files_read);
  EXPECT_EQ(again->folders_read, profile.folders_read);
  EXPECT_EQ(again->calls, profile.calls);
}

TEST(ProfileFileTest, RefusesMistakesWithTheirLine) {
  const struct {
    const char* description;
    std::string text;
    const char* complaint;
  } rows[] = {
      {"another kind", "apiVersion: skep/v1\nkind: SignatureSet\nservice: web\n", "p.yaml:2: "},
      {"no service", "apiVersion: skep/v1\nkind: ServiceProfile\n", "service"},
      {"an unknown key", std::string(kHead) + "file_read: /a\n", "did you mean 'files_read'?"},
      {"a relative path", std::string(kHead) + "files_read: [etc/passwd]\n", "'etc/passwd' is no path for a profile"},
      {"a path that climbs", std::string(kHead) + "folders_read: [/var/../etc]\n", "is no path for a profile"},
      {"all below where single files are listed", std::string(kHead) + "programs: [/bin//x]\n", "is no path"},
      {"a long path", std::string(kHead) + "files_read: [/" + std::string(255, 'x') + "]\n", "is no path"},
      {"no port", std::string(kHead) + "ports: [80, http]\n", "'http' is neither a port nor `ephemeral`"},
      {"port 0", std::string(kHead) + "ports: [0]\n", "'0' is neither"},
      {"no address", std::string(kHead) + "peers: [example.org]\n", "'example.org' is no address"},
      {"no time", std::string(kHead) + "learned: {from: yesterday}\n", "'yesterday' is no time"},
  };
  for (const auto& row : rows) {
    const auto profile = parse_profile_file("p.yaml", row.text);
    ASSERT_FALSE(profile) << row.description;
    EXPECT_THAT(profile.error().message, HasSubstr(row.complaint)) << row.description;
  }
}

TEST(ProfileFileTest, HoldsAsManyEntriesAsTheLimitSaysAndNoMore) {
  std::string text = std::string(kHead) + "files_read:\n";
  for (size_t i = 0; i < ServiceProfile::kEntriesMax; ++i) text += fmt::format("  - /f{}\n", i);
  EXPECT_TRUE(parse_profile_file("p.yaml", text));
  const auto more = parse_profile_file("p.yaml", text + "  - /one-more\n");
  ASSERT_FALSE(more);
  EXPECT_THAT(more.error().message, HasSubstr("more than 8192 entries"));
}

// docs/formats/profile.md held to the code.
TEST(ProfilePageTest, TheWorkedFileLoadsAndSaysWhatThePageSays) {
  const std::string page = source_text("docs/formats/profile.md");
  const auto blocks = fenced_blocks(page, "yaml");
  ASSERT_EQ(blocks.size(), 1u);
  const auto profile = parse_profile_file("profile.md", blocks[0]);
  ASSERT_TRUE(profile) << profile.error().message;
  EXPECT_EQ(profile->service, "web");
  EXPECT_EQ(profile->sessions, 5120u);
  EXPECT_THAT(profile->ports, ElementsAre(8080, 0));
  EXPECT_THAT(profile->folders_written, ElementsAre("/var/log/webd", "/var/lib/webd/sessions/**"));
  EXPECT_THAT(profile->folders_read, ElementsAre("/proc", "/var/www/html"));
}

TEST(ProfilePageTest, EveryKeyOfTheTableIsKnownAndEveryOtherIsNot) {
  const auto rows = table_rows(section(source_text("docs/formats/profile.md"), "Keys"));
  ASSERT_EQ(rows.size(), 14u);
  for (const auto& row : rows) {
    ASSERT_GE(row.size(), 2u);
    const std::string key = row[0].substr(1, row[0].size() - 2);
    const bool inner = row[1].find("learned") != std::string::npos;
    const auto known =
        parse_profile_file("p", std::string(kHead) + (inner ? "learned: {" + key + ": [{}]}\n" : key + ": [{}]\n"));
    ASSERT_FALSE(known) << key;  // no key takes a map like this one; an unknown one is told as such
    EXPECT_THAT(known.error().message, testing::Not(HasSubstr("unknown key '" + key))) << key;
  }
}

}  // namespace
}  // namespace skep::formats
