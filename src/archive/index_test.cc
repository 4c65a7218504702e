#include "archive/index.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "archive/one_writer.h"
#include "archive/reader.h"
#include "base/clock.h"
#include "base/file.h"

namespace skep::archive {
namespace {

class IndexTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/skep-index-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    folder_ = name;
    auto opened = Index::open(folder_, true);
    ASSERT_TRUE(opened);
    index_.emplace(std::move(*opened));
  }
  void TearDown() override {
    index_.reset();
    std::filesystem::remove_all(folder_);
  }
  SessionSummary row(std::string_view time, unsigned number, std::string head = "GET / HTTP/1.0") {
    SessionSummary summary;
    summary.start_ns = *parse_time(time);
    summary.end_ns = summary.start_ns + 1;
    summary.id = make_session_id(summary.start_ns, number);
    summary.service = "web";
    summary.client = *parse_endpoint("192.0.2.1:4321");
    summary.head = std::move(head);
    return summary;
  }
  static Alert alert(std::string rule, std::string arguments) {
    Alert made;
    made.rule = std::move(rule);
    made.arguments = std::move(arguments);
    return made;
  }
  std::vector<uint64_t> ids(const Filter& filter) {
    const auto rows = index_->select(filter);
    EXPECT_TRUE(rows) << rows.error().message;
    std::vector<uint64_t> found;
    for (const SessionSummary& each : *rows) found.push_back(each.id.value);
    return found;
  }
  void seal_all() {
    for (const int64_t number : index_->days()) ASSERT_TRUE((*index_->day(number))->seal());
  }
  std::string folder_;
  std::optional<Index> index_;
};

TEST_F(IndexTest, ASessionLiesInTheDayOfItsBeginning) {
  SessionSummary over_midnight = row("2026-03-30T23:59:59Z", 0);
  over_midnight.end_ns = 0;
  ASSERT_TRUE(index_->put({over_midnight, row("2026-03-31T00:00:00Z", 0)}));
  over_midnight.end_ns = *parse_time("2026-03-31T05:00:00Z");
  ASSERT_TRUE(index_->put({over_midnight}));
  EXPECT_EQ(index_->days().size(), 2u);
  EXPECT_EQ((*index_->find(over_midnight.id))->end_ns, over_midnight.end_ns);
  EXPECT_TRUE(std::filesystem::exists(folder_ + "/index/2026-03-30.sqlite"));
  EXPECT_TRUE(std::filesystem::exists(folder_ + "/index/2026-03-31.sqlite"));
}

// As a day lies there that an earlier skep-proxy began.
TEST_F(IndexTest, ADayWithoutTheProtocolsColumnIsReadAndThenWritten) {
  SessionSummary datagrams = row("2026-03-30T12:00:01Z", 0);
  datagrams.protocol = Protocol::udp;
  ASSERT_TRUE(index_->put({row("2026-03-30T12:00:00Z", 0)}));
  const int64_t number = index_->days().at(0);
  ASSERT_TRUE(run_sql((*index_->day(number))->database(), "ALTER TABLE sessions DROP COLUMN protocol"));
  auto reader = Index::open(folder_, false);
  ASSERT_TRUE(reader);
  const auto old = reader->select({});
  ASSERT_TRUE(old) << old.error().message;
  ASSERT_EQ(old->size(), 1u);
  EXPECT_EQ((*old)[0].protocol, Protocol::tcp);
  EXPECT_EQ((*old)[0].head, "GET / HTTP/1.0");
  index_.reset();
  auto again = Index::open(folder_, true);
  ASSERT_TRUE(again);
  ASSERT_TRUE(again->put({datagrams}));
  const auto both = reader->select({});
  ASSERT_TRUE(both) << both.error().message;
  ASSERT_EQ(both->size(), 2u);
  EXPECT_EQ((*both)[0].protocol, Protocol::tcp);
  EXPECT_EQ((*both)[1].protocol, Protocol::udp);
}

// Likewise of a day from before there was a filter: what its writer has not added yet is nothing.
TEST_F(IndexTest, ADayWithoutTheRulesTablesIsReadAndThenWritten) {
  ASSERT_TRUE(index_->put({row("2026-03-30T12:00:00Z", 0)}));
  sqlite3* const db = (*index_->day(index_->days().at(0)))->database();
  for (const char* change :
       {"DROP TABLE rule_hits", "DROP TABLE rule_counts", "ALTER TABLE sessions DROP COLUMN rule_hits",
        "ALTER TABLE sessions DROP COLUMN rule_hits_total"})
    ASSERT_TRUE(run_sql(db, change)) << change;
  auto reader = Index::open(folder_, false);
  ASSERT_TRUE(reader);
  Filter by_rule;
  by_rule.rule = "1002";
  EXPECT_EQ(reader->select({})->size(), 1u);
  EXPECT_TRUE(reader->select(by_rule)->empty());
  EXPECT_TRUE(reader->rule_counts()->empty());
  index_.reset();
  auto again = Index::open(folder_, true);
  ASSERT_TRUE(again);
  SessionSummary hit = row("2026-03-30T12:00:01Z", 0);
  hit.rule_hits = {{1, 1002, 7, "cmd.exe", RuleGrade::specific, HitAction::reset, 60}};
  hit.rule_hits_total = 1;
  ASSERT_TRUE(again->put({hit}));
  const auto found = reader->select(by_rule);
  ASSERT_TRUE(found) << found.error().message;
  ASSERT_EQ(found->size(), 1u);
  ASSERT_EQ((*found)[0].rule_hits.size(), 1u);
  EXPECT_EQ((*found)[0].rule_hits_total, 1u);
  EXPECT_EQ((*found)[0].rule_hits[0].message, "cmd.exe");
  EXPECT_EQ((*found)[0].rule_hits[0].action, HitAction::reset);
  EXPECT_EQ(reader->rule_counts()->size(), 1u);
}

