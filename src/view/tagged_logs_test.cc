#include "view/tagged_logs.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "archive/one_writer.h"
#include "base/clock.h"
#include "base/file.h"

namespace skep::view {
namespace {

class TaggedLogsTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/skep-tagged-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    folder_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  // Without `logs` as a proxy that was killed before it came to them.
  archive::OneWriter writer(TaggedLogs* logs = nullptr) {
    archive::ArchiveOptions options;
    if (logs != nullptr) options.indexed = [logs](const archive::SessionSummary& row) { logs->indexed(row); };
    auto opened = archive::OneWriter::open(folder_, options);
    EXPECT_TRUE(opened) << opened.error().message;
    return opened ? std::move(*opened) : archive::OneWriter();
  }
  static SessionId session(archive::Writer& w, const char* bytes = "GET / HTTP/1.0\r\n\r\n") {
    const SessionId id =
        w.opened(now_realtime_ns(), {"web", *parse_endpoint("192.0.2.1:4321"), *parse_endpoint("192.0.2.2:80")});
    w.data(id, now_realtime_ns(), Direction::to_bait, as_bytes(bytes));
    return id;
  }
  static void alert(archive::Writer& w, SessionId id, const char* rule = "shell_started") {
    Alert alert;
    alert.id = id.value;
    alert.rule = rule;
    alert.confidence = Confidence::exact;
    alert.stream_offset = 3;
    w.alert(id, now_realtime_ns(), alert);
  }
  static void end(archive::Writer& w, SessionId id) {
    formats::ClosedEvent event;
    event.reason = EndReason::client_closed;
    w.closed(id, now_realtime_ns(), event);
  }
  std::string log_of(SessionId id) { return read_file(tagged_log_path(folder_, id)).value_or(""); }
  static bool holds(const std::string& text, std::string_view words) { return text.find(words) != std::string::npos; }
  std::string folder_;
};

TEST_F(TaggedLogsTest, ATaggedSessionHasALogOfItsOwnAndAHarmlessOneHasNone) {
  SessionId tagged;
  SessionId harmless;
  {
    TaggedLogs logs(folder_);
    auto w = writer(&logs);
    ASSERT_TRUE(logs.start());
    tagged = session(*w);
    harmless = session(*w);
    alert(*w, tagged);
    end(*w, tagged);
    end(*w, harmless);
  }
  EXPECT_TRUE(holds(log_of(tagged), "skep alert shell_started"));
  EXPECT_TRUE(holds(log_of(tagged), "GET / HTTP/1.0"));
  EXPECT_FALSE(std::filesystem::exists(tagged_log_path(folder_, harmless)));
  struct stat about {};
  ASSERT_EQ(::stat(tagged_log_path(folder_, tagged).c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 0777, 0640u);
}

TEST_F(TaggedLogsTest, WhatAFormerLifeDidNotWriteIsWrittenAtTheStart) {
  SessionId id;
  {
    auto w = writer();
    id = session(*w);
    alert(*w, id);
    end(*w, id);
  }
  ASSERT_TRUE(make_directories(folder_ + "/tagged"));
  const std::string half = tagged_log_path(folder_, id) + ".part";
  ASSERT_TRUE(write_file(half, "half of one"));
  {
    TaggedLogs logs(folder_);
    ASSERT_TRUE(logs.start());
  }
  EXPECT_TRUE(holds(log_of(id), "skep alert shell_started"));
  EXPECT_FALSE(std::filesystem::exists(half));
}

TEST_F(TaggedLogsTest, ALogThatLacksALateAlertIsWrittenAnewAndACurrentOneIsLeft) {
  const auto written_at_start = [&] {
    auto logs = std::make_unique<TaggedLogs>(folder_);
    EXPECT_TRUE(logs->start());
    logs->indexed({});  // of no class to be told of
    return logs;
  };
  auto w = writer();
  const SessionId id = session(*w);
  alert(*w, id);
  end(*w, id);
  w.reset();
  written_at_start().reset();
  ASSERT_TRUE(holds(log_of(id), "shell_started"));
  // It is as of its last record. One that is older than that lacks something.
  const auto current = std::filesystem::last_write_time(tagged_log_path(folder_, id));
  ASSERT_TRUE(write_file(tagged_log_path(folder_, id), "untouched"));
  written_at_start().reset();
  EXPECT_EQ(log_of(id), "untouched");
  std::filesystem::last_write_time(tagged_log_path(folder_, id), current - std::chrono::nanoseconds(1));
  written_at_start().reset();
  EXPECT_TRUE(holds(log_of(id), "shell_started"));
  EXPECT_EQ(std::filesystem::last_write_time(tagged_log_path(folder_, id)), current);
}

TEST_F(TaggedLogsTest, OfALiveSessionOnlyARiseOfItsClassIsWritten) {
  TaggedLogs logs(folder_, 100);
  archive::SessionSummary row;
  row.id = {7};
  const auto waiting = [&](SessionClass session_class, int64_t end_ns) {
    row.session_class = session_class;
    row.end_ns = end_ns;
    for (int i = 0; i < 60; ++i) logs.indexed(row);
    return logs.counters().overflowed;
  };
  EXPECT_EQ(waiting(SessionClass::harmless, 0), 0u);
  EXPECT_EQ(waiting(SessionClass::suspect, 0), 0u) << "one of these sixty";
  EXPECT_EQ(waiting(SessionClass::attack, 0), 0u) << "and one of these";
  EXPECT_EQ(waiting(SessionClass::attack, 5), 0u) << "what comes at its end or later is always news";
  EXPECT_EQ(waiting(SessionClass::attack, 5), 22u) << "2 + 60 + 60 are 22 more than it holds";
}

TEST_F(TaggedLogsTest, AtItsBoundItCountsAndFindsTheOthersByALookAtAll) {
  std::vector<SessionId> ids;
  TaggedLogs::Counters counters;
  {
    TaggedLogs logs(folder_, 1);
    auto w = writer(&logs);
    for (int i = 0; i < 5; ++i) {
      ids.push_back(session(*w));
      alert(*w, ids.back());
      end(*w, ids.back());
    }
    w.reset();
    counters = logs.counters();
    ASSERT_TRUE(logs.start());
  }
  EXPECT_EQ(counters.overflowed, 4u);
  for (const SessionId id : ids) EXPECT_TRUE(holds(log_of(id), "skep alert")) << to_string(id);
}

}  // namespace
}  // namespace skep::view
