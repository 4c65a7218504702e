// The words of `skep replay`.
#pragma once

#include <string>
#include <vector>

#include "cli/archive_option.h"
#include "replay/trials.h"

namespace skep::cli {

struct ReplayOptions {
  ArchiveOption archive;
  std::vector<std::string> what;  // ids, files
  std::string session_class, since, until, service;
  std::string target;   // HOST:PORT; empty: the bait
  std::string targets;  // a file of them, one a line
  std::string with;     // another recording of the same dialogue
  std::string plan;     // one rung; empty: the ladder
  std::string timing = "fast";
  std::string marker;
  std::string allow;
  std::string report;
  uint32_t times = 0;
  uint32_t times_max = 100;
  uint32_t patience_s = 10;
  bool json = false;
  bool dry_run = false;
  bool explain = false;
  bool minimise = false;
  bool through_filter = false;
};

}  // namespace skep::cli