TEST_F(IndexTest, RulesAreCountedOnceASessionHoweverOftenItIsPut) {
  const auto hit = [&](std::string_view time, uint32_t sid, uint64_t bytes) {
    SessionSummary made = row(time, sid);
    made.rule_hits = {{1, sid, 1, "of " + std::to_string(sid), RuleGrade::specific, HitAction::dropped, 9}};
    made.bytes_in = bytes;
    return made;
  };
  SessionSummary growing = hit("2026-03-30T01:00:00Z", 7, 10);
  ASSERT_TRUE(index_->put({growing, hit("2026-03-30T02:00:00Z", 7, 100), hit("2026-03-31T01:00:00Z", 7, 1000)}));
  growing.bytes_in = 30;
  growing.rule_hits.push_back({1, 8, 1, "another", RuleGrade::generic, HitAction::tagged, 12});
  ASSERT_TRUE(index_->put({growing}));
  ASSERT_TRUE(index_->put({growing}));
  const auto counts = index_->rule_counts();
  ASSERT_TRUE(counts) << counts.error().message;
  ASSERT_EQ(counts->size(), 2u);
  const RuleCount& seven = (*counts)[0];
  EXPECT_EQ(seven.sid, 7u);
  EXPECT_EQ(seven.message, "of 7");
  EXPECT_EQ(seven.grade, RuleGrade::specific);
  EXPECT_EQ(seven.sessions, 3u);
  EXPECT_EQ(seven.bytes, 1130u);
  EXPECT_EQ(seven.first_ns, *parse_time("2026-03-30T01:00:00Z"));
  EXPECT_EQ(seven.last_ns, *parse_time("2026-03-31T01:00:00Z"));
  EXPECT_EQ((*counts)[1].sessions, 1u);
  EXPECT_EQ((*counts)[1].bytes, 30u);
  const auto since = index_->rule_counts(*parse_time("2026-03-30T01:30:00Z"));
  ASSERT_TRUE(since) << since.error().message;
  ASSERT_EQ(since->size(), 1u);
  EXPECT_EQ((*since)[0].sessions, 2u);
  EXPECT_EQ((*since)[0].bytes, 1100u);
  Filter filter;
  for (const auto& [rule, expected] : {std::pair("7", 3u), std::pair("1:7", 3u), std::pair("2:7", 0u),
                                       std::pair("1:8", 1u), std::pair("8 OR 1", 0u), std::pair("", 3u)}) {
    filter.rule = rule;
    EXPECT_EQ(ids(filter).size(), expected) << rule;
  }
  filter.rule = {};
  filter.text = "ANOTHER";
  EXPECT_EQ(ids(filter), std::vector<uint64_t>{growing.id.value});
}

TEST_F(IndexTest, AListGoesOverTheDaysInOrderAndStopsAtItsLimit) {
  std::vector<SessionSummary> rows;
  std::vector<uint64_t> all;
  for (const char* day : {"2026-03-29", "2026-03-30", "2026-03-31"}) {
    for (unsigned i = 0; i < 3; ++i) {
      rows.push_back(row(std::string(day) + "T12:00:00Z", i));
      all.push_back(rows.back().id.value);
    }
  }
  ASSERT_TRUE(index_->put(rows));
  EXPECT_EQ(ids({}), all);
  Filter four;
  four.limit = 4;
  EXPECT_EQ(ids(four), std::vector<uint64_t>(all.begin(), all.begin() + 4));
  four.newest_first = true;
  EXPECT_EQ(ids(four), std::vector<uint64_t>(all.rbegin(), all.rbegin() + 4));
  Filter middle;
  middle.since_ns = *parse_time("2026-03-30T00:00:00Z");
  middle.until_ns = *parse_time("2026-03-31T00:00:00Z");
  EXPECT_EQ(ids(middle), std::vector<uint64_t>(all.begin() + 3, all.begin() + 6));
  Filter behind;
  behind.after = all[4];
  EXPECT_EQ(ids(behind), std::vector<uint64_t>(all.begin() + 5, all.end()));
}

