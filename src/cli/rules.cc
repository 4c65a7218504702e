// skep rules check
#include "cli/parse.h"
#include "cli/rules_check.h"

namespace skep::cli {

int run_rules(Words words) {
  RulesCheckOptions checked;
  CLI::App app("payload rules", "skep rules");
  app.require_subcommand(1);
  CLI::App* check = app.add_subcommand("check", "what becomes of every rule of these files, and how it is graded");
  check->add_option("FILE", checked.files, "rule files or shell patterns of them")->required();
  check->add_flag("--json", checked.json, "one object a line");
  check->add_flag("--strict", checked.strict, "exit 1 where a rule is refused");
  if (const auto code = parse(app, words)) return *code;
  return *check ? check_rules(checked) : 2;
}

}  // namespace skep::cli
