#include "harness/service_test.h"

#include <glob.h>
#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "base/file.h"
#include "base/text.h"
#include "cli/session_text.h"
#include "harness/hosts.h"

namespace skep::harness {
namespace {

// Flags of a line of /proc/net/unix: it listens.
constexpr char kListeningLocally[] = " 00010000 ";
constexpr char kPath[] =
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";  // as the launcher sets it
constexpr char kOwnGroup[] = "own";
constexpr int kClientMs = 180'000;

std::string first_difference(const std::string& a, const std::string& b) {
  const size_t at = static_cast<size_t>(std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first - a.begin());
  const size_t from = at > 200 ? at - 200 : 0;
  if (from > b.size()) return fmt::format("unsupervised: only {} bytes", b.size());
  return fmt::format("at byte {}:\nsupervised:   …{}…\nunsupervised: …{}…", at, a.substr(from, 400),
                     b.substr(from, 400));
}

std::string beginnings(const std::vector<std::string_view>& lines) {
  std::string all;
  for (const std::string_view line : lines) all += std::string(line.substr(0, 300)) + "\n";
  return all;
}

void expect_answers(const Batch& batch, const std::string& heard) {
  const size_t kinds = batch.exchanges.size();
  auto lines = split(heard, '\n');
  if (!lines.empty() && lines.back().empty()) lines.pop_back();
  ASSERT_EQ(lines.size(), kinds) << "an exchange had several answers, or none:\n" << beginnings(lines);
  for (size_t i = 0; i < kinds; ++i) {
    const Exchange& exchange = batch.exchanges[i];
    const size_t count = batch.sessions / kinds + (i < batch.sessions % kinds ? 1 : 0);
    EXPECT_TRUE(lines[i].starts_with(fmt::format("{{\"request\":{},\"count\":{},", i, count))) << exchange.description;
    EXPECT_NE(lines[i].find(exchange.answer), std::string::npos)
        << exchange.description << ": " << lines[i].substr(0, 1000);
  }
}

// The profile with what the test says beside it. Its groups go to `groups`.
Result<formats::MonitoredService> put_together(const Setting& setting, size_t index, const std::string& output,
                                               std::string& groups) {
  auto profile = read_profile(setting.profile);
  if (!profile) return tl::unexpected<Error>(profile.error());
  formats::MonitoredService service = profile->service;
  service.command = setting.command;
  service.ports = {static_cast<uint16_t>(9000 + index)};
  service.ports.insert(service.ports.end(), setting.more_ports.begin(), setting.more_ports.end());
  service.env.insert(service.env.end(), setting.env.begin(), setting.env.end());
  service.output = output;
  for (const formats::AppGroup& group : profile->groups) groups += group_yaml(group);
  if (setting.programs.empty()) return service;
  const std::string own = fmt::format("{}-{}", kOwnGroup, service.name);
  groups += group_yaml({own, setting.programs, {}});
  service.app_groups.push_back(own);
  return service;
}

}  // namespace

void ServiceTest::SetUp() {
  if (const std::string why = Rig::missing(); !why.empty()) GTEST_SKIP() << why;
  auto folder = Folder::make_for_programs();
  ASSERT_TRUE(folder) << folder.error().message;
  folder_.emplace(std::move(*folder));
}

size_t ServiceTest::times() {
  const char* said = ::getenv("SKEP_SERVICE_TIMES");
  const int number = said == nullptr ? 1 : std::atoi(said);
  return number < 1 ? 1 : static_cast<size_t>(number);
}

std::string ServiceTest::installed(const std::vector<std::string>& patterns) {
  for (const std::string& pattern : patterns) {
    glob_t found{};
    std::string path;
    if (::glob(pattern.c_str(), 0, nullptr, &found) == 0) path = found.gl_pathv[found.gl_pathc - 1];
    ::globfree(&found);
    if (!path.empty()) return path;
  }
  return "";
}

void ServiceTest::make_folder_of(const std::string& user, const std::string& name) {
  ASSERT_TRUE(make_directories(file(name)));
  const passwd* entry = ::getpwnam(user.c_str());
  ASSERT_NE(entry, nullptr) << user;
  ASSERT_EQ(::chown(file(name).c_str(), entry->pw_uid, entry->pw_gid), 0);
}

void ServiceTest::supervise(const std::vector<Setting>& parts) {
  RigOptions options;
  std::string groups;
  services_.clear();
  sockets_.clear();
  title_.clear();
  for (size_t i = 0; i < parts.size(); ++i) {
    auto service = put_together(parts[i], i, file(fmt::format("supervised{}.log", i)), groups);
    ASSERT_TRUE(service) << service.error().message;
    options.services_monitor += service_yaml(*service);
    services_.push_back(std::move(*service));
    title_ += (i == 0 ? "" : "+") + (parts[i].title.empty() ? parts[i].profile : parts[i].title);
    if (!parts[i].socket.empty()) sockets_.push_back(parts[i].socket);
  }
  if (!groups.empty()) options.monitor_more = "app_groups:\n" + groups;
  options.services_proxy =
      fmt::format("  - {{name: entrance, listen: [\"{}\"], bait: bait1, address: {}}}\n", kEntrance, kService);
  for (const uint16_t port : parts[0].more_ports) {
    options.services_proxy +=
        fmt::format("  - {{name: port{0}, listen: [\"{1}:{0}\"], bait: bait1, address: {2}:{0}}}\n", port,
                    testbed::kProxyOutside, testbed::kHoneypotAddress);
  }
  rig_.emplace(options);
  const auto started = rig_->start();
  ASSERT_TRUE(started) << started.error().message << rig_->log("monitor");
  ASSERT_TRUE(eventually([&] { return all_listening(); }))
      << read_file(file("supervised0.log")).value_or("") << rig_->skep({"hids", "status"}).text << rig_->log("monitor");
}

std::string ServiceTest::heard_supervised(const std::vector<Setting>& parts, size_t sessions_least, const Talk& talk) {
  supervise(parts);
  if (HasFatalFailure()) return "";
  std::string heard = talk(rig_->network().attacker(), kEntrance);
  expect_silence(sessions_least);
  return heard;
}

void ServiceTest::check_supervised(const std::vector<Setting>& parts, size_t sessions_least, const Talk& talk) {
  const std::string heard = heard_supervised(parts, sessions_least, talk);
  EXPECT_FALSE(heard.empty());
}

void ServiceTest::check(const std::vector<Setting>& parts, size_t sessions_least, const Talk& talk) {
  const std::string supervised = heard_supervised(parts, sessions_least, talk);
  if (HasFatalFailure()) return;
  rig_->proxy().reset();
  rig_->monitor().reset();
  ASSERT_TRUE(eventually([&] { return !listening(); })) << "the service outlived its monitor";
  std::vector<testbed::Process> free_services;
  for (auto service = services_.rbegin(); service != services_.rend(); ++service) {
    auto process = testbed::Process::start(unsupervised(*service), {rig_->network().honeypot(), file("free.log"), {}});
    ASSERT_TRUE(process) << process.error().message;
    free_services.push_back(std::move(*process));
  }
  ASSERT_TRUE(eventually([&] { return all_listening(); })) << read_file(file("free.log")).value_or("");
  // From the proxy's host: the service sees the peer that it saw before.
  const std::string free = talk(rig_->network().proxy(), kService);
  EXPECT_TRUE(supervised == free) << first_difference(supervised, free);
  EXPECT_FALSE(free.empty());
}

std::vector<std::string> ServiceTest::unsupervised(const formats::MonitoredService& service) const {
  // In a session of its own, as the launcher starts it: Apache ends its whole process group with itself.
  std::vector<std::string> command = {"/usr/bin/setsid", "/usr/bin/env", "-i", kPath};
  command.insert(command.end(), service.env.begin(), service.env.end());
  if (!service.user.empty()) {
    command.insert(command.end(),
                   {"/usr/bin/setpriv", "--reuid=" + service.user, "--regid=" + service.user, "--init-groups", "--"});
  }
  command.insert(command.end(), service.command.begin(), service.command.end());
  return command;
}

bool ServiceTest::listening() {
  return listens(rig_->network().honeypot(), "tcp", Rig::kServicePort);
}

bool ServiceTest::all_listening() {
  const std::string local = sockets_.empty() ? "" : kernel_file(rig_->network().honeypot(), "unix");
  const auto lines = split(local, '\n');
  const auto is_there = [&](const std::string& socket) {
    return std::any_of(lines.begin(), lines.end(), [&](std::string_view line) {
      return line.ends_with(" " + socket) && line.find(kListeningLocally) != std::string_view::npos;
    });
  };
  return listening() && std::all_of(sockets_.begin(), sockets_.end(), is_there);
}

std::string ServiceTest::converse(const std::vector<Batch>& batches, const std::string& netns,
                                  const std::string& address, const std::vector<std::string>& masks) {
  std::string all;
  for (const Batch& batch : batches) {
    std::vector<std::string> command = {rig_->program("dialogue"), "--at-once", "12", "--sessions",
                                        std::to_string(batch.sessions)};
    for (const std::string& mask : masks) command.insert(command.end(), {"--mask", mask});
    if (batch.keep_open) command.emplace_back("--keep-open");
    command.push_back(address);
    for (const Exchange& exchange : batch.exchanges) command.push_back(exchange.request);
    const std::string heard = visit(command, netns);
    expect_answers(batch, heard);
    all += heard;
  }
  return all;
}

std::string ServiceTest::visitor(const std::string& kind, size_t times, const std::string& netns,
                                 const std::string& address) {
  return visit({"/usr/bin/python3", SKEP_SOURCE "/tests/programs/visitor.py", kind, address, std::to_string(times)},
               netns);
}

std::string ServiceTest::visit(const std::vector<std::string>& command, const std::string& netns) {
  std::filesystem::remove(file("visit.err"));
  const auto done = testbed::run_to_end(command, {netns, file("visit.err"), file("visit.out")}, kClientMs);
  EXPECT_TRUE(done) << done.error().message << read_file(file("visit.out")).value_or("").substr(0, 2000);
  return read_file(file("visit.out"), 64 << 20).value_or("");
}

void ServiceTest::expect_silence(size_t sessions_least) {
  const auto all = rig_->sessions(sessions_least);
  ASSERT_TRUE(all) << all.error().message;
  EXPECT_GE(all->size(), sessions_least);
  int odd = 0;
  uint64_t alerts = 0;
  for (const archive::SessionSummary& session : *all) {
    alerts += session.alerts_total;
    // Who serves a session is known from its first read: nobody reads from FTP's data connection when a file is sent.
    const bool served = session.served_by_pid != 0 || session.bytes_in == 0;
    const bool silent = session.session_class == SessionClass::harmless && session.alerts_total == 0 &&
                        !session.unsupervised && !session.incomplete && served;
    if (!silent && ++odd <= 5) ADD_FAILURE() << cli::summary_json(session);
  }
  fmt::print("service {:<24} sessions {:>6} alerts {:>3}\n", title_, all->size(), alerts);
  EXPECT_EQ(odd, 0);
  EXPECT_EQ(rig_->log("monitor").find(" error "), std::string::npos) << rig_->log("monitor");
  const std::string status = rig_->skep({"hids", "status", "--json"}).text;
  for (const char* nothing : {"alerts", "crashes", "denied", "killed", "kernel_records_lost", "records_missing",
                              "kernel_helper_failures", "messages_unsent", "malformed_records"}) {
    EXPECT_NE(status.find(fmt::format("\"{}\":0,", nothing)), std::string::npos)
        << nothing << " in " << status << rig_->log("monitor");
  }
  EXPECT_NE(status.find(fmt::format("\"sessions_announced\":{},", all->size())), std::string::npos) << status;
}

}  // namespace skep::harness
