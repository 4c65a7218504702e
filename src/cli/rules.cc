// skep rules check|scan|stats
#include "cli/parse.h"
#include "cli/rules_check.h"
#include "cli/rules_scan.h"
#include "cli/rules_stats.h"

namespace skep::cli {

int run_rules(Words words) {
  CLI::App app("payload rules", "skep rules");
  app.require_subcommand(1);
  const RulesCheck check(app);
  const RulesScan scan(app);
  const RulesStats stats(app);
  if (const auto code = parse(app, words)) return *code;
  if (check.wanted()) return check.run();
  if (scan.wanted()) return scan.run();
  return stats.wanted() ? stats.run() : 2;
}

}  // namespace skep::cli
