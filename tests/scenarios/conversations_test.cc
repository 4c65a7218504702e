// Conversations of every kind through the proxy: what each side got is what the other had sent, and is what `session
// export --format raw` gives, what tshark and tcpflow find in the pcapng. Where a side ends by a reset it does so when
// the other has all that it had sent: what a reset overtakes is nobody's.
#include <sys/socket.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <map>
#include <random>
#include <set>
#include <thread>

#include "base/file.h"
#include "base/text.h"
#include "harness/hosts.h"
#include "harness/rig.h"

namespace skep::harness {
namespace {

constexpr char kListen[] = "10.99.1.2:90";
constexpr char kListenV6[] = "[fd00:99::2]:90";
constexpr char kBait[] = "10.99.0.3:9000";

// One conversation under way: both ends in the test's hands, and what was sent and received at each.
class Talk {
 public:
  Talk(Fd client, Fd bait) : client_(std::move(client)), bait_(std::move(bait)) {}

  void client_sends(const std::string& bytes) {
    send_text(client_, bytes);
    sent_in += bytes;
  }
  void bait_sends(const std::string& bytes) {
    send_text(bait_, bytes);
    sent_out += bytes;
  }
  // As much as the other side has sent by now.
  void bait_gets() { got_in += receive_all(bait_, sent_in.size() - got_in.size()).text; }
  void client_gets() { got_out += receive_all(client_, sent_out.size() - got_out.size()).text; }
  void client_asks(const std::string& bytes) {
    client_sends(bytes);
    bait_gets();
  }
  void bait_answers(const std::string& bytes) {
    bait_sends(bytes);
    client_gets();
  }
  void client_urgently(const std::string& bytes) {
    ::send(client_.get(), bytes.data(), bytes.size(), MSG_OOB | MSG_NOSIGNAL);
    sent_in += bytes;
  }
  void bait_urgently(const std::string& bytes) {
    ::send(bait_.get(), bytes.data(), bytes.size(), MSG_OOB | MSG_NOSIGNAL);
    sent_out += bytes;
  }
  void client_finishes() { ::shutdown(client_.get(), SHUT_WR); }
  void bait_finishes() { ::shutdown(bait_.get(), SHUT_WR); }
  void client_resets() { reset(std::move(client_)); }
  void bait_resets() { reset(std::move(bait_)); }
  // Both send all at once, while both read.
  void at_once(const std::string& in, const std::string& out) {
    std::thread sends_in([&] { send_text(client_, in); });
    std::thread sends_out([&] { send_text(bait_, out); });
    std::string read_out;
    std::thread reads_out([&] { read_out = receive_all(client_, out.size()).text; });
    got_in += receive_all(bait_, in.size()).text;
    for (std::thread* each : {&sends_in, &sends_out, &reads_out}) each->join();
    got_out += read_out;
    sent_in += in;
    sent_out += out;
  }
  // Whatever is still open ends in order, and what is still under way is read.
  void end() {
    if (client_) client_finishes();
    if (bait_) got_in += receive_all(bait_).text;
    if (bait_) bait_finishes();
    if (client_) got_out += receive_all(client_).text;
    client_.reset();
    bait_.reset();
  }

  std::string sent_in, sent_out, got_in, got_out;

