// What `filter:` of the options comes to: the rules read and made ready, a plan for each service. It takes seconds, and
// reads files: never on a shard's thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "formats/options.h"
#include "proxy/session_filter.h"
#include "proxy/source_lists.h"

namespace skep::proxy {

struct FilterFigures {
  uint64_t rules = 0;           // that are looked for
  uint64_t specific = 0;        // … and suppress
  uint64_t refused = 0;         // understood by nobody here, or damaged
  uint64_t not_applicable = 0;  // about what a client does not send to a bait
  uint64_t sets = 0;            // services with the same ports have one together
  uint64_t bad_sources = 0;     // lines of source lists
  std::string engine;           // "": there are no rules
};

struct Filters {
  std::vector<std::shared_ptr<const FilterPlan>> plans;  // of each of options.services; nullptr: it has none
  std::shared_ptr<const SourceLists> sources;            // nullptr: there are none
  FilterFigures figures;
  std::vector<std::string> refused;  // rules and lines of source lists, "file:line: … reason", the first kRefusedMax
  static constexpr size_t kRefusedMax = 10'000;
};
// Errors: a file cannot be read, the machine refuses. What is wrong with single rules is said in `refused`.
Result<Filters> make_filters(const formats::ProxyOptions& options);
// In the log: how many rules there are, and each one that was refused, to a bound.
void say_filters(const Filters& filters);

}  // namespace skep::proxy
