#include "harness/rig.h"

#include <unistd.h>

#include <charconv>
#include <csignal>
#include <cstdlib>
#include <ctime>
#include <filesystem>

#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "cli/session_text.h"
#include "harness/hosts.h"
#include "wire/keys.h"

namespace skep::harness {
namespace {

constexpr timespec kPause{0, 20'000'000};
constexpr int64_t kMillisecond = 1'000'000;

}  // namespace

std::string Rig::missing() {
  if (::geteuid() != 0) return "needs root: network namespaces, kernel programs";
  if (::access("/sys/kernel/btf/vmlinux", R_OK) != 0) return "this kernel tells no types (/sys/kernel/btf/vmlinux)";
  return "";
}

Rig::Rig(RigOptions options) : options_(std::move(options)) {}

Status Rig::set_up() {
  auto folder = Folder::make();
  if (!folder) return tl::unexpected<Error>(folder.error());
  folder_.emplace(std::move(*folder));
  auto network = testbed::Network::make();
  if (!network) return tl::unexpected<Error>(network.error());
  network_.emplace(std::move(*network));
  if (auto keys = wire::init_keys(file("keys")); !keys) return tl::unexpected<Error>(keys.error());
  const std::string monitor =
      fmt::format("listen: {}:7443\nkeys: {}\nsocket: {}\n{}\nservices:\n{}", testbed::kHoneypotAddress, file("keys"),
                  file("monitor.sock"), options_.monitor_more, options_.services_monitor);
  const std::string bait = fmt::format("baits:\n  - {{name: bait1, monitor: {}:7443}}\n", testbed::kHoneypotAddress);
  const std::string proxy = fmt::format("archive: {}\nkeys: {}\n{}\n{}services:\n{}", file("archive"), file("keys"),
                                        options_.proxy_more, options_.with_bait ? bait : "", options_.services_proxy);
  if (auto written = write_file(file("monitor.yaml"), monitor); !written) return written;
  return write_file(file("proxy.yaml"), proxy);
}

Status Rig::start_monitor() {
  auto started = testbed::Process::start({program("skep-monitor"), "--config", file("monitor.yaml")},
                                         {network_->honeypot(), file("monitor.log"), {}});
  if (!started) return tl::unexpected<Error>(started.error());
  monitor_.emplace(std::move(*started));
  return monitor_->await_line("ready", 30'000);
}

Status Rig::start_proxy() {
  std::vector<std::string> command = options_.proxy_under;
  for (const std::string& word : {program("skep-proxy"), std::string("--config"), file("proxy.yaml")})
    command.push_back(word);
  auto started = testbed::Process::start(command, {network_->proxy(), file("proxy.log"), {}});
  if (!started) return tl::unexpected<Error>(started.error());
  proxy_.emplace(std::move(*started));
  return proxy_->await_line("ready", 30'000);
}

// It is gone then: until its last thread has ended, its ports are still taken.
Status Rig::kill_proxy() {
  proxy_->signal(SIGKILL);
  const auto ended = proxy_->await_end(10'000);
  if (!ended) return wrap("the killed proxy", ended);
  return {};
}

Status Rig::start() {
  if (auto done = set_up(); !done) return done;
  return start_programs();
}

Status Rig::start_programs() {
  for (const auto step : {&Rig::start_monitor, &Rig::start_proxy}) {
    if (auto done = (this->*step)(); !done) return done;
  }
  if (auto met = await_log("proxy", "its monitor is connected"); !met) return met;
  if (eventually([&] { return listens(network_->honeypot(), "tcp", kServicePort); })) return {};
  return fail("nobody listens at port {} of the honeypot host: {}", kServicePort, log("monitor"));
}

std::string Rig::log(const std::string& name) const {
  return read_file(file(name + ".log")).value_or("");
}

Status Rig::await_log(const std::string& name, const std::string& words, int timeout_ms) const {
  if (eventually([&] { return log(name).find(words) != std::string::npos; }, timeout_ms)) return {};
  return fail("{}.log never said '{}':\n{}", name, words, log(name));
}

std::string Rig::program(const std::string& name) const {
  return std::filesystem::read_symlink("/proc/self/exe").parent_path().string() + "/" + name;
}

Result<std::string> Rig::attack(const std::vector<std::string>& command, int timeout_ms) const {
  const std::string out = file("attack.out");
  auto done = testbed::run_to_end(command, {network_->attacker(), file("attack.err"), out}, timeout_ms);
  if (!done) return wrap(read_file(out).value_or(""), done);
  return read_file(out);
}

Result<std::vector<archive::SessionSummary>> Rig::sessions(size_t count, int timeout_ms) const {
  const int64_t deadline = now_monotonic_ns() + timeout_ms * kMillisecond;
  int64_t since = now_monotonic_ns();
  std::string before;
  while (now_monotonic_ns() < deadline) {
    auto reader = archive::Reader::open(file("archive"));
    if (!reader) return tl::unexpected<Error>(reader.error());
    auto all = reader->list({});
    if (!all) return all;
    std::string now;
    bool open = all->size() < count;
    for (const archive::SessionSummary& session : *all) {
      now += cli::summary_json(session);
      open |= session.end_ns == 0;
    }
    if (open || now != before) since = now_monotonic_ns();
    if (now_monotonic_ns() - since > 500 * kMillisecond) return all;
    before = std::move(now);
    ::nanosleep(&kPause, nullptr);
  }
  return fail("fewer than {} sessions, or open ones, after {} ms", count, timeout_ms);
}

Rig::Said Rig::skep(const std::vector<std::string>& words) const {
  std::vector<std::string> command = {"/usr/bin/env", "SKEP_ARCHIVE=" + file("archive"),
                                      "SKEP_MONITOR_SOCKET=" + file("monitor.sock"), program("skep")};
  command.insert(command.end(), words.begin(), words.end());
  auto process = testbed::Process::start(command, {{}, file("skep.err"), file("skep.out")});
  const auto status = process->await_end(60'000);
  return {status ? WEXITSTATUS(*status) : -1, read_file(file("skep.out")).value_or("")};
}

pid_t Rig::child_of_monitor(const std::string& name) const {
  auto process = testbed::Process::start({"pgrep", "-P", std::to_string(monitor_->pid()), "-x", name},
                                         {{}, {}, file("pgrep.out")});
  [[maybe_unused]] const auto ended = process->await_end(5000);
  return std::atoi(read_file(file("pgrep.out")).value_or("0").c_str());
}

unsigned number_in(std::string_view line, std::string_view key) {
  const std::string wanted = fmt::format("\"{}\":", key);
  const size_t at = line.find(wanted);
  unsigned number = 0;
  if (at == std::string_view::npos) return number;
  std::from_chars(line.data() + at + wanted.size(), line.data() + line.size(), number);
  return number;
}

bool eventually(const std::function<bool()>& holds, int timeout_ms) {
  const int64_t deadline = now_monotonic_ns() + timeout_ms * kMillisecond;
  while (!holds()) {
    if (now_monotonic_ns() > deadline) return false;
    ::nanosleep(&kPause, nullptr);
  }
  return true;
}

}  // namespace skep::harness
