#include "formats/rule_file.h"

#include <set>

#include "base/file.h"
#include "base/text.h"
#include "formats/rule_options.h"
#include "formats/rule_text.h"

namespace skep::formats {
namespace {

// A line of the file that is a rule by its form.
struct Candidate {
  int line = 0;
  RuleText text;
  RuleDialect dialect = RuleDialect::unclear;
};

class FileReader {
 public:
  FileReader(RuleFile& file, RuleVariables& variables) : file_(file), variables_(variables) {}

  void read(std::string_view text) {
    for (const LogicalLine& line : logical_lines(text)) read_line(line);
    const RuleDialect usual = usual_dialect();
    for (const Candidate& each : candidates_)
      read_rule(each, each.dialect == RuleDialect::unclear ? usual : each.dialect);
  }

 private:
  void refuse(int line, uint32_t sid, std::string reason) { file_.refused.push_back({line, sid, std::move(reason)}); }

  void read_line(const LogicalLine& line) {
    if (!line.damage.empty()) return refuse(line.line, 0, line.damage);
    const std::string_view text = line.text;
    const size_t space = text.find_first_of(" \t");
    const std::string_view first = text.substr(0, space);
    if (first == "var" || first == "ipvar" || first == "portvar") {
      return define(line.line, trim(space == std::string_view::npos ? "" : text.substr(space)));
    }
    auto split = split_rule(text);
    if (!split) return refuse(line.line, 0, split.error().message);
    if (candidates_.size() >= kRulesMax) return refuse(line.line, 0, fmt::format("more than {} rules", kRulesMax));
    const RuleDialect dialect = dialect_of(*split);
    candidates_.push_back({line.line, std::move(*split), dialect});
  }

  void define(int line, std::string_view text) {
    const size_t space = text.find_first_of(" \t");
    const std::string_view value = space == std::string_view::npos ? "" : trim(text.substr(space));
    if (value.empty()) return refuse(line, 0, "a variable wants a name and a value");
    if (variables_.size() >= kRuleVariablesMax)
      return refuse(line, 0, fmt::format("more than {} variables", kRuleVariablesMax));
    variables_[std::string(text.substr(0, space))] = value;
  }

  // A rule that could be either is read as most others of its file.
  RuleDialect usual_dialect() const {
    long before = 0;
    for (const Candidate& each : candidates_) {
      if (each.dialect == RuleDialect::before) ++before;
      if (each.dialect == RuleDialect::behind) --before;
    }
    return before > 0 ? RuleDialect::before : RuleDialect::behind;
  }

  void read_rule(const Candidate& each, RuleDialect dialect) {
    const uint32_t sid = sid_of(each.text);
    if (const std::string_view why = not_applicable(each.text); !why.empty()) {
      file_.not_applicable.push_back({each.line, sid, std::string(why)});
      return;
    }
    Rule rule;
    if (const Status head = read_head(each.text.head, variables_, rule); !head)
      return refuse(each.line, sid, head.error().message);
    if (const Status options = read_options(each.text, dialect, rule); !options)
      return refuse(each.line, sid, options.error().message);
    if (!sids_.insert({rule.gid, rule.sid}).second) return refuse(each.line, sid, "sid: a rule before it has the same");
    file_.rules.push_back({std::move(rule), each.line});
  }

  static std::string_view not_applicable(const RuleText& text) {
    if (text.head.size() < 2) return "";
    if (text.head[1] == "icmp") return "of ICMP";
    if (direction_of(text) == RuleFlow::Direction::to_client) return "of what a server sends";
    if (outbound(text.head)) return "from a home network to the outside";
    return "";
  }

  RuleFile& file_;
  RuleVariables& variables_;
  std::vector<Candidate> candidates_;
  std::set<std::pair<uint32_t, uint32_t>> sids_;
};

}  // namespace

RuleFile parse_rule_file(std::string path, std::string_view text, RuleVariables& variables) {
  RuleFile file;
  file.path = std::move(path);
  FileReader(file, variables).read(text);
  return file;
}

Result<RuleFile> read_rule_file(const std::string& path, RuleVariables& variables) {
  const auto text = read_file(path, kRuleFileBytesMax);
  if (!text) return tl::unexpected<Error>(text.error());
  return parse_rule_file(path, *text, variables);
}

std::string words_of(const RuleFile& file, const RuleSetAside& aside) {
  if (aside.sid == 0) return fmt::format("{}:{}: {}", file.path, aside.line, aside.reason);
  return fmt::format("{}:{}: sid {}: {}", file.path, aside.line, aside.sid, aside.reason);
}

}  // namespace skep::formats
