// skep rules scan: what payload rules say of the connections in a capture, or of recorded sessions, by the matcher of
// skep-proxy.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "archive/reader.h"
#include "cli/archive_option.h"
#include "payload/rule_set.h"

namespace skep::cli {

// A subcommand of `skep rules`.
class RulesScan {
 public:
  explicit RulesScan(CLI::App& rules);
  bool wanted() const;
  int run() const;

 private:
  int scan_capture(const std::shared_ptr<const payload::RuleSet>& rules) const;
  Result<archive::Filter> wanted_sessions() const;
  int scan_archive(const std::shared_ptr<const payload::RuleSet>& rules) const;

  CLI::App* app_;
  ArchiveOption archive_;
  std::vector<std::string> rules_;  // files or shell patterns
  std::string pcap_;                // "-": stdin; "": the archive
  std::string since_, class_;
  bool every_ = false;
  bool json_ = false;
};

}  // namespace skep::cli
