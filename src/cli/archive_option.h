// Where the archive is: --archive DIR, SKEP_ARCHIVE, or `archive:` of --config FILE.
#pragma once

#include <string>

#include "base/result.h"

namespace CLI {
class App;
}

namespace skep::cli {

struct ArchiveOption {
  std::string archive;
  std::string config;
  void add_to(CLI::App& app);
  Result<std::string> folder() const;
};

}  // namespace skep::cli
