// skep demo
#include <unistd.h>

#include <cstdio>
#include <filesystem>

#include "cli/demo.h"
#include "cli/parse.h"

namespace skep::cli {
namespace {

int complain(const std::string& words) {
  std::fprintf(stderr, "skep demo: %s\n", words.c_str());
  return 1;
}

int finish(const Demo& demo, const DemoOptions& options) {
  const auto report = demo.report();
  if (!report) return complain(report.error().message);
  std::fputs(report->c_str(), stdout);
  std::fflush(stdout);  // what is wrong is said last
  const auto mistakes = demo.mistakes();
  if (!mistakes) return complain(mistakes.error().message);
  for (const std::string& mistake : *mistakes) complain(mistake);
  if (auto checked = demo.check_pcapng(); !checked) return complain(checked.error().message);
  if (!mistakes->empty()) return 1;
  std::printf("\nexactly the right sessions are tagged%s", options.attack ? ", and tshark reads their logs\n" : "\n");
  if (!options.keep.empty()) std::printf("look around: skep session list --archive %s\n", demo.archive().c_str());
  return 0;
}

}  // namespace

int run_demo(Words words) {
  DemoOptions options;
  bool no_attack = false;
  CLI::App app(
      "the proof of concept on this machine: three hosts, a server of 2004 make, one attack among many sessions",
      "skep demo");
  app.add_option("--seed", options.seed, "another seed, another run");
  app.add_option("--keep", options.keep, "keep everything in this folder; the archive is in DIR/archive");
  app.add_option("--attackers", options.attackers, "how many, at the same time")->check(CLI::Range(1, 16));
  app.add_option("--visitors", options.visitors, "harmless sessions beside them")->check(CLI::Range(1, 10000));
  app.add_flag("--no-attack", no_attack, "visitors alone: nothing may be tagged");
  app.add_flag("--observe", options.observe, "refuse nothing: the shell opens, and the log holds the conversation");
  app.add_flag("--cut", options.cut, "cut the attack's session on its alert");
  if (const auto code = parse(app, words)) return *code;
  options.attack = !no_attack;
  if (::geteuid() != 0) return complain("needs root: it makes network namespaces and loads kernel programs") + 1;
  std::error_code error;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
  Demo demo(options, self.parent_path().string());
  if (auto run = demo.run(); !run) return complain(run.error().message);
  return finish(demo, options);
}

}  // namespace skep::cli
