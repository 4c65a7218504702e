// Rig: skep's own programs on the testbed's three hosts, for scenario tests. Everything is ended and removed with it.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "archive/reader.h"
#include "base/folder.h"
#include "testbed/network.h"
#include "testbed/process.h"

namespace skep::harness {

struct RigOptions {
  std::string services_monitor;  // YAML lines under `services:` of monitor.yaml
  std::string services_proxy;    // … of proxy.yaml
  std::string monitor_more;      // further top-level lines
  std::string proxy_more;
  std::vector<std::string> proxy_under;  // the command that skep-proxy is started by; none: itself
  bool with_bait = true;                 // false: the proxy knows no monitor
};

class Rig {
 public:
  static constexpr uint16_t kServicePort = 9000;  // of the honeypot host: the service's that start() waits for
  // Why the tests cannot run here (not root …); "" where they can.
  static std::string missing();

  explicit Rig(RigOptions options);
  // Folder, keys, option files, namespaces; no program yet.
  Status set_up();
  // Both programs, until they are ready and have met, and the service that the monitor starts listens.
  Status start();
  // … after set_up().
  Status start_programs();
  Status start_monitor();
  Status start_proxy();
  Status kill_proxy();
  Status await_log(const std::string& program, const std::string& words, int timeout_ms = 20'000) const;

  std::string program(const std::string& name) const;
  // Runs a program on the attacker's host to its end; its stdout.
  Result<std::string> attack(const std::vector<std::string>& command, int timeout_ms = 120'000) const;
  // All sessions, once `count` are there, all have ended and nothing has changed for half a second.
  Result<std::vector<archive::SessionSummary>> sessions(size_t count, int timeout_ms = 30'000) const;
  // `skep …` with the archive and the monitor's socket in its environment: exit code and stdout.
  struct Said {
    int code;
    std::string text;
  };
  Said skep(const std::vector<std::string>& words) const;

  // Pid of a child of skep-monitor by its name; 0: there is none.
  pid_t child_of_monitor(const std::string& name) const;

  std::string file(const std::string& name) const { return folder_->path() + "/" + name; }
  std::string log(const std::string& program) const;
  testbed::Network& network() { return *network_; }
  std::optional<testbed::Process>& monitor() { return monitor_; }
  std::optional<testbed::Process>& proxy() { return proxy_; }

 private:
  RigOptions options_;
  std::optional<Folder> folder_;
  std::optional<testbed::Network> network_;
  std::optional<testbed::Process> monitor_;
  std::optional<testbed::Process> proxy_;
};

// The number behind `"key":` in a line of one of the test programs.
unsigned number_in(std::string_view line, std::string_view key);
// Looks until it holds; false where it does not within the time.
bool eventually(const std::function<bool()>& holds, int timeout_ms = 20'000);

}  // namespace skep::harness
