// skep-monitor: the honeypot host's program. Reads its options and puts the privileged half (watch) and the
// unprivileged one (judge) together; neither knows the other.
#include <unistd.h>

#include <cstdio>
#include <string>

#include "base/file.h"
#include "base/log.h"
#include "cli/program_options.h"
#include "formats/options.h"
#include "judge/judge.h"
#include "match/check.h"
#include "watch/watch.h"

int main(int argc, char** argv) {
  using namespace skep;
  log::set_area("watch");
  const auto wanted =
      cli::parse_program_options(argc, argv, "skep-monitor", "supervises services and says whose session did it");
  if (!wanted.go_on) return wanted.exit_code;
  const auto text = read_file(wanted.config);
  const auto options =
      text ? formats::parse_monitor_options(wanted.config, *text) : tl::unexpected<Error>(text.error());
  if (!options) {
    std::fprintf(stderr, "skep-monitor: %s\n", options.error().message.c_str());
    return 2;
  }
  if (wanted.effective) {
    std::fputs(formats::effective_yaml(*options).c_str(), stdout);
    return 0;
  }
  if (wanted.check) {
    const auto checked = match::check_for(*options);
    if (checked) return 0;
    std::fprintf(stderr, "%s\n", checked.error().message.c_str());
    return 2;
  }
  log::set_options(options->log);
  if (::geteuid() != 0) {
    std::fprintf(stderr, "skep-monitor: needs root: it loads kernel programs, launches services and supervises them\n");
    return 2;
  }
  return watch::run(options->follow, [&](watch::JudgePipes pipes) {
    return judge::run({std::move(pipes.orders), std::move(pipes.table_memory), std::move(pipes.alerts_ring),
                       std::move(pipes.telemetry_ring), std::move(pipes.journal), *options});
  });
}
