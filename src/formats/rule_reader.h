// How the readers of single options share one rule under construction (rule_options.cc, rule_byte_options.cc).
#pragma once

#include <set>
#include <string>

#include "formats/rule_options.h"

namespace skep::formats {

struct RuleReader {
  Rule& rule;
  RuleDialect dialect;
  BufferUse sticky;                  // what the next option looks at
  bool sticky_said = false;          // by a buffer's name, not by default
  bool decoded = false;              // a base64_decode was there
  bool behind_said = false;          // the last content has a buffer of its own
  std::ptrdiff_t last_content = -1;  // in rule.options: what modifiers speak of
  std::set<std::string, std::less<>> variables;

  // What an option that is counted from the match before looks at: what that one did, unless a buffer was named.
  BufferUse where(bool relative) const;
  // A number, or a variable that is known by now.
  Result<RuleNumber> number(std::string_view text, int64_t least, int64_t most) const;
  Status define(const std::string& name);
};

// "key value": the value, or "" where there is none.
std::pair<std::string, std::string_view> key_and_rest(std::string_view part);
Result<SizeRange> size_range(std::string_view text);

Status read_byte_test(RuleReader& reader, const std::string& value);
Status read_byte_jump(RuleReader& reader, const std::string& value);
Status read_byte_extract(RuleReader& reader, const std::string& value);
Status read_byte_math(RuleReader& reader, const std::string& value);
Status read_isdataat(RuleReader& reader, const std::string& value);
Status read_base64_decode(RuleReader& reader, const std::string& value);

}  // namespace skep::formats
