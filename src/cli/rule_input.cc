#include "cli/rule_input.h"

#include "base/file.h"
#include "formats/options.h"

namespace skep::cli {

Result<payload::RuleFiles> read_rules(const std::vector<std::string>& files, const std::string& config) {
  formats::FilterOptions filter;
  if (!config.empty()) {
    const auto text = read_file(config);
    if (!text) return tl::unexpected<Error>(text.error());
    const auto options = formats::parse_proxy_options(config, *text);
    if (!options) return tl::unexpected<Error>(options.error());
    filter = options->filter.value_or(filter);
  }
  if (!files.empty()) filter.rules = files;
  if (filter.rules.empty()) return fail("no rules named: give files, or a --config that has them under `filter:`");
  formats::RuleVariables variables = formats::default_rule_variables();
  for (const auto& [name, text] : filter.variables) variables[name] = text;
  return payload::read_rule_files(filter.rules, filter.grades, std::move(variables));
}

}  // namespace skep::cli
