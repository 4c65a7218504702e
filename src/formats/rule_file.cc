#include "formats/rule_file.h"

#include <set>

#include "base/file.h"
#include "base/text.h"
#include "formats/rule_options.h"
#include "formats/rule_text.h"

namespace skep::formats {
namespace {

// A rule that could be of either dialect is read as most others of its file.
RuleDialect usual_dialect(const std::vector<LogicalLine>& lines) {
  long before = 0;
  for (const LogicalLine& line : lines) {
    const auto split = split_rule(line.text);
    if (!split) continue;
    const RuleDialect dialect = dialect_of(*split);
    if (dialect == RuleDialect::before) ++before;
    if (dialect == RuleDialect::behind) --before;
  }
  return before > 0 ? RuleDialect::before : RuleDialect::behind;
}

class FileReader {
 public:
  FileReader(RuleFile& file, RuleVariables& variables) : file_(file), variables_(variables) {}

  void read(std::string_view text) {
    const std::vector<LogicalLine> lines = logical_lines(text);
    usual_ = usual_dialect(lines);
    for (const LogicalLine& line : lines) read_line(line);
  }

 private:
  void refuse(int line, uint32_t sid, std::string reason, std::string protocol = "") {
    file_.refused.push_back({line, sid, std::move(reason), std::move(protocol)});
  }

  void read_line(const LogicalLine& line) {
    if (!line.damage.empty()) return refuse(line.line, 0, line.damage);
    const std::string_view text = line.text;
    const size_t space = text.find_first_of(" \t");
    const std::string_view first = text.substr(0, space);
    if (first == "var" || first == "ipvar" || first == "portvar")
      return define(line.line, trim(space == std::string_view::npos ? "" : text.substr(space)));
    const auto split = split_rule(text);
    if (!split) return refuse(line.line, 0, split.error().message);
    read_rule(line.line, *split);
  }

  void define(int line, std::string_view text) {
    const size_t space = text.find_first_of(" \t");
    const std::string_view value = space == std::string_view::npos ? "" : trim(text.substr(space));
    if (value.empty()) return refuse(line, 0, "a variable wants a name and a value");
    if (variables_.size() >= kRuleVariablesMax)
      return refuse(line, 0, fmt::format("more than {} variables", kRuleVariablesMax));
    variables_[std::string(text.substr(0, space))] = value;
  }

  void read_rule(int line, const RuleText& text) {
    const uint32_t sid = sid_of(text);
    const std::string protocol = text.head.size() < 2 ? "" : text.head[1];
    const auto set_aside = [&](std::string reason) { refuse(line, sid, std::move(reason), protocol); };
    if (const std::string_view why = not_applicable(text); !why.empty()) {
      file_.not_applicable.push_back({line, sid, std::string(why), protocol});
      return;
    }
    const RuleDialect dialect = dialect_of(text);
    Rule rule;
    if (const Status head = read_head(text.head, variables_, rule); !head) return set_aside(head.error().message);
    set_items_ +=
        rule.source.size() + rule.source_ports.size() + rule.destination.size() + rule.destination_ports.size();
    if (set_items_ > kFileSetItemsMax)
      return set_aside(fmt::format("more than {} addresses and ports in all rules", kFileSetItemsMax));
    if (const Status options = read_options(text, dialect == RuleDialect::unclear ? usual_ : dialect, rule); !options)
      return set_aside(options.error().message);
    if (!sids_.insert({rule.gid, rule.sid}).second) return set_aside("sid: a rule before it has the same");
    file_.rules.push_back({std::move(rule), line});
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
  size_t set_items_ = 0;
  RuleDialect usual_ = RuleDialect::behind;
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
