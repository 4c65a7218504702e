// The proof of concept as a run that can be asked for its outcome: skep's own programs, the testbed's three hosts, one
// attack among many sessions. `skep demo` tells its story; the scenario tests look at what it found.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "archive/summary.h"
#include "base/folder.h"
#include "base/result.h"
#include "testbed/network.h"
#include "testbed/process.h"

namespace skep::cli {

struct DemoOptions {
  unsigned seed = 1;
  std::string keep;  // folder to keep; empty: a temporary one
  bool attack = true;
  bool observe = false;  // signatures only observe: the shell opens
  bool cut = false;      // on_alert: cut
  unsigned attackers = 2;
  unsigned visitors = 60;
};

// What a session should have become, known from who opened it, not from what skep said.
enum class Role { visitor, crashed_try, attack };

class Demo {
 public:
  Demo(DemoOptions options, std::string programs) : options_(std::move(options)), programs_(std::move(programs)) {}

  // Everything up to the last session's end. Progress goes to stderr.
  Status run();
  // Sessions whose class is not what their role wants, in words; none: the proof holds.
  Result<std::vector<std::string>> mistakes() const;
  // A tagged session's pcapng as tshark reads it: an error with tshark's complaint, or the packet comment's absence.
  Status check_pcapng() const;
  Result<std::string> report() const;
  std::string archive() const { return folder_->path() + "/archive"; }

 private:
  Status set_up();
  Status write_options();
  Status start_programs();
  Status attack_and_visit();
  Status read_roles();
  Status wait_until_recorded() const;
  Result<std::vector<archive::SessionSummary>> sessions() const;

  const DemoOptions options_;
  const std::string programs_;  // folder of the built programs
  std::optional<Folder> folder_;
  std::optional<testbed::Network> network_;
  std::optional<testbed::Process> monitor_;
  std::optional<testbed::Process> proxy_;
  // Who opened a session, known from the programs that did. A port is free again at once, and may go to two services at
  // the same time: so by service and port, in the order in which they were opened.
  struct Opened {
    std::string entrance;
    unsigned port = 0;
    int64_t opened_ns = 0;
    auto operator<=>(const Opened&) const = default;
  };
  std::map<Opened, Role> roles_;
  std::vector<std::string> replies_;  // what the attackers' shells answered
};

}  // namespace skep::cli
