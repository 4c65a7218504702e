#include "formats/rule_text.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "base/text.h"

namespace skep::formats {
namespace {

constexpr std::string_view kSpaces = " \t\r\n";

bool letter_or_digit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

// A quote opens a text only where a value, or a part of it, begins; anywhere else it is a byte like any other.
class QuoteState {
 public:
  // Whether `c` lies within quotes or is escaped, and so parts nothing.
  bool text(char c) {
    if (escaped_) return escaped_ = false, may_open_ = false, true;
    if (c == '\\') return escaped_ = true, true;
    if (open_) {
      if (c == '"') open_ = false;
      return true;
    }
    if (c == '"' && may_open_) return open_ = true, may_open_ = false, true;
    if (kSpaces.find(c) == std::string_view::npos) may_open_ = c == ':' || c == ',' || (c == '!' && may_open_);
    return false;
  }
  bool open() const { return open_; }

 private:
  bool open_ = false;
  bool escaped_ = false;
  bool may_open_ = true;
};

// "alert tcp", "drop http": how a rule begins, so that one whose end is missing swallows no other.
bool begins_a_rule(std::string_view line) {
  static constexpr std::array<std::string_view, 8> kActions = {"alert", "log",    "pass",       "drop",
                                                               "block", "reject", "rejectboth", "sdrop"};
  const size_t end = line.find_first_of(kSpaces);
  return end != std::string_view::npos &&
         std::count(kActions.begin(), kActions.end(), lower_case(line.substr(0, end))) > 0;
}

bool defines_a_variable(std::string_view line) {
  return line.starts_with("var ") || line.starts_with("ipvar ") || line.starts_with("portvar ");
}

// Looks for a rule's end in a text that grows, and looks at each byte once.
class RuleEnd {
 public:
  bool reached(std::string_view text) {
    if (!opened_) {
      const size_t open = text.find('(', at_);
      opened_ = open != std::string_view::npos;
      at_ = opened_ ? open + 1 : text.size();
      if (!opened_) return false;  // Snort 3 may put it on the next line
    }
    for (; at_ < text.size(); ++at_) {
      if (!quotes_.text(text[at_]) && text[at_] == ';') quotes_ = {};
    }
    return text.ends_with(";)") || (text.ends_with(')') && !quotes_.open());
  }

 private:
  size_t at_ = 0;
  bool opened_ = false;
  QuoteState quotes_;
};

class LineJoiner {
 public:
  explicit LineJoiner(std::string_view text) : rest_(text) {}

  std::vector<LogicalLine> all() {
    while (more()) {
      const std::string_view first = trim(next());
      if (first.empty() || first[0] == '#') continue;
      if (lines_.size() >= kRulesMax) {
        lines_.push_back({number_, {}, fmt::format("more than {} rules: the rest is not read", kRulesMax)});
        break;
      }
      LogicalLine line{number_, {}, {}};
      append(line, first);
      if (line.damage.empty() && begins_a_rule(line.text)) join_open(line);
      lines_.push_back(std::move(line));
    }
    return std::move(lines_);
  }

 private:
  bool more() const { return !rest_.empty(); }
  std::string_view peek() const { return rest_.substr(0, rest_.find('\n')); }
  std::string_view next() {
    const std::string_view line = peek();
    rest_.remove_prefix(std::min(line.size() + 1, rest_.size()));
    ++number_;
    return line;
  }

  // `part`, and the lines that its backslash brings along.
  void append(LogicalLine& line, std::string_view part) {
    for (;;) {
      const bool goes_on = part.ends_with('\\') && !part.ends_with("\\\\");
      if (goes_on) part = trim(part.substr(0, part.size() - 1));
      if (line.text.size() + part.size() > kRuleBytesMax) {
        line.damage = fmt::format("a rule of more than {} bytes", kRuleBytesMax);
      } else if (!part.empty()) {
        if (!line.text.empty()) line.text += ' ';
        line.text += part;
      }
      if (!goes_on || !more()) return;
      part = trim(next());
    }
  }

