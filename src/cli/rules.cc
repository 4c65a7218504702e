// skep rules check|scan
#include "cli/parse.h"
#include "cli/rules_check.h"
#include "cli/rules_scan.h"

namespace skep::cli {

int run_rules(Words words) {
  RulesCheckOptions checked;
  RulesScanOptions scanned;
  CLI::App app("payload rules", "skep rules");
  app.require_subcommand(1);
  CLI::App* check = app.add_subcommand("check", "what becomes of every rule of these files, and how it is graded");
  check->add_option("FILE", checked.files, "rule files or shell patterns of them")->required();
  check->add_flag("--json", checked.json, "one object a line");
  check->add_flag("--strict", checked.strict, "exit 1 where a rule is refused");
  CLI::App* scan = app.add_subcommand("scan", "what rules say of the connections in a capture");
  scan->add_option("--rules", scanned.rules, "rule files or shell patterns of them")->required();
  scan->add_option("--pcap", scanned.pcap, "the capture, pcap or pcapng; - is stdin")->required();
  scan->add_flag("--json", scanned.json, "one object a line");
  if (const auto code = parse(app, words)) return *code;
  if (*check) return check_rules(checked);
  return *scan ? scan_rules(scanned) : 2;
}

}  // namespace skep::cli