// Each question twice: of a day that is fed, and of the same day sealed.
TEST_F(IndexTest, WhatIsFoundIsTheSameBeforeAndAfterADayIsSealed) {
  const SessionSummary plain = row("2026-03-30T01:00:00Z", 0, "GET /100%_done HTTP/1.0");
  SessionSummary other = row("2026-03-30T02:00:00Z", 0, "USER anonymous");
  other.service = "ftp";
  other.client = *parse_endpoint("[2001:db8::1]:99");
  SessionSummary hit = row("2026-03-30T03:00:00Z", 0, "GET /cgi-bin/Luci");
  hit.alerts = {alert("shell_from_service", "/bin/sh -c id"), alert("shell_from_service", "/bin/sh -c ls")};
  hit.session_class = SessionClass::attack;
  ASSERT_TRUE(index_->put({plain, other, hit}));
  const auto with = [](auto member, auto value) {
    Filter filter;
    filter.*member = value;
    return filter;
  };
  struct Row {
    const char* description;
    Filter filter;
    std::vector<uint64_t> expected;
  };
  const Row rows[] = {
      {"class", with(&Filter::session_class, std::optional(SessionClass::attack)), {hit.id.value}},
      {"the common class",
       with(&Filter::session_class, std::optional(SessionClass::harmless)),
       {plain.id.value, other.id.value}},
      {"service", with(&Filter::service, std::string("ftp")), {other.id.value}},
      {"source", with(&Filter::source, std::string("2001:db8::1")), {other.id.value}},
      {"rule, which fired twice", with(&Filter::rule, std::string("shell_from_service")), {hit.id.value}},
      {"no such rule", with(&Filter::rule, std::string("shell")), {}},
      {"text, any case", with(&Filter::text, std::string("cgi-bin/luci")), {hit.id.value}},
      {"text of an alert", with(&Filter::text, std::string("sh -c LS")), {hit.id.value}},
      {"text with SQL's wild cards", with(&Filter::text, std::string("100%_d")), {plain.id.value}},
      {"a wild card is no wild card", with(&Filter::text, std::string("GET%HTTP")), {}},
      {"a quote", with(&Filter::text, std::string("' OR 1=1")), {}},
  };
  for (int round = 0; round < 2; ++round) {
    for (const Row& each : rows)
      EXPECT_EQ(ids(each.filter), each.expected) << each.description << (round == 0 ? "" : ", sealed");
    seal_all();
  }
}

TEST_F(IndexTest, AnAlertThatComesAfterTheSealIsFound) {
  SessionSummary late = row("2026-03-30T01:00:00Z", 0);
  ASSERT_TRUE(index_->put({late}));
  seal_all();
  late.alerts = {alert("late", "/tmp/dropper")};
  late.head = {};  // given away
  ASSERT_TRUE(index_->put({late}));
  Filter filter;
  filter.text = "dropper";
  EXPECT_EQ(ids(filter), std::vector<uint64_t>{late.id.value});
  filter.text = "get / http";
  EXPECT_EQ(ids(filter), std::vector<uint64_t>{late.id.value}) << "the head is still there";
}

TEST_F(IndexTest, ItSaysUpToWhichSegmentItHasAll) {
  EXPECT_EQ(*index_->indexed_segment(), 0u);
  ASSERT_TRUE(index_->put({row("2026-03-30T01:00:00Z", 0)}, 7));
  ASSERT_TRUE(index_->put({row("2026-03-31T01:00:00Z", 0)}, 9));
  EXPECT_EQ(*index_->indexed_segment(), 9u);
}

TEST_F(IndexTest, AnIndexInOneFileIsSaidToAReaderAndRenewedByTheWriter) {
  SessionId id;
  {
    auto w = OneWriter::open(folder_, {});
    ASSERT_TRUE(w);
    id = (*w)->opened(now_realtime_ns(), {"web", *parse_endpoint("192.0.2.1:1"), *parse_endpoint("192.0.2.2:80")});
    (*w)->data(id, now_realtime_ns(), Direction::to_bait, as_bytes("HELO\r\n"));
    formats::ClosedEvent event;
    event.reason = EndReason::client_closed;
    (*w)->closed(id, now_realtime_ns(), event);
  }
  index_.reset();
  std::filesystem::remove_all(folder_ + "/index");
  ASSERT_TRUE(write_file(single_index_path(folder_), "as it was"));
  const auto reader = Reader::open(folder_);
  ASSERT_FALSE(reader);
  EXPECT_NE(reader.error().message.find("an earlier skep-proxy"), std::string::npos) << reader.error().message;
  { ASSERT_TRUE(OneWriter::open(folder_, {})); }
  EXPECT_FALSE(std::filesystem::exists(single_index_path(folder_)));
  auto again = Reader::open(folder_);
  ASSERT_TRUE(again);
  const auto found = again->find(id);
  ASSERT_TRUE(found && *found);
  EXPECT_EQ((*found)->head, "HELO..");
  EXPECT_EQ((*found)->end_reason, EndReason::client_closed);
}

}  // namespace
}  // namespace skep::archive
