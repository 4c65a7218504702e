// The paper's field test over again: what a honeypot of 2004 was sent in half a year (the log of an Apache, turned back
// into requests), through a real proxy with the filter to a real Apache. What was known then is suppressed and counted
// in classes, no plain browser is, and the table says what is left for the bait.
#include <gmock/gmock.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <iostream>
#include <map>
#include <set>

#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "harness/hosts.h"
#include "harness/real_data.h"
#include "harness/rig.h"

namespace skep::harness {
namespace {

constexpr uint16_t kFirstPort = 10'000;
constexpr size_t kRequestsMax = 65'536 - kFirstPort;
constexpr char kBrowser[] = "a plain browser";
constexpr uint64_t kWorthALine = 20;  // sessions of a class
constexpr char kEntrance[] = "10.99.1.2:80";
constexpr char kSite[] = "10.99.0.3:8080";

constexpr char kApache[] = R"(ServerRoot {0}
ServerName site
Listen {1}
PidFile {0}/apache.pid
Mutex file:{0}
ErrorLog {0}/error.log
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule dir_module /usr/lib/apache2/modules/mod_dir.so
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LogFormat "%r" request
CustomLog {0}/requests.log request
User www-data
Group www-data
KeepAlive Off
DocumentRoot {0}/www
<Directory {0}/www>
  Require all granted
</Directory>
)";

// A line of the log.
struct Logged {
  std::string request;
  std::string status;
  std::string agent;
};

std::vector<Logged> read_log(const std::string& text) {
  std::vector<Logged> all;
  for (const std::string_view line : split(text, '\n')) {
    const size_t begin = line.find("] \"");
    if (begin == std::string_view::npos) continue;
    // The request may hold quotes: it ends where a status follows.
    size_t end = begin + 3;
    const auto ends_here = [&](size_t at) {
      return at + 5 < line.size() && line[at + 1] == ' ' && std::isdigit(static_cast<unsigned char>(line[at + 2])) &&
             std::isdigit(static_cast<unsigned char>(line[at + 4])) && line[at + 5] == ' ';
    };
    while ((end = line.find('"', end)) != std::string_view::npos && !ends_here(end)) ++end;
    if (end == std::string_view::npos) continue;
    Logged each{std::string(line.substr(begin + 3, end - begin - 3)), std::string(line.substr(end + 2, 3)), ""};
    for (size_t at = 0; (at = each.request.find("\\\"", at)) != std::string::npos;) each.request.erase(at, 1);
    const size_t agent = line.rfind('"', line.size() - 2);
    if (agent != std::string_view::npos && line.ends_with('"'))
      each.agent = line.substr(agent + 1, line.size() - agent - 2);
    all.push_back(std::move(each));
  }
  return all;
}

// The bytes of which it could be the log. "-": nobody said anything.
std::string sent(const Logged& each) {
  if (each.request == "-") return "";
  std::string bytes = each.request + "\r\n";
  const size_t protocol = each.request.rfind(" HTTP/1.");
  if (protocol == std::string::npos || protocol + 9 != each.request.size()) return bytes + "\r\n";
  bytes += "Host: www.example\r\n";
  if (each.agent != "-") bytes += "User-Agent: " + each.agent + "\r\n";
  if (each.request.starts_with("P")) bytes += "Content-Length: 0\r\n";  // POST, PUT, PROPFIND
  return bytes + "\r\n";
}

// What it was, by words of its own: nothing of the rules is asked.
std::string kind_of(const Logged& each) {
  std::string path = each.request.substr(0, each.request.find('?'));
  std::transform(path.begin(), path.end(), path.begin(), [](unsigned char c) { return std::tolower(c); });
  const auto has = [&](std::string_view word) { return path.find(word) != std::string::npos; };
  if (has("cmd.exe") || has("root.exe")) return "Nimda";
  if (has("default.ida")) return "Code Red";
  if (path.starts_with("search ")) return "WebDAV SEARCH";
  if (has("iissamples")) return "iissamples";
  if (path.starts_with("connect ") || has(" http://")) return "open proxy";
  if (has("nikto") || each.agent.find("Nikto") != std::string::npos) return "Nikto's scan";
  const bool served = each.status == "200" || each.status == "304" || each.status.starts_with("30");
  if (each.agent.starts_with("Mozilla/") && served) return kBrowser;
  return "the rest";
}

const std::set<std::string>& known_kinds() {
  static const std::set<std::string> kinds = {"Nimda", "Code Red", "WebDAV SEARCH", "iissamples"};
  return kinds;
}

// Nobody looked for these in that half year.
std::vector<Logged> examples() {
  std::vector<Logged> all;
  for (const char* path : {"/iissamples/exair/howitworks/codebrws.asp", "/IISSamples/sdk/asp/docs/CodeBrws.asp",
                           "/iissamples/issamples/query.asp"})
    all.push_back({fmt::format("GET {} HTTP/1.0", path), "404", "-"});
  return all;
}

uint64_t number_of(std::string_view line, std::string_view key) {
  const size_t at = line.find(fmt::format("\"{}\":", key));
  uint64_t number = 0;
  if (at != std::string_view::npos)
    std::from_chars(line.data() + at + key.size() + 3, line.data() + line.size(), number);
  return number;
}

class Field2004Test : public testing::Test {
 protected:
  void SetUp() override {
    if (const std::string why = Rig::missing(); !why.empty()) GTEST_SKIP() << why;
    lines_ = read_log(unpacked(real_data("field-test/access_log-2004.gz")));
    if (lines_.empty()) return;
    for (Logged& each : examples()) lines_.push_back(std::move(each));
    ASSERT_LE(lines_.size(), kRequestsMax);
  }

