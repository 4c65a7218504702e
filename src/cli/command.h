// A command of `skep`: its word, what it is for, and what runs it with the words after it. Returns the exit code.
#pragma once

#include <span>
#include <string_view>
#include <vector>

namespace skep::cli {

using Words = std::span<const char* const>;

struct Command {
  std::string_view name;
  std::string_view help;
  int (*run)(Words words);
};

int run_session(Words words);
int run_archive(Words words);
int run_replay(Words words);
int run_hids(Words words);
int run_rules(Words words);
int run_keys(Words words);
int run_status(Words words);
int run_reload(Words words);
int run_filter(Words words);
int run_doctor(Words words);
int run_demo(Words words);

// All of `skep`.
int run_skep(int argc, char** argv);

}  // namespace skep::cli
