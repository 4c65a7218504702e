// Payload rules as an operator names them to a command: files, or a proxy.yaml whose `filter:` does.
#pragma once

#include <string>
#include <vector>

#include "payload/rule_files.h"

namespace skep::cli {

// `files`: paths or shell patterns; none: those of `config`. Grades and variables are those of `config`, where one is
// named ("": none).
Result<payload::RuleFiles> read_rules(const std::vector<std::string>& files, const std::string& config);

}  // namespace skep::cli
