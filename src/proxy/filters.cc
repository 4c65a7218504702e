#include "proxy/filters.h"

#include <algorithm>
#include <map>

#include "base/log.h"
#include "payload/rule_files.h"

namespace skep::proxy {
namespace {

constexpr int64_t kMillisecond = 1'000'000;
constexpr size_t kSaidMax = 50;  // in the log

// What a service's clients can connect to; none: anything.
std::vector<uint16_t> ports_of(const formats::ServiceOptions& service) {
  std::vector<uint16_t> ports;
  if (service.transparent) return ports;
  for (const formats::EndpointRange& where : service.listen) {
    for (uint16_t i = 0; i < where.ports; ++i) ports.push_back(where.at(i).port);
  }
  std::sort(ports.begin(), ports.end());
  ports.erase(std::unique(ports.begin(), ports.end()), ports.end());
  return ports;
}

FilterPlan plan_of(const formats::ProxyOptions& options, const formats::ServiceOptions& service) {
  const formats::FilterOptions& filter = *options.filter;
  FilterPlan plan;
  plan.limits.bytes_max = filter.scan_bytes_max;
  plan.sieve = {service.filter.hold.value_or(filter.hold), std::min(filter.hold_bytes, options.buffer_bytes / 2),
                filter.hold_ms * kMillisecond};
  plan.mode = service.mode;
  plan.on_any = service.mode != formats::ServiceMode::bait && service.trap_on_any;
  plan.action = service.filter.action.value_or(filter.action);
  // Of datagrams there is nothing to hold, to reset or to keep.
  if (service.protocol == Protocol::udp) plan.action = formats::FilterAction::drop;
  plan.divert_to = filter.divert_to;
  plan.tarpit_ns = filter.tarpit_ms * kMillisecond;
  plan.tarpits_max = filter.tarpits_max;
  plan.samples_a_day = filter.samples_per_rule_per_day;
  return plan;
}

class Sets {
 public:
  explicit Sets(std::vector<payload::GivenRule> rules) : rules_(std::move(rules)) {}
  Result<std::shared_ptr<const payload::RuleSet>> of(const formats::ServiceOptions& service) {
    const Key key{service.protocol, ports_of(service)};
    if (const auto found = made_.find(key); found != made_.end()) return found->second;
    payload::RuleSetOptions options;
    options.protocol = key.first;
    options.ports = key.second;
    auto made = payload::RuleSet::make(rules_, options);
    if (made) made_[key] = *made;
    return made;
  }
  size_t count() const { return made_.size(); }

 private:
  using Key = std::pair<Protocol, std::vector<uint16_t>>;
  const std::vector<payload::GivenRule> rules_;
  std::map<Key, std::shared_ptr<const payload::RuleSet>> made_;
};

void say(Filters& filters, std::string words) {
  if (filters.refused.size() < Filters::kRefusedMax) filters.refused.push_back(std::move(words));
}

// Of the files: what was set aside as they were read.
void count(const payload::RuleFiles& files, Filters& filters) {
  for (const formats::RuleFile& file : files.files) {
    filters.figures.not_applicable += file.not_applicable.size();
    filters.figures.refused += file.refused.size();
    for (const formats::RuleSetAside& aside : file.refused) say(filters, formats::words_of(file, aside));
  }
}

// … and of the set: what cannot be looked for. It is the same in each of them.
void count(const payload::RuleSet& set, Filters& filters) {
  filters.figures.engine = set.engine();
  filters.figures.refused += set.refused().size();
  filters.figures.rules = set.rules().size() - set.refused().size();
  std::vector<bool> refused(set.rules().size(), false);
  for (const payload::RuleRefused& each : set.refused()) {
    refused[each.given] = true;
    say(filters, payload::words_of(set, each));
  }
  for (size_t i = 0; i < refused.size(); ++i)
    filters.figures.specific += !refused[i] && set.rules()[i].grading.grade == RuleGrade::specific ? 1 : 0;
}

Status read_sources(const formats::FilterOptions& options, Filters& filters) {
  if (options.sources.empty() && options.allow.empty()) return {};
  auto lists = SourceLists::read(options);
  if (!lists) return tl::unexpected<Error>(lists.error());
  filters.figures.bad_sources = lists->bad_total();
  for (const std::string& words : lists->bad()) say(filters, words);
  filters.sources = std::make_shared<const SourceLists>(std::move(*lists));
  return {};
}

}  // namespace

Result<Filters> make_filters(const formats::ProxyOptions& options) {
  Filters filters;
  filters.plans.resize(options.services.size());
  if (!options.filter) return filters;
  if (auto sources = read_sources(*options.filter, filters); !sources) return tl::unexpected<Error>(sources.error());
  if (options.filter->rules.empty()) return filters;
  formats::RuleVariables variables = formats::default_rule_variables();
  for (const auto& [name, text] : options.filter->variables) variables[name] = text;
  auto files = payload::read_rule_files(options.filter->rules, options.filter->grades, std::move(variables));
  if (!files) return wrap("filter", files);
  count(*files, filters);
  Sets sets(std::move(files->rules));
  for (size_t i = 0; i < options.services.size(); ++i) {
    const formats::ServiceOptions& service = options.services[i];
    if (service.filter.off) continue;
    const bool first = sets.count() == 0;
    auto set = sets.of(service);
    if (!set) return wrap("filter", set);
    if (first) count(**set, filters);
    FilterPlan plan = plan_of(options, service);
    plan.rules = *set;
    filters.plans[i] = std::make_shared<const FilterPlan>(std::move(plan));
  }
  filters.figures.sets = sets.count();
  return filters;
}

void say_filters(const Filters& filters) {
  const FilterFigures& figures = filters.figures;
  if (!figures.engine.empty())
    log::info("filter: {} rules ({} of them suppress) by {}, {} refused, {} about what no client here sends",
              figures.rules, figures.specific, figures.engine, figures.refused, figures.not_applicable);
  for (size_t i = 0; i < std::min(filters.refused.size(), kSaidMax); ++i)
    log::warning("filter: {}", filters.refused[i]);
  if (filters.refused.size() > kSaidMax)
    log::warning("filter: … and {} more refused; `skep-proxy --check` names them all",
                 filters.refused.size() - kSaidMax);
}

}  // namespace skep::proxy
