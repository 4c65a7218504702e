#include <cstdio>
#include <string>

#include "base/text.h"
#include "cli/command.h"

namespace skep::cli {
namespace {

constexpr Command kCommands[] = {
    {"session", "list, show, export, follow and cut recorded sessions", run_session},
    {"archive", "an archive as a whole: verify, compact, stats", run_archive},
    {"replay", "sends a recorded session again, to the bait or to any other system, with a verdict", run_replay},
    {"hids", "signatures and services of a running skep-monitor; check signature files", run_hids},
    {"rules", "payload rules: check files, hold them against a capture, count what fired", run_rules},
    {"keys", "make the keys of a proxy and its monitor", run_keys},
    {"status", "what the programs running here say of themselves", run_status},
    {"reload", "has skep-proxy read its options again, without dropping a session", run_reload},
    {"filter", "sources that a rule has switched to the bait: list them, release one", run_filter},
    {"doctor", "what this kernel allows skep to do", run_doctor},
    {"demo", "the proof of concept on this machine: one attack among many sessions", run_demo},
};

void print_help(std::FILE* to) {
  std::fputs("skep: which session was the unknown attack?\n\n", to);
  for (const Command& command : kCommands) {
    std::fprintf(to, "  skep %-8s %s\n", std::string(command.name).c_str(), std::string(command.help).c_str());
  }
  std::fputs("\n`skep COMMAND --help` says more.\n", to);
}

}  // namespace

int run_skep(int argc, char** argv) {
  if (argc < 2) {
    print_help(stderr);
    return 2;
  }
  const std::string_view word = argv[1];
  if (word == "--help" || word == "-h" || word == "help") {
    print_help(stdout);
    return 0;
  }
  if (word == "--version") {
    std::puts("skep 0.1.0");
    return 0;
  }
  std::vector<std::string_view> names;
  for (const Command& command : kCommands) {
    if (command.name == word) return command.run({argv + 1, static_cast<size_t>(argc - 1)});
    names.push_back(command.name);
  }
  const std::string near(nearest(word, names));
  std::fprintf(stderr, "skep: unknown command '%s'%s\n", printable(word).c_str(),
               near.empty() ? "" : ("; did you mean '" + near + "'?").c_str());
  return 2;
}

}  // namespace skep::cli