 private:
  Fd client_, bait_;
};

std::string noise(size_t bytes, unsigned seed) {
  std::mt19937 random(seed);
  std::string text(bytes, '\0');
  for (char& c : text) c = static_cast<char>(random());
  return text;
}

std::string all_values() {
  std::string text;
  for (int value = 0; value < 256; ++value) text += static_cast<char>(value);
  return text;
}

struct Row {
  const char* description;
  std::function<void(Talk&)> act;
  bool v6 = false;
};

const Row kRows[] = {
    {"a question and an answer",
     [](Talk& t) {
       t.client_asks("GET / HTTP/1.0\r\n\r\n");
       t.bait_answers("HTTP/1.0 200 OK\r\n\r\nhi");
     }},
    {"the client has finished before the answer",
     [](Talk& t) {
       t.client_asks("q");
       t.client_finishes();
       t.bait_answers("a");
     }},
    {"the bait has finished before the question",
     [](Talk& t) {
       t.bait_finishes();
       t.client_asks("to whom it may concern");
     }},
    {"the bait finishes, then the client sends much",
     [](Talk& t) {
       t.bait_answers("bye");
       t.bait_finishes();
       t.at_once(noise(500'000, 1), "");
     }},
    {"the client finishes, then the bait sends much",
     [](Talk& t) {
       t.client_asks("all");
       t.client_finishes();
       t.at_once("", noise(500'000, 2));
     }},
    {"nobody says anything, the client ends", [](Talk& t) { t.client_finishes(); }},
    {"nobody says anything, the bait ends", [](Talk& t) { t.bait_finishes(); }},
    {"nobody says anything, the client resets", [](Talk& t) { t.client_resets(); }},
    {"nobody says anything, the bait resets", [](Talk& t) { t.bait_resets(); }},
    {"the bait speaks first",
     [](Talk& t) {
       t.bait_answers("SSH-2.0-OpenSSH_9.2\r\n");
       t.client_asks("SSH-2.0-x\r\n");
     }},
    {"the bait speaks alone",
     [](Talk& t) {
       t.bait_answers("220 ready\r\n");
       t.bait_finishes();
     }},
    {"the client speaks alone", [](Talk& t) { t.client_asks("anybody there?"); }},
    {"the client resets after its question",
     [](Talk& t) {
       t.client_asks("x");
       t.client_resets();
     }},
    {"the bait resets after the question",
     [](Talk& t) {
       t.client_asks("x");
       t.bait_resets();
     }},
    {"the client resets after the answer",
     [](Talk& t) {
       t.client_asks("x");
       t.bait_answers("y");
       t.client_resets();
     }},
    {"the bait resets after its answer",
     [](Talk& t) {
       t.client_asks("x");
       t.bait_answers("y");
       t.bait_resets();
     }},
    {"the client has finished, the bait resets",
     [](Talk& t) {
       t.client_asks("x");
       t.client_finishes();
       t.bait_answers("y");
       t.bait_resets();
     }},
    {"the bait has finished, the client resets",
     [](Talk& t) {
       t.bait_answers("y");
       t.bait_finishes();
       t.client_asks("x");
       t.client_resets();
     }},
    {"one byte", [](Talk& t) { t.client_asks("\x01"); }},
    {"one zero byte each",
     [](Talk& t) {
       t.client_asks(std::string(1, '\0'));
       t.bait_answers(std::string(1, '\0'));
     }},
    {"byte by byte from the client",
     [](Talk& t) {
       for (const char c : all_values()) t.client_sends(std::string(1, c));
       t.bait_gets();
     }},
    {"byte by byte from both, in turn",
     [](Talk& t) {
       for (int i = 0; i < 100; ++i) {
         t.client_asks("c");
         t.bait_answers("b");
       }
     }},
    {"every value of a byte",
     [](Talk& t) {
       t.client_asks(all_values());
       t.bait_answers(all_values() + all_values());
     }},
    {"zeroes", [](Talk& t) { t.at_once(std::string(100'000, '\0'), std::string(100'000, '\0')); }},
    {"much from the client", [](Talk& t) { t.at_once(noise(3'000'000, 3), ""); }},
    {"much from the bait", [](Talk& t) { t.at_once("", noise(3'000'000, 4)); }},
    {"much both ways at once", [](Talk& t) { t.at_once(noise(2'000'000, 5), noise(2'500'000, 6)); }},
    {"fifty questions in one go",
     [](Talk& t) {
       for (int i = 0; i < 50; ++i) t.client_sends(fmt::format("GET /{} HTTP/1.1\r\nHost: h\r\n\r\n", i));
       t.bait_gets();
       for (int i = 0; i < 50; ++i) t.bait_sends(fmt::format("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{:02}", i));
       t.client_gets();
     }},
    {"an urgent byte from the client stays in line",
     [](Talk& t) {
       t.client_asks("before");
       t.client_urgently("!");
       t.client_asks("after");
     }},
    {"an urgent byte from the bait stays in line",
     [](Talk& t) {
       t.bait_answers("before");
       t.bait_urgently("!");
       t.bait_answers("after");
     }},
    {"urgent bytes both ways, and nothing else",
     [](Talk& t) {
       t.client_urgently("a");
       t.bait_urgently("b");
       t.bait_gets();
       t.client_gets();
     }},
    {"as much as is read at once, and a byte more", [](Talk& t) { t.at_once(noise(262'144, 7), noise(262'145, 8)); }},
    {"as much as a packet of the export holds, and a byte more",
     [](Talk& t) { t.at_once(noise(60'000, 9), noise(60'001, 10)); }},
    {"two hundred questions and answers",
     [](Talk& t) {
       for (int i = 0; i < 200; ++i) {
         t.client_asks(fmt::format("q{}", i));
         t.bait_answers(fmt::format("a{}", i));
       }
     }},
    {"the answer comes before the question's end",
     [](Talk& t) {
       t.client_asks("POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\n");
       t.bait_answers("HTTP/1.1 413 no\r\n\r\n");
       t.client_asks("the rest!");
     }},
    {"what looks like the archive's own records",
     [](Talk& t) {
       t.client_asks("SKPR" + std::string(60, '\0') + "SKEPSEG1");
       t.bait_answers("SKPRSKPRSKPR");
     }},
    {"what looks like a pcapng",
     [](Talk& t) {
       t.client_asks("\x0a\x0d\x0d\x0a\x1c");
       t.bait_answers("\n\n\t\x1b[2J");
     }},
    {"the beginning of TLS",
     [](Talk& t) {
       t.client_asks("\x16\x03\x01\x02" + noise(510, 11));
       t.bait_answers(std::string("\x15\x03\x03\x00\x02\x02\x28", 7));
     }},
    {"IPv6: a question and an answer",
     [](Talk& t) {
       t.client_asks("GET / HTTP/1.0\r\n\r\n");
       t.bait_answers("six");
     },
     true},
    {"IPv6: much both ways", [](Talk& t) { t.at_once(noise(700'000, 12), noise(900'000, 13)); }, true},
    {"IPv6: nothing, and a reset", [](Talk& t) { t.client_resets(); }, true},
    {"IPv6: the bait has finished before the question",
     [](Talk& t) {
       t.bait_finishes();
       t.client_asks("six");
     },
     true},
};

// In and out as `tshark -z follow,tcp,raw,N` tells them: a line a packet in hexadecimal, those of the server indented.
std::map<size_t, std::pair<std::string, std::string>> followed(const std::string& text) {
  std::map<size_t, std::pair<std::string, std::string>> streams;
  std::pair<std::string, std::string>* now = nullptr;
  constexpr std::string_view kFilter = "Filter: tcp.stream eq ";
  for (std::string_view line : split(text, '\n')) {
    if (line.starts_with(kFilter)) now = &streams[std::stoul(std::string(line.substr(kFilter.size())))];
    if (line.starts_with("===")) continue;
    const bool out = line.starts_with("\t");
    if (out) line.remove_prefix(1);
    if (now == nullptr || line.empty() || line.find_first_not_of("0123456789abcdef") != std::string_view::npos)
      continue;
    std::string& stream = out ? now->second : now->first;
    for (size_t i = 0; i + 1 < line.size(); i += 2)
      stream += static_cast<char>(std::stoi(std::string(line.substr(i, 2)), nullptr, 16));
  }
  return streams;
}

bool installed(const std::string& program) {
  return testbed::run_to_end({"/usr/bin/env", "which", program}).has_value();
}

class ConversationsTest : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    if (const std::string why = Rig::missing(); !why.empty()) GTEST_SKIP() << why;
    RigOptions options;
    options.proxy_more = fmt::format("engine: {}", GetParam());
    options.services_proxy =
        fmt::format("  - {{name: bare, listen: [\"{}\", \"[::]:90\"], address: {}}}\n", kListen, kBait);
    options.services_monitor = "";
    options.with_bait = false;
    rig_.emplace(options);
    ASSERT_TRUE(rig_->set_up());
    const auto started = rig_->start_proxy();
    ASSERT_TRUE(started) << started.error().message;
    const auto added = testbed::run_to_end({"/usr/bin/env", "ip", "addr", "add", "fd00:99::2/64", "dev", "lo", "nodad"},
                                           {rig_->network().proxy(), {}, {}});
    ASSERT_TRUE(added) << added.error().message;
    auto listener = listen_on(rig_->network().honeypot(), kBait);
    ASSERT_TRUE(listener) << listener.error().message;
    listener_ = std::move(*listener);
  }

  void hold(const Row& row) {
    SCOPED_TRACE(row.description);
    auto client =
        row.v6 ? connect_from(rig_->network().proxy(), kListenV6) : connect_from(rig_->network().attacker(), kListen);
    ASSERT_TRUE(client) << client.error().message;
    auto bait = accept_one(listener_);
    ASSERT_TRUE(bait) << bait.error().message;
    Talk talk(std::move(*client), std::move(*bait));
    row.act(talk);
    talk.end();
    EXPECT_TRUE(talk.got_in == talk.sent_in) << talk.got_in.size() << " of " << talk.sent_in.size() << " bytes came";
    EXPECT_TRUE(talk.got_out == talk.sent_out)
        << talk.got_out.size() << " of " << talk.sent_out.size() << " bytes came";
    sent_.emplace_back(talk.sent_in, talk.sent_out);
  }

  void export_all(const std::vector<archive::SessionSummary>& sessions) {
    for (size_t i = 0; i < sessions.size(); ++i) {
      SCOPED_TRACE(kRows[i].description);
      const std::string id = to_string(sessions[i].id);
      ASSERT_EQ(rig_->skep({"session", "export", id, "--format", "raw", "-o", rig_->file("raw")}).code, 0);
      EXPECT_TRUE(read_file(rig_->file("raw/" + id + ".in")).value_or("none") == sent_[i].first);
      EXPECT_TRUE(read_file(rig_->file("raw/" + id + ".out")).value_or("none") == sent_[i].second);
      files_.push_back(rig_->file(id + ".pcapng"));
      ASSERT_EQ(rig_->skep({"session", "export", id, "-o", files_.back()}).code, 0);
    }
  }

  // A program's standard output; empty with a failure where it ends with another code than 0.
  std::string said_by(const std::vector<std::string>& command) {
    const auto done = testbed::run_to_end(command, {{}, rig_->file("err"), rig_->file("out")}, 120'000);
    EXPECT_TRUE(done) << command[0] << ": " << done.error().message;
    return read_file(rig_->file("out"), 256 << 20).value_or("");
  }

  // All sessions in one file, in which each is a stream of its own: tshark takes longer to start than to read.
  void expect_tshark_finds_it_all() {
    std::vector<std::string> merge = {"mergecap", "-w", rig_->file("all.pcapng")};
    merge.insert(merge.end(), files_.begin(), files_.end());
    said_by(merge);
    std::vector<std::string> follow = {"tshark", "-q", "-r", rig_->file("all.pcapng")};
    for (size_t i = 0; i < files_.size(); ++i) follow.insert(follow.end(), {"-z", fmt::format("follow,tcp,raw,{}", i)});
    const auto streams = followed(said_by(follow));
    ASSERT_EQ(streams.size(), files_.size());
    for (size_t i = 0; i < files_.size(); ++i) {
      EXPECT_TRUE(streams.at(i) == sent_[i]) << kRows[i].description << ": " << streams.at(i).first.size() << " and "
                                             << streams.at(i).second.size() << " bytes are not those that were sent";
    }
    const std::string wrong =
        said_by({"tshark", "-r", rig_->file("all.pcapng"), "-o", "tcp.check_checksum:TRUE", "-o",
                 "ip.check_checksum:TRUE", "-Y",
                 "_ws.malformed or tcp.checksum.status == \"Bad\" or ip.checksum.status == \"Bad\" "
                 "or tcp.analysis.lost_segment or tcp.analysis.ack_lost_segment or "
                 "tcp.analysis.retransmission or tcp.analysis.out_of_order"});
    EXPECT_EQ(wrong, "");
  }

  std::optional<Rig> rig_;
  Fd listener_;
  std::vector<std::pair<std::string, std::string>> sent_;
  std::vector<std::string> files_;
};

TEST_P(ConversationsTest, EveryByteIsWhereItBelongs) {
  for (const Row& row : kRows) ASSERT_NO_FATAL_FAILURE(hold(row));
  const auto sessions = rig_->sessions(std::size(kRows));
  ASSERT_TRUE(sessions) << sessions.error().message;
  ASSERT_EQ(sessions->size(), std::size(kRows));
  ASSERT_NO_FATAL_FAILURE(export_all(*sessions));
  for (size_t i = 0; i < files_.size(); ++i) {
    const std::string told = said_by({"capinfos", files_[i]});
    EXPECT_NE(told.find("skep session " + to_string(sessions->at(i).id)), std::string::npos) << told;
    said_by({"editcap", files_[i], rig_->file("edited.pcapng")});
    said_by({"editcap", "-F", "pcap", files_[i], rig_->file("edited.pcap")});
  }
  ASSERT_NO_FATAL_FAILURE(expect_tshark_finds_it_all());
}

// The attacker's own SYN, as its kernel sent it, and the figures of both legs.
TEST_P(ConversationsTest, TheSynIsTheAttackersAndTheLegsHaveFigures) {
  ASSERT_NO_FATAL_FAILURE(hold(kRows[0]));
  ASSERT_NO_FATAL_FAILURE(hold({"IPv6", kRows[0].act, true}));
  const auto sessions = rig_->sessions(2);
  ASSERT_TRUE(sessions) << sessions.error().message;
  ASSERT_NO_FATAL_FAILURE(export_all(*sessions));
  for (const std::string& file : files_) {
    const std::string syn = said_by({"tshark", "-r", file, "-c", "1", "-T", "fields", "-e", "tcp.options.mss_val", "-e",
                                     "tcp.options.wscale.shift", "-e", "tcp.options.sack_perm", "-e",
                                     "tcp.window_size_value", "-e", "tcp.flags.syn"});
    const auto fields = split(trim(syn), '\t');
    ASSERT_EQ(fields.size(), 5u) << syn;
    EXPECT_GE(std::stoi("0" + std::string(fields[0])), 1220) << "MSS in " << syn;
    EXPECT_FALSE(fields[1].empty()) << "window scale in " << syn;
    EXPECT_FALSE(fields[2].empty()) << "SACK in " << syn;
  }
  const std::string json = rig_->skep({"session", "show", to_string(sessions->at(0).id), "--json"}).text;
  EXPECT_NE(json.find("\"tcp\":{\"client\":{\"rtt_us\":"), std::string::npos) << json;
  EXPECT_NE(json.find("\"bait\":{\"rtt_us\":"), std::string::npos) << json;
  EXPECT_NE(json.find("\"syn\":{\"source\":\"10.99.1.1:"), std::string::npos) << json;
  EXPECT_NE(json.find("\"bait_community_id\":\"1:"), std::string::npos) << json;
}

TEST_P(ConversationsTest, TcpdumpReadsThem) {
  if (!installed("tcpdump")) GTEST_SKIP() << "tcpdump is not installed";
  ASSERT_NO_FATAL_FAILURE(hold(kRows[0]));
  ASSERT_NO_FATAL_FAILURE(hold(kRows[1]));
  const auto sessions = rig_->sessions(2);
  ASSERT_TRUE(sessions) << sessions.error().message;
  ASSERT_NO_FATAL_FAILURE(export_all(*sessions));
  for (const std::string& file : files_) {
    const std::string told = said_by({"tcpdump", "-nn", "-v", "-r", file});
    EXPECT_NE(told.find("Flags [S]"), std::string::npos) << told;
    EXPECT_NE(told.find("Flags [F.]"), std::string::npos) << told;
    EXPECT_EQ(told.find("incorrect"), std::string::npos) << "a checksum: " << told;
  }
}

TEST_P(ConversationsTest, TcpflowFindsTheSameBytes) {
  if (!installed("tcpflow")) GTEST_SKIP() << "tcpflow is not installed";
  for (const Row& row : kRows) ASSERT_NO_FATAL_FAILURE(hold(row));
  const auto sessions = rig_->sessions(std::size(kRows));
  ASSERT_TRUE(sessions) << sessions.error().message;
  ASSERT_NO_FATAL_FAILURE(export_all(*sessions));
  for (size_t i = 0; i < files_.size(); ++i) {
    const std::string folder = rig_->file(fmt::format("flows-{}", i));
    ASSERT_TRUE(make_directories(folder));
    said_by({"tcpflow", "-r", files_[i], "-o", folder, "-X", folder + "/report.xml"});
    std::multiset<std::string> found;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
      if (entry.path().extension() != ".xml" && entry.file_size() > 0) found.insert(*read_file(entry.path()));
    }
    std::multiset<std::string> wanted = {sent_[i].first, sent_[i].second};
    wanted.erase("");
    EXPECT_TRUE(found == wanted) << kRows[i].description << ": " << found.size() << " flows, not these "
                                 << wanted.size();
  }
}

INSTANTIATE_TEST_SUITE_P(Engines, ConversationsTest, testing::Values("io_uring", "epoll"),
                         [](const auto& each) { return std::string(each.param); });

}  // namespace
}  // namespace skep::harness
