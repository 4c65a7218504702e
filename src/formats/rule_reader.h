// How the readers of single options share one rule under construction: rule_options.cc has the buffers, each family of
// options a file and a table of its own.
#pragma once

#include <functional>
#include <set>
#include <span>
#include <string>
#include <utility>

#include "formats/rule_options.h"

namespace skep::formats {

struct RuleReader {
  Rule& rule;
  RuleDialect dialect = RuleDialect::behind;
  BufferUse sticky{};                // what the next option looks at
  bool sticky_said = false;          // by a buffer's name, not by default
  bool decoded = false;              // a base64_decode was there
  bool behind_said = false;          // the last content has a buffer of its own
  std::ptrdiff_t last_content = -1;  // in rule.options: what modifiers speak of
  std::set<std::string, std::less<>> variables{};

  // What an option that is counted from the match before looks at: what that one did, unless a buffer was named.
  BufferUse where(bool relative) const;
  // A number, or a variable that is known by now.
  Result<RuleNumber> number(std::string_view text, int64_t least, int64_t most) const;
  Status define(const std::string& name);
  // One more option of the rule. `relative`: it is counted from the match before.
  template <typename Option>
  void add(Option option, bool relative) {
    option.where = where(relative);
    rule.options.emplace_back(std::move(option));
  }
};

struct OptionRow {
  std::string_view name;
  Status (*read)(RuleReader& reader, const std::string& value);
};
std::span<const OptionRow> meta_options();
std::span<const OptionRow> content_options();
std::span<const OptionRow> byte_options();

// One word of `flow`.
Status read_flow_word(RuleFlow& flow, std::string_view word);
// A modifier of the last content; `known` says whether it is one, and there is such a content.
Status modify_last(RuleReader& reader, std::string_view name, std::string_view value, bool& known);

constexpr int64_t kRuleOffsetMax = 65535;  // what Suricata takes

// The letters of pcre that mean the same in all engines.
constexpr std::pair<char, bool Pcre::*> kPcreFlags[] = {
    {'i', &Pcre::nocase},   {'s', &Pcre::dot_all},    {'m', &Pcre::multi_line}, {'x', &Pcre::extended},
    {'A', &Pcre::anchored}, {'E', &Pcre::dollar_end}, {'G', &Pcre::ungreedy},   {'R', &Pcre::relative}};

// "key value": the key in lower case; the value is "" where there is none.
std::pair<std::string, std::string_view> key_and_rest(std::string_view part);
// Letters, digits, `_ . -`, and at least one of them.
bool a_word(std::string_view text);
// "'word' is not understood".
Status not_understood(std::string_view word);

template <typename T>
Status take_number(std::string_view text, int64_t least, int64_t most, T& out) {
  const auto value = rule_number(text, least, most);
  if (!value) return tl::unexpected<Error>(value.error());
  out = static_cast<T>(*value);
  return {};
}

}  // namespace skep::formats
