// The words that skep-proxy and skep-monitor understand alike: --config FILE, --check, --effective, --version, --help.
#pragma once

#include <string>

namespace skep::cli {

struct ProgramOptions {
  bool go_on = false;  // false: everything has been said, exit with exit_code
  int exit_code = 0;
  std::string config;
  bool check = false;
  bool effective = false;
};

ProgramOptions parse_program_options(int argc, char** argv, const char* program, const char* purpose);

}  // namespace skep::cli
