// The files of payload rules that an operator names, read in order and graded: what can be looked for, and what became
// of every other line. Reads files; any thread.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "formats/rule_file.h"
#include "payload/rule_set.h"

namespace skep::payload {

struct RuleFiles {
  std::vector<GivenRule> rules;  // in the order of the files and their lines
  // What was set aside, by file. Each one's own `rules` are empty: they are those above. Of a gid:sid that several
  // files have, the highest `rev` holds, of equal ones the later; the others are among the refused.
  std::vector<formats::RuleFile> files;
};

// `patterns`: paths or shell patterns; a file that several name is read once. Variables that a file defines hold for
// those after it. Errors: a pattern that names no file, a file that cannot be read, too many rules in all.
Result<RuleFiles> read_rule_files(const std::vector<std::string>& patterns, const formats::GradeOverrides& overrides,
                                  formats::RuleVariables variables = formats::default_rule_variables());

// "file:line: sid N: reason".
std::string words_of(const RuleSet& set, const RuleRefused& refused);

}  // namespace skep::payload
