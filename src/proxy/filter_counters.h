// What the filter has done since the proxy began: plain numbers. One thread's.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "model/session.h"
#include "payload/scanner.h"

namespace skep::proxy {

struct FilterCounters {
  static constexpr size_t kActions = static_cast<size_t>(HitAction::switched) + 1;
  static constexpr size_t kRulesMax = 256;  // what is beyond counts as "other"

  std::array<uint64_t, kActions> hits{};                 // rules that fired, by what was done
  std::map<std::string, uint64_t, std::less<>> rules;    // … by the rule, "1:1002"
  uint64_t samples = 0;                                  // suppressed sessions that were kept whole
  uint64_t headers = 0;                                  // … of which only the header was
  uint64_t to_production = 0;                            // sessions of traps and switches
  uint64_t given_up = 0;                                 // times that held bytes went on unjudged
  std::map<std::string, uint64_t, std::less<>> stopped;  // sessions of which no more was looked at, by why
  payload::ScanCounts scans;

  void hit(const RuleHit& hit);
  void ended(const payload::ScanCounts& counts, uint64_t given_up_holds);
  FilterCounters& operator+=(const FilterCounters& other);
};

}  // namespace skep::proxy