  // False, with a word: the data is not here.
  bool here() const {
    if (lines_.empty()) std::cout << "NOT RUN: the log of 2004 is not here (SKEP_DATA)\n";
    return !lines_.empty();
  }

  static std::string page() { return read_file(SKEP_SOURCE "/deploy/rules/README.md").value_or(""); }

  void send_all_through(const std::string& filter) {
    RigOptions options;
    options.with_bait = false;
    options.services_proxy = fmt::format("  - {{name: web, listen: [\"{}\"], address: {}}}\n", kEntrance, kSite);
    options.proxy_more = filter;
    rig_.emplace(options);
    ASSERT_TRUE(rig_->set_up());
    start_apache();
    ASSERT_TRUE(rig_->start_proxy());
    std::string file;
    for (const Logged& each : lines_) {
      const std::string bytes = sent(each);
      file += fmt::format("{}\n", bytes.size()) + bytes;
    }
    ASSERT_TRUE(write_file(rig_->file("requests"), file));
    const int64_t begin = now_monotonic_ns();
    const auto said = rig_->attack({rig_->program("requests"), "--first-port", std::to_string(kFirstPort), "--at-once",
                                    "24", kEntrance, rig_->file("requests")},
                                   200'000);
    ASSERT_TRUE(said) << said.error().message;
    std::cout << fmt::format("{:.1f} s: {}", static_cast<double>(now_monotonic_ns() - begin) / 1e9, *said);
    const auto sessions = rig_->sessions(lines_.size(), 60'000);
    ASSERT_TRUE(sessions) << sessions.error().message;
    ASSERT_EQ(sessions->size(), lines_.size());
    for (const archive::SessionSummary& each : *sessions) sessions_[each.client.port] = each;
    ASSERT_EQ(sessions_.size(), lines_.size());
  }

  void start_apache() {
    const std::string folder = rig_->file("site");
    ASSERT_TRUE(make_directories(folder + "/www"));
    std::filesystem::permissions(rig_->file("."), std::filesystem::perms::others_exec,
                                 std::filesystem::perm_options::add);
    ASSERT_TRUE(write_file(folder + "/www/index.html", "<html>a honeypot</html>"));
    ASSERT_TRUE(write_file(folder + "/apache.conf", fmt::format(kApache, folder, kSite)));
    auto started = testbed::Process::start({"/usr/sbin/apache2", "-D", "FOREGROUND", "-f", folder + "/apache.conf"},
                                           {rig_->network().honeypot(), rig_->file("apache.log"), {}});
    ASSERT_TRUE(started) << started.error().message;
    apache_.emplace(std::move(*started));
    ASSERT_TRUE(eventually([&] { return connect_from(rig_->network().proxy(), kSite).has_value(); }))
        << rig_->log("apache");
  }

  struct Row {
    size_t requests = 0, suppressed = 0, reached = 0;
    uint64_t bytes = 0;  // that reached the bait
  };

  static bool as_it_should_be(const std::string& kind, const archive::SessionSummary& session) {
    const bool known = session.session_class == SessionClass::known;
    if (known_kinds().contains(kind)) return known && session.forwarded_in == 0;
    if (kind == kBrowser) return !known && session.forwarded_in == session.bytes_in;
    return !known || session.forwarded_in < session.bytes_in;
  }

  // By kind, and "all".
  std::map<std::string, Row> judge_every_session() {
    std::map<std::string, Row> rows;
    size_t mistakes = 0;
    for (size_t i = 0; i < lines_.size(); ++i) {
      const archive::SessionSummary& session = sessions_[static_cast<uint16_t>(kFirstPort + i)];
      const std::string kind = kind_of(lines_[i]);
      for (Row* const row : {&rows[kind], &rows["all"]}) {
        ++row->requests;
        row->suppressed += session.session_class == SessionClass::known ? 1 : 0;
        row->reached += session.forwarded_in > 0 ? 1 : 0;
        row->bytes += session.forwarded_in;
      }
      if (!as_it_should_be(kind, session) && ++mistakes <= 10)
        ADD_FAILURE() << kind << ": " << to_string(session.session_class) << ", " << session.forwarded_in << " of "
                      << session.bytes_in << " bytes forwarded: " << printable(lines_[i].request.substr(0, 150));
    }
    EXPECT_EQ(mistakes, 0U);
    for (const std::string& kind : known_kinds()) EXPECT_GT(rows[kind].requests, 0U) << kind;
    EXPECT_GT(rows[kBrowser].requests, 0U);
    std::cout << fmt::format("{:<16} {:>9} {:>11} {:>16} {:>12}\n", "", "requests", "suppressed", "reached the bait",
                             "bytes there");
    for (const auto& [kind, row] : rows)
      std::cout << fmt::format("{:<16} {:>9} {:>11} {:>16} {:>12}\n", kind, row.requests, row.suppressed, row.reached,
                               row.bytes);
    return rows;
  }

  // Apache's own log is the proof: nothing that was suppressed stands there.
  void ask_apache() {
    const auto log = read_file(rig_->file("site/requests.log"), size_t{64} << 20);
    ASSERT_TRUE(log) << log.error().message;
    size_t browsers = 0;
    for (const std::string_view line : split(*log, '\n')) {
      EXPECT_FALSE(known_kinds().contains(kind_of({std::string(line), "404", "-"}))) << line.substr(0, 100);
      browsers += line == "GET / HTTP/1.1" ? 1 : 0;
    }
    EXPECT_GT(browsers, 0U);
  }

  // `skep rules stats` counts what the sessions hold; the class is the first word of a rule's message.
  void hold_stats_to_the_sessions() {
    std::map<uint64_t, uint64_t> by_sid;
    std::map<std::string, uint64_t> suppressed;  // by the class of what did it
    for (const auto& [port, session] : sessions_) {
      std::set<uint32_t> sids;
      for (const RuleHit& hit : session.rule_hits) sids.insert(hit.sid);
      for (const uint32_t sid : sids) ++by_sid[sid];
      const auto hit =
          std::ranges::find_if(session.rule_hits, [](const RuleHit& each) { return suppresses(each.action); });
      if (hit != session.rule_hits.end()) ++suppressed[hit->message.substr(0, hit->message.find(':'))];
    }
    const auto said = rig_->skep({"rules", "stats", "--json"});
    ASSERT_EQ(said.code, 0);
    std::map<uint64_t, uint64_t> told;
    for (const std::string_view line : split(said.text, '\n')) {
      if (!line.empty()) told[number_of(line, "sid")] = number_of(line, "sessions");
    }
    EXPECT_EQ(told, by_sid);
    for (const auto& [name, count] : suppressed) {
      if (count >= kWorthALine) std::cout << fmt::format("  suppressed as {}: {}\n", name, count);
    }
  }

  std::vector<Logged> lines_;
  std::optional<Rig> rig_;
  std::optional<testbed::Process> apache_;
  std::map<uint16_t, archive::SessionSummary> sessions_;  // by the port that names the request
};

TEST_F(Field2004Test, OurOwnRulesSuppressWhatWasKnown) {
  if (!here()) return;
  send_all_through(fmt::format("filter: {{rules: [{}/deploy/rules/known-2004.rules]}}\n", SKEP_SOURCE));
  if (HasFatalFailure()) return;
  const auto rows = judge_every_session();
  ask_apache();
  hold_stats_to_the_sessions();
  for (const auto& [kind, row] : rows)
    EXPECT_THAT(page(), testing::HasSubstr(
                            fmt::format("| {} | {} | {} | {} |\n", kind, row.requests, row.suppressed, row.reached)));
}

TEST_F(Field2004Test, TheRulesOfItsYearSuppressItTooWithTwoWordsOnGrades) {
  if (!here()) return;
  Folder folder = *Folder::make();
  ASSERT_TRUE(write_file(folder.path() + "/2004.rules", unpacked(real_data("filter/snort-2.2.0-2004-gpl.rules.gz"))));
  // As their page says it, with other paths.
  const size_t grades = page().find("  grades:\n");
  ASSERT_NE(grades, std::string::npos);
  send_all_through(fmt::format("filter:\n  rules: [{}/2004.rules]\n{}", folder.path(),
                               page().substr(grades, page().find("```", grades) - grades)));
  if (HasFatalFailure()) return;
  judge_every_session();
  ask_apache();
  hold_stats_to_the_sessions();
}

}  // namespace
}  // namespace skep::harness
