#include "cli/rules_stats.h"

#include <algorithm>
#include <cstdio>

#include "archive/reader.h"
#include "cli/moment.h"
#include "cli/parse.h"

namespace skep::cli {
namespace {

int complain(const std::string& words) {
  std::fprintf(stderr, "skep rules stats: %s\n", words.c_str());
  return 2;
}

std::string line_json(const archive::RuleCount& count) {
  JsonWriter json;
  json.begin_object().field("gid", count.gid).field("sid", count.sid).field("msg", count.message);
  json.field("grade", to_string(count.grade)).field("sessions", count.sessions).field("bytes", count.bytes);
  json.field("first", format_time(count.first_ns)).field("last", format_time(count.last_ns));
  return json.end_object().take();
}

void say(const archive::RuleCount& count) {
  const std::string rule = fmt::format("{}:{}", count.gid, count.sid);
  std::puts(fmt::format("{:>9} {:>12} {:<8} {:<27} {:<27} {:<12} {}", count.sessions, count.bytes,
                        to_string(count.grade), format_time(count.first_ns), format_time(count.last_ns), rule,
                        printable(count.message))
                .c_str());
}

}  // namespace

RulesStats::RulesStats(CLI::App& rules) : app_(rules.add_subcommand("stats", "the rules that fired, a line each")) {
  archive_.add_to(*app_);
  app_->add_option("--since", since_, "only sessions that began since: time, or span back from now (2h)");
  app_->add_flag("--json", json_, "one object a line");
}

bool RulesStats::wanted() const {
  return app_->parsed();
}

int RulesStats::run() const {
  const auto since = since_.empty() ? std::optional<int64_t>(0) : moment(since_);
  if (!since) return complain(no_moment(since_));
  const auto folder = archive_.folder();
  if (!folder) return complain(folder.error().message);
  auto reader = archive::Reader::open(*folder);
  if (!reader) return complain(reader.error().message);
  auto counts = reader->rule_counts(*since);
  if (!counts) return complain(counts.error().message);
  std::stable_sort(counts->begin(), counts->end(),
                   [](const auto& a, const auto& b) { return a.sessions > b.sessions; });
  if (!json_)
    std::puts(fmt::format("{:>9} {:>12} {:<8} {:<27} {:<27} {:<12} {}", "SESSIONS", "BYTES", "GRADE", "FIRST", "LAST",
                          "RULE", "MESSAGE")
                  .c_str());
  for (const archive::RuleCount& count : *counts) {
    if (json_) {
      std::puts(line_json(count).c_str());
    } else {
      say(count);
    }
  }
  return 0;
}

}  // namespace skep::cli
