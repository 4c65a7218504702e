// What the operator's command does with an archive that is written meanwhile, by the test in the proxy's place:
// following, and exports of sessions that are longer than memory may be.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <filesystem>

#include "archive/one_writer.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "harness/rig.h"

namespace skep::harness {
namespace {

constexpr int kEndMs = 20'000;

class OperatorTest : public testing::Test {
 protected:
  void SetUp() override {
    auto folder = Folder::make();
    ASSERT_TRUE(folder) << folder.error().message;
    folder_.emplace(std::move(*folder));
    auto writer = archive::OneWriter::open(archive(), {});
    ASSERT_TRUE(writer) << writer.error().message;
    writer_ = std::move(*writer);
  }
  std::string archive() const { return folder_->path() + "/archive"; }
  std::string file(const std::string& name) const { return folder_->path() + "/" + name; }
  std::string text_of(const std::string& name) const { return read_file(file(name)).value_or(""); }
  static std::string skep() {
    char path[4096];
    const ssize_t length = ::readlink("/proc/self/exe", path, sizeof path);
    const std::string own(path, length > 0 ? static_cast<size_t>(length) : 0);
    return own.substr(0, own.rfind('/')) + "/skep";
  }
  SessionId session() {
    return writer_->opened(now_realtime_ns(),
                           {"web", *parse_endpoint("192.0.2.1:4321"), *parse_endpoint("192.0.2.2:80")});
  }
  void data(SessionId id, Direction direction, std::string_view text) {
    writer_->data(id, now_realtime_ns(), direction, as_bytes(text));
    writer_->tick();
  }
  void end(SessionId id) {
    formats::ClosedEvent event;
    event.reason = EndReason::client_closed;
    writer_->closed(id, now_realtime_ns(), event);
    writer_->tick();
  }
  void alert(SessionId id, bool crash) {
    Alert alert;
    alert.id = crash ? 1 : 2;
    alert.rule = crash ? "crash" : "shell_started";
    alert.crash = crash;
    alert.confidence = Confidence::exact;
    writer_->alert(id, now_realtime_ns(), alert);
    writer_->tick();
  }
  std::optional<testbed::Process> start(std::vector<std::string> words, const std::string& output) {
    words.insert(words.begin(), skep());
    words.insert(words.end(), {"--archive", archive()});
    auto started = testbed::Process::start(words, {{}, file("err"), file(output)});
    EXPECT_TRUE(started);
    if (!started) return std::nullopt;
    return std::move(*started);
  }
  bool comes(const std::string& output, const std::string& words) {
    return eventually([&] { return text_of(output).find(words) != std::string::npos; });
  }
  void expect_end(testbed::Process& process, int signal) {
    if (signal != 0) process.signal(signal);
    const auto ended = process.await_end(kEndMs);
    ASSERT_TRUE(ended) << ended.error().message;
    EXPECT_TRUE(WIFEXITED(*ended) && WEXITSTATUS(*ended) == 0) << *ended << text_of("err");
  }
  // Of `skep session …` with its output thrown away; it must end with 0.
  long peak_kib(const std::vector<std::string>& words) const {
    std::vector<std::string> command = {skep(), "session"};
    command.insert(command.end(), words.begin(), words.end());
    command.insert(command.end(), {"--archive", archive()});
    const pid_t child = ::fork();
    if (child == 0) {
      ::dup2(::open("/dev/null", O_WRONLY), STDOUT_FILENO);
      std::vector<char*> arguments;
      for (std::string& word : command) arguments.push_back(word.data());
      arguments.push_back(nullptr);
      ::execv(arguments[0], arguments.data());
      ::_exit(127);
    }
    int status = 0;
    rusage used{};
    EXPECT_EQ(::wait4(child, &status, 0, &used), child);
    EXPECT_EQ(status, 0) << words[0];
    return used.ru_maxrss;
  }
  std::optional<Folder> folder_;
  archive::OneWriter writer_;
};

TEST_F(OperatorTest, TheListThatIsFollowedShowsNewSessionsAndEachChangeOfClass) {
  const std::string before = to_string(session());
  writer_->tick();
  ASSERT_TRUE(eventually([&] { return archive::Reader::open(archive())->list({})->size() == 1; }));
  auto following = start({"session", "list", "--follow", "--json"}, "out");
  ASSERT_TRUE(following);
  ASSERT_TRUE(comes("out", before)) << "what is there already";
  const SessionId id = session();
  writer_->tick();
  ASSERT_TRUE(comes("out", to_string(id))) << "a new one";
  alert(id, true);
  ASSERT_TRUE(comes("out", "\"class\":\"suspect\""));
  end(id);
  alert(id, false);
  ASSERT_TRUE(comes("out", "\"class\":\"attack\"")) << "also after its end";
  expect_end(*following, SIGINT);
  const auto lines = split(text_of("out"), '\n');
  ASSERT_EQ(lines.size(), 5u) << "one of the first, three of the second, and nothing behind the last line's end";
  for (size_t i = 1; i < 4; ++i) EXPECT_NE(lines[i].find(to_string(id)), std::string_view::npos) << lines[i];
}

TEST_F(OperatorTest, AListOfOneClassShowsASessionOnceItIsOfThatClass) {
  auto following = start({"session", "list", "--follow", "--class", "attack"}, "out");
  ASSERT_TRUE(following);
  ASSERT_TRUE(comes("out", "SOURCE"));
  const SessionId id = session();
  const SessionId other = session();
  alert(id, false);
  ASSERT_TRUE(comes("out", to_string(id)));
  EXPECT_EQ(text_of("out").find(to_string(other)), std::string::npos);
  expect_end(*following, SIGTERM);
}

TEST_F(OperatorTest, ALiveSessionIsFollowedInWordsInJsonAndAsBytesToItsEnd) {
  const SessionId id = session();
  const std::string raw("question\0?", 10);
  data(id, Direction::to_bait, raw);
  ASSERT_TRUE(eventually([&] { return archive::Reader::open(archive())->list({})->size() == 1; }));
  auto words = start({"session", "follow", to_string(id)}, "words");
  auto json = start({"session", "follow", to_string(id), "--json"}, "json");
  auto in = start({"session", "follow", to_string(id), "--raw", "in"}, "in");
  auto out = start({"session", "follow", to_string(id), "--raw", "out"}, "out");
  ASSERT_TRUE(words && json && in && out);
  ASSERT_TRUE(comes("words", "question"));
  ASSERT_TRUE(comes("json", base64(raw)));
  ASSERT_TRUE(comes("in", raw));
  data(id, Direction::to_client, "answer");
  ASSERT_TRUE(comes("out", "answer"));
  ASSERT_TRUE(comes("words", "answer"));
  end(id);
  for (auto* each : {&words, &json, &in, &out}) ASSERT_NO_FATAL_FAILURE(expect_end(**each, 0));
  EXPECT_EQ(text_of("in"), raw);
  EXPECT_EQ(text_of("out"), "answer");
  EXPECT_NE(text_of("words").find("closed: client-closed"), std::string::npos);
  const auto lines = split(text_of("json"), '\n');
  ASSERT_EQ(lines.size(), 5u) << "opened, two of bytes, closed";
  EXPECT_NE(lines[3].find("\"event\":\"closed\",\"reason\":\"client-closed\""), std::string_view::npos) << lines[3];
}

TEST_F(OperatorTest, FollowingEndsInOrderWhenItIsTold) {
  const SessionId id = session();
  data(id, Direction::to_bait, "live");
  ASSERT_TRUE(eventually([&] { return archive::Reader::open(archive())->list({})->size() == 1; }));
  auto following = start({"session", "follow", to_string(id)}, "out");
  ASSERT_TRUE(following);
  ASSERT_TRUE(comes("out", "live"));
  expect_end(*following, SIGINT);
}

// In each form the command's peak stays far below the session's size. Words and JSON are several times as long as the
// bytes: of these fewer do.
TEST_F(OperatorTest, AnExportTakesTheSameMemoryHoweverLongTheSessionIs) {
  constexpr long kPeakMaxKiB = 64 << 10;
  const std::string piece(1 << 20, 'x');
  const auto session_of = [&](int pieces) {
    const SessionId id = session();
    for (int i = 0; i < pieces; ++i) data(id, i % 2 == 0 ? Direction::to_bait : Direction::to_client, piece);
    end(id);
    return to_string(id);
  };
  const std::string long_one = session_of(320);
  const std::string shorter = session_of(96);
  writer_.reset();
  const struct {
    const char* description;
    std::vector<std::string> words;
  } rows[] = {{"pcapng", {"export", long_one, "-o", "-"}},
              {"raw", {"export", long_one, "--format", "raw", "-o", file("raw")}},
              {"text", {"export", shorter, "--format", "text", "-o", "-"}},
              {"JSON", {"show", shorter, "--json"}}};
  for (const auto& row : rows) {
    const long peak = peak_kib(row.words);
    std::printf("%s: at most %ld KiB\n", row.description, peak);
    EXPECT_LT(peak, kPeakMaxKiB) << row.description;
  }
  for (const char* way : {".in", ".out"})
    EXPECT_EQ(std::filesystem::file_size(file("raw/" + long_one + way)), uint64_t{160} << 20);
}

}  // namespace
}  // namespace skep::harness