  void join_open(LogicalLine& line) {
    RuleEnd end;
    while (line.damage.empty() && !end.reached(line.text)) {
      const std::string_view following = more() ? trim(peek()) : "";
      if (!more() || begins_a_rule(following) || defines_a_variable(following)) {
        line.damage = "a ')' is missing at its end";
      } else if (next(); !following.empty() && following[0] != '#') {
        append(line, following);
      }
    }
  }

  std::string_view rest_;
  int number_ = 0;
  std::vector<LogicalLine> lines_;
};

Result<std::vector<std::string>> head_words(std::string_view text) {
  std::vector<std::string> words;
  int depth = 0;
  bool within = false;
  for (const char c : text) {
    if (c == '[') ++depth;
    if (c == ']' && --depth < 0) return fail("a ']' without its '['");
    if (kSpaces.find(c) == std::string_view::npos) {
      if (!within) words.emplace_back();
      within = true;
      words.back() += c;
    } else if (depth == 0) {
      within = false;
    }
    if (words.size() > kHeadWordsMax) return fail("more than {} words before the '('", kHeadWordsMax);
  }
  if (depth != 0) return fail("a ']' is missing before the '('");
  return words;
}

Status add_option(std::string_view text, std::vector<OptionText>& options) {
  text = trim(text);
  if (text.empty()) return {};  // ";;": seen in public sets, and means nothing
  const size_t colon = text.find(':');
  const std::string_view name = trim(text.substr(0, colon));
  const auto of_a_name = [](char c) { return letter_or_digit(c) || c == '_' || c == '.' || c == '-'; };
  if (name.empty() || !std::all_of(name.begin(), name.end(), of_a_name))
    return fail("'{}' is no option", printable(text.substr(0, 40)));
  if (options.size() >= kRuleOptionsMax) return fail("more than {} options", kRuleOptionsMax);
  const std::string_view value = colon == std::string_view::npos ? "" : trim(text.substr(colon + 1));
  options.push_back({lower_case(name), std::string(value)});
  return {};
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// What stands between two `|`.
Status append_hex(std::string_view digits, std::string& out) {
  int high = -1;
  for (const char c : digits) {
    if (c == ' ') {
      if (high >= 0) return fail("half a byte between '|' and '|'");
      continue;
    }
    const int digit = hex_digit(c);
    if (digit < 0) return fail("'{}' is no hex digit", printable(std::string_view(&c, 1)));
    if (high < 0) {
      high = digit;
    } else {
      out += static_cast<char>(high * 16 + digit);
      high = -1;
    }
  }
  if (high >= 0) return fail("half a byte between '|' and '|'");
  return {};
}

}  // namespace

std::vector<LogicalLine> logical_lines(std::string_view text) {
  return LineJoiner(text).all();
}

Result<RuleText> split_rule(std::string_view text) {
  const auto control = [](char c) { return (c >= 0 && c < ' ' && c != '\t') || c == 0x7f; };
  if (const auto* const found = std::find_if(text.begin(), text.end(), control); found != text.end())
    return fail("a control byte, {}", printable(std::string_view(found, 1)));
  const size_t open = text.find('(');
  if (open == std::string_view::npos) return fail("a '(' is missing");
  if (!text.ends_with(')')) return fail("a ')' is missing at its end");
  auto head = head_words(text.substr(0, open));
  if (!head) return tl::unexpected<Error>(head.error());
  RuleText out{std::move(*head), {}};
  const std::string_view body = text.substr(open + 1, text.size() - open - 2);
  QuoteState quotes;
  size_t begin = 0;
  for (size_t i = 0; i < body.size(); ++i) {
    if (quotes.text(body[i]) || body[i] != ';') continue;
    if (Status added = add_option(body.substr(begin, i - begin), out.options); !added)
      return tl::unexpected<Error>(added.error());
    begin = i + 1;
    quotes = {};
  }
  if (quotes.open()) return fail("a quote is left open: {}", printable(trim(body.substr(begin)).substr(0, 40)));
  if (!trim(body.substr(begin)).empty())
    return fail("a ';' is missing behind the last option: {}", printable(trim(body.substr(begin)).substr(0, 40)));
  return out;
}

std::vector<std::string_view> split_value(std::string_view value) {
  std::vector<std::string_view> parts;
  if (trim(value).empty()) return parts;
  QuoteState quotes;
  size_t begin = 0;
  for (size_t i = 0; i < value.size(); ++i) {
    if (quotes.text(value[i]) || value[i] != ',') continue;
    parts.push_back(trim(value.substr(begin, i - begin)));
    begin = i + 1;
  }
  parts.push_back(trim(value.substr(begin)));
  return parts;
}

Result<QuotedText> split_quoted(std::string_view value) {
  QuotedText out;
  value = trim(value);
  if (value.starts_with('!')) {
    out.negated = true;
    value = trim(value.substr(1));
  }
  if (!value.starts_with('"')) return fail("wants a text in quotes");
  for (size_t i = 1; i < value.size(); ++i) {
    if (value[i] == '\\') {
      ++i;
    } else if (value[i] == '"') {
      out.inside = value.substr(1, i - 1);
      out.behind = trim(value.substr(i + 1));
      return out;
    }
  }
  return fail("a quote is left open");
}

std::string lower_case(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  return out;
}

std::string unescaped(std::string_view inside) {
  std::string out;
  for (size_t i = 0; i < inside.size(); ++i) {
    if (inside[i] == '\\' && i + 1 < inside.size() && !letter_or_digit(inside[i + 1])) ++i;
    out += inside[i];
  }
  return out;
}

Result<std::string> pattern_bytes(std::string_view inside) {
  std::string out;
  for (size_t i = 0; i < inside.size() && out.size() <= kPatternBytesMax; ++i) {
    if (inside[i] == '|') {
      const size_t end = inside.find('|', i + 1);
      if (end == std::string_view::npos) return fail("a '|' is left open");
      if (Status hex = append_hex(inside.substr(i + 1, end - i - 1), out); !hex)
        return tl::unexpected<Error>(hex.error());
      i = end;
    } else if (inside[i] == '\\') {
      if (++i >= inside.size()) return fail("a backslash at the end");
      if (letter_or_digit(inside[i])) return fail("'\\{}' is no escape: write the byte as |hex|", inside[i]);
      out += inside[i];
    } else {
      out += inside[i];
    }
  }
  if (out.empty()) return fail("an empty pattern");
  if (out.size() > kPatternBytesMax) return fail("a pattern of more than {} bytes", kPatternBytesMax);
  return out;
}

std::string pattern_text(std::string_view bytes) {
  std::string out;
  bool hex = false;
  for (const char c : bytes) {
    const bool plain = letter_or_digit(c) || c == '_' || c == '-' || c == '.' || c == '/' || c == '=' || c == ' ';
    if (plain == hex)
      out += '|';  // a border between the two ways to write
    else if (hex)
      out += ' ';
    hex = !plain;
    if (plain)
      out += c;
    else
      out += fmt::format("{:02x}", static_cast<unsigned char>(c));
  }
  if (hex) out += '|';
  return out;
}

Result<int64_t> rule_number(std::string_view text, int64_t least, int64_t most) {
  text = trim(text);
  const bool minus = text.starts_with('-');
  std::string_view digits = text.substr(minus || text.starts_with('+') ? 1 : 0);
  int base = 10;
  if (digits.starts_with("0x") || digits.starts_with("0X")) {
    base = 16;
    digits.remove_prefix(2);
  }
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
  if (digits.empty() || error != std::errc() || end != digits.data() + digits.size())
    return fail("'{}' is no number", printable(text.substr(0, 40)));
  if (value > static_cast<uint64_t>(INT64_MAX)) return fail("{}: too large", printable(text.substr(0, 40)));
  const int64_t out = minus ? -static_cast<int64_t>(value) : static_cast<int64_t>(value);
  if (out < least || out > most) return fail("{}: not within {} and {}", out, least, most);
  return out;
}

}  // namespace skep::formats
