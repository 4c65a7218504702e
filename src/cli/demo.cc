#include "cli/demo.h"

#include <arpa/inet.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <ctime>

#include "archive/reader.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "cli/session_export.h"
#include "cli/session_text.h"
#include "match/builtin.h"
#include "wire/keys.h"

namespace skep::cli {
namespace {

constexpr int kReadyMs = 20'000;
constexpr int kSettleMs = 15'000;
constexpr timespec kPause{0, 20'000'000};
constexpr char kMarkReply[] = "TAKEN";

void say(const std::string& words) {
  std::fprintf(stderr, "%s\n", words.c_str());
}

// The value of `"key":` in one of our own test programs' lines; "" where it is absent.
std::string_view value_in(std::string_view line, std::string_view key) {
  const std::string wanted = fmt::format("\"{}\":", key);
  const size_t at = line.find(wanted);
  if (at == std::string_view::npos) return {};
  std::string_view rest = line.substr(at + wanted.size());
  const bool quoted = rest.starts_with('"');
  if (quoted) rest.remove_prefix(1);
  return rest.substr(0, rest.find_first_of(quoted ? "\"" : ",}"));
}

int64_t number_in(std::string_view line, std::string_view key) {
  int64_t number = 0;
  const std::string_view value = value_in(line, key);
  std::from_chars(value.data(), value.data() + value.size(), number);
  return number;
}

SessionClass wanted(Role role) {
  switch (role) {
    case Role::crashed_try:
      return SessionClass::suspect;
    case Role::attack:
      return SessionClass::attack;
    case Role::visitor:
      break;
  }
  return SessionClass::harmless;
}

std::string nginx_options(const std::string& folder) {
  return fmt::format(
      "daemon off;\nworker_processes 2;\nerror_log {0}/error.log;\npid {0}/nginx.pid;\nevents {{ worker_connections "
      "256; }}\n"
      "http {{\n  access_log off;\n  client_body_temp_path {0}/body;\n  proxy_temp_path {0}/proxy;\n  "
      "fastcgi_temp_path {0}/fastcgi;\n"
      "  uwsgi_temp_path {0}/uwsgi;\n  scgi_temp_path {0}/scgi;\n  server {{ listen {1}:8081; root {0}/www; }}\n}}\n",
      folder, testbed::kHoneypotAddress);
}

}  // namespace

Status Demo::set_up() {
  auto folder = Folder::make(options_.keep);
  if (!folder) return tl::unexpected<Error>(folder.error());
  folder_.emplace(std::move(*folder));
  if (::access((folder_->path() + "/keys").c_str(), F_OK) == 0)
    return fail("{}: an earlier demo is kept there: name another folder", folder_->path());
  auto network = testbed::Network::make();
  if (!network) return tl::unexpected<Error>(network.error());
  network_.emplace(std::move(*network));
  say(fmt::format("three hosts on this machine: attacker {} - proxy {} | {} - honeypot host {}",
                  testbed::kAttackerAddress, testbed::kProxyOutside, testbed::kProxyInside, testbed::kHoneypotAddress));
  if (auto keys = wire::init_keys(folder_->path() + "/keys"); !keys) return tl::unexpected<Error>(keys.error());
  return write_options();
}

Status Demo::write_options() {
  const std::string& folder = folder_->path();
  const std::string site = folder + "/nginx";
  if (auto made = make_directories(site + "/www"); !made) return made;
  std::string monitor = fmt::format(
      "listen: {0}:7443\nkeys: {1}/keys\nsocket: {1}/monitor.sock\nservices:\n"
      "  - {{name: dune, command: [{2}/dune2004, {0}, \"8080\"], port: 8080, address_randomisation: false}}\n"
      "  - {{name: site, command: [/usr/sbin/nginx, -c, {3}/nginx.conf, -p, {3}], port: 8081}}\n",
      testbed::kHoneypotAddress, folder, programs_, site);
  if (options_.observe) {
    // The built-in set, word for word, but for what it does.
    std::string set(match::builtin_yaml());
    for (size_t at = 0; (at = set.find("action: deny", at)) != std::string::npos;)
      set.replace(at, 12, "action: observe");
    if (auto written = write_file(folder + "/observe.yaml", set); !written) return written;
    monitor += fmt::format("signatures: [{}/observe.yaml]\n", folder);
  }
  const std::string proxy = fmt::format(
      "archive: {0}/archive\nkeys: {0}/keys\nbaits:\n  - {{name: bait1, monitor: {1}:7443}}\nservices:\n"
      "  - {{name: dune, listen: [\"{2}:80\"], bait: bait1, address: {1}:8080, on_alert: {3}}}\n"
      "  - {{name: site, listen: [\"{2}:81\"], bait: bait1, address: {1}:8081}}\n",
      folder, testbed::kHoneypotAddress, testbed::kProxyOutside, options_.cut ? "cut" : "tag");
  const std::pair<std::string, std::string> files[] = {
      {folder + "/monitor.yaml", monitor},
      {folder + "/proxy.yaml", proxy},
      {site + "/nginx.conf", nginx_options(site)},
      {site + "/www/index.html", "<html><body>a harmless page</body></html>\n"}};
  for (const auto& [path, text] : files) {
    if (auto written = write_file(path, text); !written) return written;
  }
  return {};
}

Status Demo::start_programs() {
  const std::string& folder = folder_->path();
  auto monitor = testbed::Process::start({programs_ + "/skep-monitor", "--config", folder + "/monitor.yaml"},
                                         {network_->honeypot(), folder + "/monitor.log", {}});
  if (!monitor) return tl::unexpected<Error>(monitor.error());
  monitor_.emplace(std::move(*monitor));
  if (auto ready = monitor_->await_line("ready", kReadyMs); !ready) return wrap("skep-monitor", ready);
  say("skep-monitor supervises dune2004 (a forking web server of 2004 make) and nginx on the honeypot host");
  auto proxy = testbed::Process::start({programs_ + "/skep-proxy", "--config", folder + "/proxy.yaml"},
                                       {network_->proxy(), folder + "/proxy.log", {}});
  if (!proxy) return tl::unexpected<Error>(proxy.error());
  proxy_.emplace(std::move(*proxy));
  if (auto ready = proxy_->await_line("ready", kReadyMs); !ready) return wrap("skep-proxy", ready);
  // Supervision stands when the two have met.
  const int64_t deadline = now_monotonic_ns() + int64_t{kReadyMs} * 1'000'000;
  while (true) {
    const auto log = read_file(folder + "/proxy.log");
    if (log && log->find("its monitor is connected") != std::string::npos) break;
    if (now_monotonic_ns() > deadline) return fail("proxy and monitor have not met");
    ::nanosleep(&kPause, nullptr);
  }
  say("skep-proxy answers for both at its own address, and has met the monitor");
  return {};
}

Status Demo::attack_and_visit() {
  const std::string& folder = folder_->path();
  const std::string target = fmt::format("{}:80", testbed::kProxyOutside);
  const std::string site = fmt::format("{}:81", testbed::kProxyOutside);
  say(fmt::format("{} harmless visitors come{}", options_.visitors,
                  options_.attack ? fmt::format("; among them {} attackers, who search a return address by brute force",
                                                options_.attackers)
                                  : ""));
  std::vector<testbed::Process> running;
  auto crowd = testbed::Process::start({programs_ + "/crowd", "--sessions", std::to_string(options_.visitors), "--seed",
                                        std::to_string(options_.seed), target + "/index.html", site + "/index.html"},
                                       {network_->attacker(), folder + "/crowd.err", folder + "/crowd.json"});
  if (!crowd) return tl::unexpected<Error>(crowd.error());
  running.push_back(std::move(*crowd));
  for (unsigned i = 0; options_.attack && i < options_.attackers; ++i) {
    // A listener that nobody can reach would keep its session open for ever: where nothing is refused, the shell alone.
    const char* payload = options_.observe || i % 2 == 1 ? "findsock" : "bind";
    auto attacker = testbed::Process::start(
        {programs_ + "/xdune", "--target", target, "--payload", payload, "--seed",
         std::to_string(options_.seed * 10 + i), "--command", "id; echo TAKEN; exit"},
        {network_->attacker(), folder + "/xdune.err", fmt::format("{}/xdune{}.json", folder, i)});
    if (!attacker) return tl::unexpected<Error>(attacker.error());
    running.push_back(std::move(*attacker));
  }
  for (size_t i = 0; i < running.size(); ++i) {
    const auto status = running[i].await_end(120'000);
    if (!status) return wrap(i == 0 ? "the visitors" : "an attacker", status);
    if (*status != 0)
      return fail("{} did not come through (wait status {:#x})",
                  i == 0 ? "not every visitor was answered: they" : "an attacker found no address: it", *status);
  }
  return {};
}

Status Demo::read_roles() {
  const auto take = [&](const std::string& path, auto role_of) -> Status {
    const auto text = read_file(path);
    if (!text) return tl::unexpected<Error>(text.error());
    for (const std::string_view line : split(*text, '\n')) {
      if (line.empty()) continue;
      const auto port = static_cast<unsigned>(number_in(line, "port"));
      roles_[{std::string(value_in(line, "target")), port, number_in(line, "opened_ns")}] = role_of(line);
    }
    return {};
  };
  if (auto taken = take(folder_->path() + "/crowd.json", [](std::string_view) { return Role::visitor; }); !taken)
    return taken;
  for (unsigned i = 0; options_.attack && i < options_.attackers; ++i) {
    const auto role_of = [&](std::string_view line) {
      const bool hit = value_in(line, "outcome") == "hit";
      if (hit) replies_.emplace_back(value_in(line, "reply"));
      return hit ? Role::attack : Role::crashed_try;
    };
    if (auto taken = take(fmt::format("{}/xdune{}.json", folder_->path(), i), role_of); !taken) return taken;
  }
  return {};
}

Result<std::vector<archive::SessionSummary>> Demo::sessions() const {
  auto reader = archive::Reader::open(archive());
  if (!reader) return tl::unexpected<Error>(reader.error());
  return reader->list({});
}

// Until every session has ended and every alert that is on its way has come: nothing changes for a second.
Status Demo::wait_until_recorded() const {
  const int64_t deadline = now_monotonic_ns() + int64_t{kSettleMs} * 1'000'000;
  int64_t since = now_monotonic_ns();
  std::string before;
  while (now_monotonic_ns() < deadline) {
    const auto all = sessions();
    std::string now;
    bool open = !all || all->size() < roles_.size();
    for (const archive::SessionSummary& session : all ? *all : std::vector<archive::SessionSummary>{}) {
      now += summary_json(session);
      open |= session.end_ns == 0;
    }
    if (open || now != before) since = now_monotonic_ns();
    if (now_monotonic_ns() - since > 1'000'000'000) return {};
    before = std::move(now);
    ::nanosleep(&kPause, nullptr);
  }
  return fail("sessions are still open, or missing, {} ms after the last attacker has gone", kSettleMs);
}

Status Demo::run() {
  for (const auto step : {&Demo::set_up, &Demo::start_programs, &Demo::attack_and_visit, &Demo::read_roles}) {
    if (auto done = (this->*step)(); !done) return done;
  }
  return wait_until_recorded();
}

Result<std::vector<std::string>> Demo::mistakes() const {
  const auto all = sessions();
  if (!all) return tl::unexpected<Error>(all.error());
  std::vector<std::string> found;
  std::map<Opened, Role> missing = roles_;
  for (const archive::SessionSummary& session : *all) {
    const std::string entrance = to_string(session.entrance);
    const auto role = missing.lower_bound({entrance, session.client.port, 0});
    const std::string name =
        fmt::format("session {} from port {} to {}", to_string(session.id), session.client.port, entrance);
    if (role == missing.end() || role->first.entrance != entrance || role->first.port != session.client.port) {
      found.push_back(name + " was opened by nobody");
      continue;
    }
    if (session.session_class != wanted(role->second)) {
      found.push_back(fmt::format("{} is {} and should be {}", name, to_string(session.session_class),
                                  to_string(wanted(role->second))));
    }
    missing.erase(role);
    if (session.unsupervised) found.push_back(name + " was not supervised");
  }
  for (const auto& [opened, role] : missing)
    found.push_back(fmt::format("the session from port {} to {} is not in the archive", opened.port, opened.entrance));
  const auto hits =
      std::count_if(roles_.begin(), roles_.end(), [](const auto& item) { return item.second == Role::attack; });
  if (options_.attack && hits != options_.attackers)
    found.push_back(fmt::format("{} attackers, {} of them hit", options_.attackers, hits));
  for (const std::string& reply : replies_) {
    const bool opened = reply.find(kMarkReply) != std::string::npos;
    if (opened && !options_.observe) found.push_back("a shell answered an attacker although it was to be refused");
  }
  if (options_.observe && options_.attack && std::none_of(replies_.begin(), replies_.end(), [](const std::string& r) {
        return r.find(kMarkReply) != std::string::npos;
      })) {
    found.push_back("no shell answered although nothing was to be refused");
  }
  return found;
}

Status Demo::check_pcapng() const {
  auto reader = archive::Reader::open(archive());
  if (!reader) return tl::unexpected<Error>(reader.error());
  archive::Filter filter;
  filter.session_class = SessionClass::attack;
  const auto tagged = reader->list(filter);
  if (!tagged) return tl::unexpected<Error>(tagged.error());
  for (const archive::SessionSummary& session : *tagged) {
    const std::string file = fmt::format("{}/{}.pcapng", folder_->path(), to_string(session.id));
    if (auto exported = export_pcapng(*reader, session, file); !exported) return exported;
    const testbed::StartOptions output{{}, folder_->path() + "/tshark.err", folder_->path() + "/tshark.out"};
    auto read = testbed::run_to_end(
        {"tshark", "-r", file, "-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE", "-T", "fields", "-e",
         "frame.comment", "-e", "_ws.malformed", "-e", "tcp.analysis.flags", "-e", "tcp.checksum_bad.expert"},
        output);
    if (!read) return wrap("tshark does not read " + file, read);
    const auto said = read_file(folder_->path() + "/tshark.out");
    if (!said) return tl::unexpected<Error>(said.error());
    if (said->find("skep alert") == std::string::npos) return fail("{}: tshark shows no alert at any packet", file);
    const auto complaints = read_file(folder_->path() + "/tshark.err");
    if (!complaints) return tl::unexpected<Error>(complaints.error());
    for (const std::string_view line : split(*complaints, '\n')) {
      // tshark warns everybody who is root.
      if (!line.empty() && line.find("Running as user") == std::string_view::npos)
        return fail("tshark complains of {}: {}", file, printable(line));
    }
  }
  return {};
}

Result<std::string> Demo::report() const {
  auto reader = archive::Reader::open(archive());
  if (!reader) return tl::unexpected<Error>(reader.error());
  const auto all = reader->list({});
  if (!all) return tl::unexpected<Error>(all.error());
  std::map<SessionClass, size_t> counts;
  std::string stories;
  for (const archive::SessionSummary& session : *all) {
    ++counts[session.session_class];
    if (session.session_class != SessionClass::attack) continue;
    auto told = story(*reader, session);
    if (!told) return told;
    stories += "\n" + *told;
  }
  std::string text = fmt::format("\n{} sessions were recorded:\n", all->size());
  for (const SessionClass each : {SessionClass::attack, SessionClass::suspect, SessionClass::harmless}) {
    static constexpr std::string_view kMeaning[] = {"", "nothing happened on the host", "the serving process crashed",
                                                    "the host's kernel saw a violation"};
    text += fmt::format("  {:<9} {:>4}   {}\n", to_string(each), counts[each], kMeaning[static_cast<size_t>(each)]);
  }
  return text + stories;
}

}  // namespace skep::cli
