// The text of payload rules (Suricata, Snort 2 and 3), cut into pieces and no more: logical lines, the words of a
// rule's head, its options with name and value. What the pieces mean is the affair of rule_file.h. Values only; any
// thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace skep::formats {

constexpr size_t kRulesMax = 200'000;       // of one text
constexpr size_t kRuleBytesMax = 64 << 10;  // of one rule, its lines joined
constexpr size_t kRuleOptionsMax = 512;     // of one rule; the longest seen in public sets has 94
constexpr size_t kPatternBytesMax = 8192;   // of one content
constexpr size_t kHeadWordsMax = 16;

// Lines that belong together: by a backslash at the end, or by a rule's parenthesis that is still open (Snort 3).
// Comments and empty lines are left out. Behind kRulesMax of them stands one that says so.
struct LogicalLine {
  int line = 0;        // where it begins, from 1
  std::string text;    // cut short where `damage` speaks of its length
  std::string damage;  // "", or why it is not to be read
};
std::vector<LogicalLine> logical_lines(std::string_view text);

struct OptionText {
  std::string name;   // as written, in lower case
  std::string value;  // as written: quotes and escapes are still in it; "" where there is none
  bool operator==(const OptionText&) const = default;
};

struct RuleText {
  std::vector<std::string> head;  // action, protocol, addresses...: lists in brackets are one word each
  std::vector<OptionText> options;
};

// `action protocol ... (name:value; name; ...)`. Errors name the option at which it could not be understood.
Result<RuleText> split_rule(std::string_view text);

// The parts of a value at its commas, trimmed. Commas within quotes or behind a backslash part nothing.
std::vector<std::string_view> split_value(std::string_view value);

// A value that begins with a quote, perhaps with a `!` before it.
struct QuotedText {
  bool negated = false;
  std::string_view inside;  // between the quotes, escapes still in it
  std::string_view behind;  // after the closing quote, trimmed: Snort 3 puts modifiers there
};
Result<QuotedText> split_quoted(std::string_view value);

// Plain text with its escapes resolved.
std::string unescaped(std::string_view inside);

// The bytes of a content: text, `|41 42|` and escapes. A backslash before a letter or digit is refused: it means one
// thing to who writes `\n` and another to the engines.
Result<std::string> pattern_bytes(std::string_view inside);
// The other way: what pattern_bytes reads as `bytes`.
std::string pattern_text(std::string_view bytes);

std::string lower_case(std::string_view text);  // of ASCII

// A whole decimal or 0x number, with a sign where `least` is negative.
Result<int64_t> rule_number(std::string_view text, int64_t least, int64_t most);

}  // namespace skep::formats
