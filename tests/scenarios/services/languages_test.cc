// Servers as they are written in Python (a thread for each session), Node (an event loop) and Java (a pool of threads):
// what interpreters and their compilers do to memory is no alert.
#include <filesystem>
#include <iostream>
#include <map>

#include "base/file.h"
#include "cli/session_text.h"
#include "harness/hosts.h"
#include "io/sockets.h"
#include "services/web_site.h"

namespace skep::harness {
namespace {

class LanguageTest : public WebTest {
 protected:
  // A copy where the service's user may read it: a checkout can lie in somebody's own folder.
  std::string script(const std::string& name) const {
    std::filesystem::copy_file(SKEP_SOURCE "/tests/data/" + name, file(name));
    return file(name);
  }

  // What all three answer alike, and what only some do.
  std::vector<Exchange> asked(const std::vector<Exchange>& more) const {
    std::vector<Exchange> all = {
        {"what is computed", get("/sum"), "sum "},
        {"what is compressed", get("/gzip"), "gzip "},
        {"a temporary file", get("/temporary"), "honey written, read, removed"},
        {"a page that is not there", get("/none"), "404"},
    };
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }

  void serves(const Setting& setting, size_t sessions, const std::vector<Exchange>& exchanges) {
    check({setting}, sessions * times(), [&](const std::string& netns, const std::string& address) {
      return converse({{sessions * times(), true, exchanges}}, netns, address);
    });
  }
};

class PythonTest : public LanguageTest {};

TEST_F(PythonTest, ServesInSilence) {
  serves({"python", {"/usr/bin/python3", script("threads.py"), "10.99.0.3", "9000", file("www")}}, 600,
         asked({{"a file", get("/large.txt"), "line 8000 of a page"},
                {"a folder's list", get("/sub/"), "note.txt"},
                {"a body", post("/echo", "honey"), "honey"},
                {"a child that is forked", get("/forked"), "a child"},
                {"C that calls back", get("/callback"), "sorted [1, 2, 3, 4]"}}));
}

class NodeTest : public LanguageTest {};

TEST_F(NodeTest, ServesInSilence) {
  if (installed({"/usr/bin/node"}).empty()) GTEST_SKIP() << "no Node; make test-services installs it";
  serves({"node", {"/usr/bin/node", script("event_loop.js"), "10.99.0.3", "9000", file("www")}}, 1500,
         asked({{"a file", get("/file"), "line 8000 of a page"},
                {"a body", post("/echo", "honey"), "honey"},
                {"a program made on the spot", get("/assembly"), "assembly 42"},
                {"a thread of its own", get("/worker"), "worker 42"},
                {"an answer by the clock", get("/later"), "later"}}));
}

// An event loop wakes itself and keeps its locks by pipes of its own: they hand it nobody's work. With one session
// after the other each shell is its own session's; of several at once it is that, or it is not known whose.
TEST_F(NodeTest, AShellIsItsOwnSessions) {
  if (installed({"/usr/bin/node"}).empty()) GTEST_SKIP() << "no Node; make test-services installs it";
  ASSERT_NO_FATAL_FAILURE(
      supervise({{"node", {"/usr/bin/node", script("shells.js"), "10.99.0.3", "9000", file("www")}}}));
  constexpr size_t kAlone = 40, kAtOnce = 10;
  std::map<uint16_t, std::string> words;  // by the client's port: what its shell is told
  const auto asks = [&](size_t i) {
    auto socket = connect_from(rig_->network().attacker(), kEntrance);
    EXPECT_TRUE(socket) << socket.error().message;
    if (!socket) return Fd();
    std::string& word = words[io::local_end(socket->get()).port];
    if (i % 2 != 0) word = fmt::format("# word{}]", i);
    send_text(*socket, fmt::format("GET /{}/word{} HTTP/1.0\r\n\r\n", i % 2 == 0 ? "page" : "run", i));
    return std::move(*socket);
  };
  for (size_t i = 0; i < kAlone; ++i) receive_all(asks(i));
  std::vector<Fd> open;
  for (size_t i = kAlone; i < kAlone + kAtOnce; ++i) open.push_back(asks(i));
  for (Fd& socket : open) {
    receive_all(socket);
    socket.reset();
  }
  const auto sessions = rig_->sessions(kAlone + kAtOnce);
  ASSERT_TRUE(sessions) << sessions.error().message;
  size_t own = 0;
  for (const archive::SessionSummary& session : *sessions) {
    const std::string& word = words[session.client.port];
    for (const Alert& alert : session.alerts) {
      if (alert.confidence == Confidence::none) continue;
      EXPECT_TRUE(!word.empty() && alert.arguments.find(word) != std::string::npos)
          << word << ": " << cli::summary_json(session);
      own += alert.rule == "shell_started" ? 1 : 0;
    }
  }
  std::cout << own << " of " << (kAlone + kAtOnce) / 2 << " shells are in their sessions\n";
  EXPECT_GE(own, kAlone / 2);
}

class JavaTest : public LanguageTest {};

TEST_F(JavaTest, ServesInSilence) {
  if (installed({"/usr/lib/jvm/*/bin/javac"}).empty()) GTEST_SKIP() << "no Java; make test-services installs it";
  const std::string bin = installed({"/usr/lib/jvm/*/bin/javac"});
  const auto compiled = testbed::run_to_end({bin, "-d", file("."), SKEP_SOURCE "/tests/data/ThreadPool.java"},
                                            {"", file("javac.log"), {}}, 120'000);
  ASSERT_TRUE(compiled) << compiled.error().message;
  serves({"java", {bin.substr(0, bin.size() - 1), "-cp", file("."), "ThreadPool", "10.99.0.3", "9000", file("www")}},
         1500, asked({{"a file", get("/file"), "line 8000 of a page"}}));
}

}  // namespace
}  // namespace skep::harness
