// What our matcher says of sessions that were derived from public rules, beside what Suricata 7.0.6 said of the very
// same (`--simulate-ips`). docs/reference/verdicts.md has every difference with its reason: the test holds the two to
// each other, and the matcher to itself however the bytes are cut. The data is no part of the project: it is found by
// SKEP_DATA, or beside the checkout.
#include <gtest/gtest.h>

#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <random>
#include <set>
#include <sstream>

#include "base/file.h"
#include "harness/real_data.h"
#include "payload/rule_files.h"
#include "payload/scanner.h"
#include "payload/thresholds.h"

namespace skep::payload {
namespace {

namespace fs = std::filesystem;

struct Session {
  uint16_t key = 0;  // its source port
  uint16_t port = 0;
  Bytes bytes;
};

std::vector<Session> sessions_of(const std::string& text) {
  std::vector<Session> out;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream fields(line);
    std::string sid, key, port, kind, digits;
    fields >> sid >> key >> port >> kind >> digits;
    Session session{static_cast<uint16_t>(std::stoul(key)), static_cast<uint16_t>(std::stoul(port)), {}};
    for (size_t i = 0; i + 1 < digits.size(); i += 2) {
      uint8_t byte = 0;
      std::from_chars(digits.data() + i, digits.data() + i + 2, byte, 16);
      session.bytes.push_back(byte);
    }
    out.push_back(std::move(session));
  }
  return out;
}

using Pairs = std::set<std::pair<uint16_t, uint32_t>>;  // session, sid

// {"10001": [2412, 5], ...}
Pairs reference_of(const std::string& text) {
  Pairs out;
  uint16_t session = 0;
  for (size_t i = 0; i < text.size();) {
    if (std::isdigit(static_cast<unsigned char>(text[i])) == 0) {
      ++i;
      continue;
    }
    const bool key = i > 0 && text[i - 1] == '"';
    size_t used = 0;
    const auto number = static_cast<uint32_t>(std::stoul(text.substr(i, 12), &used));
    i += used;
    if (key) {
      session = static_cast<uint16_t>(number);
    } else {
      out.emplace(session, number);
    }
  }
  return out;
}

constexpr int64_t kBetweenSessionsNs = 10'000'000;
constexpr size_t kWhole = 0;
constexpr size_t kAtRandom = SIZE_MAX;

Pairs ours(const std::shared_ptr<const RuleSet>& rules, const std::vector<Session>& sessions, size_t cut) {
  Scratch scratch;
  Thresholds thresholds;
  std::mt19937 random(2004);
  Pairs out;
  int64_t time_ns = 0;
  for (const Session& session : sessions) {
    time_ns += kBetweenSessionsNs;
    Flow flow{*parse_endpoint("10.9.9.9"), *parse_endpoint("10.1.1.1")};
    flow.source.port = session.key;
    flow.destination.port = session.port;
    Scanner scanner(rules, flow, {});
    const auto add = [&](std::span<const Hit> hits) {
      for (const Hit& hit : hits) {
        const formats::Rule& rule = rules->rules()[hit.rule].rule;
        if (thresholds.say(rule, flow, time_ns)) out.emplace(session.key, rule.sid);
      }
    };
    for (ByteView rest = session.bytes; !rest.empty();) {
      const size_t wanted = cut == kWhole ? rest.size() : cut == kAtRandom ? 1 + random() % 200 : cut;
      const ByteView piece = rest.first(std::min(wanted, rest.size()));
      add(scanner.take(piece, scratch));
      rest = rest.subspan(piece.size());
    }
    add(scanner.finish(scratch));
  }
  return out;
}

// The rows of the page's table that speak of this set: `| set | session | sid | who says it | why |`.
struct Listed {
  Pairs only_ours;
  Pairs only_theirs;
};
Listed listed(const std::string& set) {
  Listed out;
  std::ifstream page(fs::path(SKEP_SOURCE) / "docs/reference/verdicts.md");
  for (std::string line; std::getline(page, line);) {
    std::istringstream fields(line);
    std::string bar, name, who;
    uint32_t session = 0;
    uint32_t sid = 0;
    if (!(fields >> bar >> name >> bar >> session >> bar >> sid >> bar >> who) || name != set) continue;
    (who == "skep" ? out.only_ours : out.only_theirs).emplace(static_cast<uint16_t>(session), sid);
  }
  return out;
}

Pairs without(const Pairs& all, const Pairs& some) {
  Pairs out;
  std::set_difference(all.begin(), all.end(), some.begin(), some.end(), std::inserter(out, out.end()));
  return out;
}

std::string words(const Pairs& pairs) {
  std::string out;
  for (const auto& [session, sid] : pairs) out += fmt::format(" {}:{}", session, sid);
  return out;
}

struct LoadedSet {
  std::shared_ptr<const RuleSet> rules;
  std::set<uint32_t> sids;  // that can be looked for
};

LoadedSet load(const std::string& name, bool hyperscan) {
  const fs::path path = fs::temp_directory_path() / fmt::format("skep-verdicts-{}.rules", ::getpid());
  std::ofstream(path) << harness::unpacked(harness::real_data("filter/" + name + ".rules.gz"));
  auto files = read_rule_files({path.string()}, {});
  fs::remove(path);
  if (!files) throw std::runtime_error(files.error().message);
  RuleSetOptions options;
  options.hyperscan = hyperscan;
  auto set = RuleSet::make(std::move(files->rules), options);
  if (!set) throw std::runtime_error(set.error().message);
  LoadedSet out{*set, {}};
  for (const GivenRule& each : (*set)->rules()) out.sids.insert(each.rule.sid);
  for (const RuleRefused& each : (*set)->refused()) out.sids.erase((*set)->rules()[each.given].rule.sid);
  return out;
}

class VerdictsTest : public testing::TestWithParam<std::string> {};

TEST_P(VerdictsTest, AreThoseOfTheReference) {
  const std::string& name = GetParam();
  if (!fs::exists(harness::real_data("filter/" + name + ".rules.gz"))) {
    std::cout << "NOT RUN: " << name << " is not here (SKEP_DATA)\n";
    return;
  }
  const LoadedSet loaded = load(name, true);
  const auto sessions = sessions_of(harness::unpacked(harness::real_data("filter/" + name + ".sessions.tsv.gz")));
  Pairs reference;
  for (const auto& pair :
       reference_of(harness::unpacked(harness::real_data("filter/" + name + ".suricata7-ips.hits.json.gz")))) {
    if (loaded.sids.contains(pair.second)) reference.insert(pair);
  }
  const Pairs found = ours(loaded.rules, sessions, kWhole);
  const Pairs only_ours = without(found, reference);
  const Pairs only_theirs = without(reference, found);
  std::cout << fmt::format("{}: {} sessions, {} rules, {} pairs of the reference, {} only ours, {} only theirs\n", name,
                           sessions.size(), loaded.sids.size(), reference.size(), only_ours.size(), only_theirs.size());
  const Listed page = listed(name);
  EXPECT_EQ(words(only_ours), words(page.only_ours)) << "only we say, and what the page has";
  EXPECT_EQ(words(only_theirs), words(page.only_theirs)) << "only the reference says, and what the page has";
  EXPECT_LT(only_ours.size() + only_theirs.size(), 0.003 * static_cast<double>(reference.size()));
  for (const size_t cut : {size_t{1}, size_t{7}, kAtRandom}) {
    const Pairs other = ours(loaded.rules, sessions, cut);
    EXPECT_EQ(words(without(other, found)), "") << "in pieces of " << static_cast<int64_t>(cut) << " too many";
    EXPECT_EQ(words(without(found, other)), "") << "in pieces of " << static_cast<int64_t>(cut) << " too few";
  }
  EXPECT_EQ(words(ours(load(name, false).rules, sessions, kAtRandom)), words(found)) << "by the built-in automaton";
}

INSTANTIATE_TEST_SUITE_P(Sets, VerdictsTest, testing::Values("snort-2.2.0-2004-gpl", "et2021-active"),
                         [](const auto& set) { return set.param == "et2021-active" ? "Et2021" : "Snort2004"; });

}  // namespace
}  // namespace skep::payload
