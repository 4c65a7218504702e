// skep session import: recordings of others become sessions of an archive.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace skep::cli {

struct ImportOptions {
  std::string archive;             // its folder
  std::vector<std::string> files;  // captures, bistreams, honeytrap's JSON
  std::string service;             // "": the recording's own, else "imported"
  bool json = false;
};

// Exit code: 0 all files were read, 2 one could not be, or nothing can be imported there.
int import_sessions(const ImportOptions& options);

}  // namespace skep::cli
