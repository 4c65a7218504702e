#include "cli/rules_check.h"

#include <algorithm>
#include <cstdio>
#include <map>

#include "base/text.h"
#include "cli/parse.h"
#include "cli/rule_input.h"

namespace skep::cli {
namespace {

using State = CheckedRule::State;

int complain(const std::string& words) {
  std::fprintf(stderr, "skep rules check: %s\n", words.c_str());
  return 2;
}

constexpr std::string_view kStateWords[] = {"loaded", "refused", "not-applicable"};

// By its word: of what was refused there is no more. What could not even be read so far counts against us.
bool over_tcp(std::string_view protocol) {
  return protocol != "udp" && protocol != "dns" && protocol != "ip" && protocol != "icmp";
}

// The option, of "option: why"; else all of it.
std::string_view kind_of(std::string_view reason) {
  return reason.substr(0, reason.find(':'));
}

std::string reasons_text(const std::vector<CheckedRule>& rules, State state) {
  std::map<std::string_view, size_t> counts;
  for (const CheckedRule& each : rules) {
    if (each.state == state) ++counts[state == State::refused ? kind_of(each.reason) : each.reason];
  }
  std::vector<std::pair<size_t, std::string_view>> by_count;
  for (const auto& [reason, count] : counts) by_count.emplace_back(count, reason);
  std::stable_sort(by_count.begin(), by_count.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
  std::string text;
  for (const auto& [count, reason] : by_count) text += fmt::format("  {:>6}  {}\n", count, printable(reason));
  return text.empty() ? text : fmt::format("{}:\n{}", kStateWords[static_cast<size_t>(state)], text);
}

}  // namespace

std::vector<CheckedRule> checked_rules(const payload::RuleFiles& files, const payload::RuleSet& set) {
  std::map<std::string_view, const formats::RuleFile*> by_path;
  std::vector<CheckedRule> all;
  for (const formats::RuleFile& file : files.files) {
    by_path[file.path] = &file;
    for (const formats::RuleSetAside& each : file.refused)
      all.push_back({&file, each.line, each.sid, State::refused, each.reason, each.protocol, nullptr});
    for (const formats::RuleSetAside& each : file.not_applicable)
      all.push_back({&file, each.line, each.sid, State::not_applicable, each.reason, each.protocol, nullptr});
  }
  std::map<size_t, std::string_view> unsearchable;
  for (const payload::RuleRefused& each : set.refused()) unsearchable[each.given] = each.reason;
  for (size_t i = 0; i < set.rules().size(); ++i) {
    const payload::GivenRule& rule = set.rules()[i];
    const auto refused = unsearchable.find(i);
    const bool loaded = refused == unsearchable.end();
    all.push_back({by_path.at(rule.file), rule.line, rule.rule.sid, loaded ? State::loaded : State::refused,
                   loaded ? std::string_view() : refused->second, formats::protocol_name(rule.rule.protocol), &rule});
  }
  std::stable_sort(all.begin(), all.end(), [](const CheckedRule& a, const CheckedRule& b) {
    return a.file != b.file ? a.file < b.file : a.line < b.line;  // files lie in one vector, in their order
  });
  return all;
}

std::string rule_line(const CheckedRule& rule) {
  std::string line = fmt::format("{}:{}: ", rule.file->path, rule.line);
  if (rule.sid != 0) line += fmt::format("sid {}: ", rule.sid);
  if (rule.state != State::loaded)
    return line + fmt::format("{}: {}", kStateWords[static_cast<size_t>(rule.state)], printable(rule.reason));
  return line + fmt::format("{} ({}): {}", to_string(rule.rule->grading.grade), printable(rule.rule->grading.why),
                            printable(rule.rule->rule.message));
}

std::string rule_json(const CheckedRule& rule) {
  JsonWriter json;
  json.begin_object().key("sid");
  rule.sid == 0 ? json.null() : json.value(rule.sid);
  json.field("file", rule.file->path)
      .field("line", rule.line)
      .field("state", kStateWords[static_cast<size_t>(rule.state)]);
  if (rule.state != State::loaded) json.field("reason", rule.reason);
  if (rule.rule == nullptr) {
    json.key("grade").null();
  } else {
    json.field("grade", to_string(rule.rule->grading.grade))
        .field("why", rule.rule->grading.why)
        .field("gid", rule.rule->rule.gid)
        .field("rev", rule.rule->rule.rev)
        .field("msg", rule.rule->rule.message);
  }
  return json.end_object().take();
}

std::string rules_summary(const std::vector<CheckedRule>& rules, const payload::RuleSet& set) {
  size_t states[3] = {};
  size_t specific = 0;
  size_t tcp[3] = {};
  for (const CheckedRule& each : rules) {
    ++states[static_cast<size_t>(each.state)];
    if (over_tcp(each.protocol)) ++tcp[static_cast<size_t>(each.state)];
    if (each.state == State::loaded && each.rule->grading.grade == formats::RuleGrade::specific) ++specific;
  }
  const auto [loaded, refused, not_applicable] = states;
  std::string text = fmt::format("{} rules: {} loaded ({} specific, {} generic), {} refused, {} not applicable\n",
                                 rules.size(), loaded, specific, loaded - specific, refused, not_applicable);
  if (const size_t about_tcp = tcp[0] + tcp[1]; about_tcp > 0)
    text += fmt::format("of those about what a client sends over TCP {} of {} are loaded: {:.1f} %\n", tcp[0],
                        about_tcp, 100.0 * static_cast<double>(tcp[0]) / static_cast<double>(about_tcp));
  text += reasons_text(rules, State::refused) + reasons_text(rules, State::not_applicable);
  const payload::RuleSetFigures figures = set.figures();
  return text + fmt::format("{}: {} literals, {} rules without one, {} bytes a session\n", set.engine(),
                            figures.literals, figures.always, figures.stream_bytes);
}

RulesCheck::RulesCheck(CLI::App& rules)
    : app_(rules.add_subcommand("check", "what becomes of every rule of these files, and how it is graded")) {
  app_->add_option("FILE", files_, "rule files or shell patterns of them; none: those of --config");
  app_->add_option("--config", config_, "proxy.yaml whose `filter:` has the grades and variables");
  app_->add_flag("--json", json_, "one object a line");
  app_->add_flag("--strict", strict_, "exit 1 where a rule is refused");
}

bool RulesCheck::wanted() const {
  return app_->parsed();
}

int RulesCheck::run() const {
  auto files = read_rules(files_, config_);
  if (!files) return complain(files.error().message);
  const auto set = payload::RuleSet::make(std::move(files->rules), {});
  if (!set) return complain(set.error().message);
  const std::vector<CheckedRule> rules = checked_rules(*files, **set);
  for (const CheckedRule& each : rules) std::puts((json_ ? rule_json(each) : rule_line(each)).c_str());
  std::fputs(rules_summary(rules, **set).c_str(), stderr);
  const bool refused =
      std::any_of(rules.begin(), rules.end(), [](const CheckedRule& each) { return each.state == State::refused; });
  return strict_ && refused ? 1 : 0;
}

}  // namespace skep::cli
