// What tests of the scanner share: rules from text, a stream cut in many ways, the sids that come out.
#pragma once

#include <gtest/gtest.h>

#include <random>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "formats/rule_file.h"
#include "payload/scanner.h"

namespace skep::payload {

inline std::shared_ptr<const RuleSet> rule_set(const std::string& text, bool hyperscan = true) {
  formats::RuleVariables variables = formats::default_rule_variables();
  formats::RuleFile file = formats::parse_rule_file("test.rules", text, variables);
  for (const formats::RuleSetAside& aside : file.refused) ADD_FAILURE() << words_of(file, aside);
  std::vector<GivenRule> given;
  for (formats::LoadedRule& each : file.rules) given.push_back({std::move(each.rule), file.path, each.line, {}});
  RuleSetOptions options;
  options.hyperscan = hyperscan;
  auto set = RuleSet::make(std::move(given), options);
  EXPECT_TRUE(set) << (set ? "" : set.error().message);
  return *set;
}

// What a client sends; between two messages the server has answered.
using Messages = std::vector<std::string>;
// 0: whole; kRandomCuts: at random, by a seed.
constexpr size_t kRandomCuts = SIZE_MAX;

inline std::set<uint32_t> sids(const std::shared_ptr<const RuleSet>& rules, const Messages& messages, size_t cut,
                               uint16_t port = 80, uint32_t seed = 1, Scanner* used = nullptr) {
  static Scratch scratch;
  Flow flow{*parse_endpoint("192.0.2.1:40000"), *parse_endpoint("198.51.100.1")};
  flow.destination.port = port;
  Scanner own(rules, flow, ScanLimits{});
  Scanner& scanner = used != nullptr ? *used : own;
  std::mt19937 random(seed);
  std::set<uint32_t> out;
  const auto add = [&](std::span<const Hit> hits) {
    for (const Hit& hit : hits) {
      const uint32_t sid = rules->rules()[hit.rule].rule.sid;
      EXPECT_TRUE(out.insert(sid).second) << "sid " << sid << " is said twice";
    }
  };
  for (size_t i = 0; i < messages.size(); ++i) {
    if (i > 0) add(scanner.answered(scratch));
    std::string_view rest = messages[i];
    while (!rest.empty()) {
      const size_t wanted = cut == 0 ? rest.size() : cut == kRandomCuts ? 1 + random() % 40 : cut;
      const std::string_view piece = rest.substr(0, wanted);
      // A copy of its own size: who reads beyond it is found.
      const std::vector<uint8_t> bytes(piece.begin(), piece.end());
      add(scanner.take(bytes, scratch));
      rest.remove_prefix(piece.size());
    }
  }
  add(scanner.finish(scratch));
  return out;
}

}  // namespace skep::payload
