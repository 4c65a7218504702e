// skep rules stats: the payload rules that fired, a line each, from the archive's index: the paper's Table 1, live.
#pragma once

#include <string>

#include "cli/archive_option.h"

namespace skep::cli {

// A subcommand of `skep rules`.
class RulesStats {
 public:
  explicit RulesStats(CLI::App& rules);
  bool wanted() const;
  int run() const;

 private:
  CLI::App* app_;
  ArchiveOption archive_;
  bool json_ = false;
  std::string since_;
};

}  // namespace skep::cli
