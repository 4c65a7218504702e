#include "match/compile.h"

#include <arpa/inet.h>
#include <asm/unistd_64.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <map>

#include "base/bytes.h"
#include "base/text.h"
#include "formats/yaml.h"
#include "match/automaton.h"
#include "match/syscalls.h"
#include "model/session.h"

namespace skep::match {
namespace {

using formats::Comparison;
using formats::Conjunction;
using formats::Predicate;
using formats::Signature;
using formats::SignatureAction;

bool is_exec(uint16_t call) {
  return call == __NR_execve || call == __NR_execveat;
}
bool is_network(uint16_t call) {
  return call == __NR_connect || call == __NR_bind || call == __NR_sendto;
}

// The hook tells every way of sending to an address as one call.
uint16_t canonical(uint16_t call) {
  return call == __NR_sendmsg || call == __NR_sendmmsg ? __NR_sendto : call;
}

// Does every field of the conjunctions exist at `stage`? "" or the first that does not.
std::string_view missing_at(const std::vector<Conjunction>& conditions, uint8_t stage) {
  for (const Conjunction& all : conditions) {
    for (const Predicate& predicate : all) {
      const Field* field = find_field(predicate.field);
      if (field != nullptr && !(field->stages >> stage & 1)) return field->name;
    }
  }
  return {};
}

struct Target {
  uint64_t services = 0;  // bit a slot
  bool intercepted = false;
};

class Compiler {
 public:
  Compiler(const CompileContext& context) : context_(context) { set_.table = std::make_unique<skep_table>(); }

  Result<CompiledSet> run(const std::vector<formats::SignatureSet>& sets) {
    std::memset(set_.table.get(), 0, sizeof(skep_table));
    set_.table->generation = context_.generation;
    for (const formats::SignatureSet& set : sets) {
      for (const Signature& signature : set.signatures) add(signature);
    }
    if (failed_ == 0) fill_runs();
    if (failed_ > 0) return tl::unexpected<Error>(Error{words_, 0});
    if (!skep_table_valid(set_.table.get())) return fail("the compiled table is not valid");
    return std::move(set_);
  }

 private:
  struct Place {
    const Signature* signature;
    int line;
  };

  void complain(const Place& place, const std::string& words) {
    if (++failed_ > 50) return;
    words_ += fmt::format("{}{}:{}: {}: {}", words_.empty() ? "" : "\n", place.signature->file, place.line,
                          place.signature->name, words);
  }

  // A signature for launched services, and the same for adopted ones, which cannot be refused anything before it runs.
  void add(const Signature& signature) {
    const Place place{&signature, signature.line};
    Target launched{0, true};
    Target adopted{0, false};
    std::vector<std::string_view> known;
    for (const CompiledService& service : context_.services) {
      known.push_back(service.name);
      const bool wanted = signature.services.empty() || std::find(signature.services.begin(), signature.services.end(),
                                                                  service.name) != signature.services.end();
      if (!wanted) continue;
      (service.launched ? launched : adopted).services |= uint64_t{1} << service.slot;
      if (service.launched || signature.services.empty() || signature.action != SignatureAction::deny) continue;
      if (needs_filter(signature))
        complain(place, fmt::format("service '{}' is adopted: it carries no seccomp filter, so nothing can be denied "
                                    "there before it runs; say `action: kill`, or launch it",
                                    service.name));
    }
    for (const std::string& name : signature.services) {
      if (std::find(known.begin(), known.end(), name) != known.end()) continue;
      const std::string_view near = nearest(name, known);
      complain(place, near.empty() ? fmt::format("no service is named '{}'", name)
                                   : fmt::format("no service is named '{}'; did you mean '{}'?", name, near));
    }
    // Compiled for no service too, where there is none: a mistake in it is said now, not when the first service comes.
    if (launched.services != 0 || adopted.services == 0) add_for(signature, launched);
    if (adopted.services != 0) add_for(signature, adopted);
  }

  static bool needs_filter(const Signature& signature) {
    for (const Conjunction& all : signature.steps.back().condition) {
      for (const Predicate& predicate : all) {
        if (predicate.field != "evt.type" || predicate.negated) continue;
        for (const std::string& value : predicate.values) {
          const auto number = call_number(value);
          if (number && !is_exec(*number) && !is_network(canonical(*number))) return true;
        }
      }
    }
    return false;
  }

  void add_for(const Signature& signature, const Target& target) {
    const Place place{&signature, signature.line};
    skep_table& t = *set_.table;
    if (t.signature_count >= SKEP_SIGNATURES_MAX)
      return complain(place, fmt::format("more than {} signatures", int{SKEP_SIGNATURES_MAX}));
    const uint16_t index = static_cast<uint16_t>(t.signature_count++);
    skep_signature& s = t.signatures[index];
    s.services = target.services;
    s.action = static_cast<uint8_t>(signature.action == SignatureAction::observe ? SKEP_OBSERVED
                                    : signature.action == SignatureAction::deny  ? SKEP_DENIED
                                                                                 : SKEP_KILLED);
    s.step_count = static_cast<uint8_t>(signature.steps.size());
    s.scope = static_cast<uint8_t>(signature.scope);
    s.maxspan_ns = static_cast<uint64_t>(signature.maxspan_ns);
    s.epoch = signature.epoch;
    const auto code = errno_of(signature.errno_name);
    if (!code) return complain(place, code.error().message);
    s.deny_errno = *code;
    if (signature.steps.size() > 1) {
      if (sequences_ >= SKEP_SEQUENCES_MAX)
        return complain(place, fmt::format("more than {} sequences", int{SKEP_SEQUENCES_MAX}));
      s.slot = static_cast<uint8_t>(sequences_++);
    }
    set_.signatures.push_back({signature.name, signature.description, signature.priority, signature.tags,
                               signature.file, signature.line, signature.action});
    for (size_t step = 0; step < signature.steps.size(); ++step) {
      add_step(signature, signature.steps[step], index, static_cast<uint8_t>(step), target);
    }
  }

  void add_step(const Signature& signature, const formats::SignatureStep& step, uint16_t index, uint8_t number,
                const Target& target) {
    const Place place{&signature, step.line};
    std::map<uint16_t, std::vector<Conjunction>> by_call;
    for (const Conjunction& all : step.condition) {
      Conjunction rest;
      const auto calls = calls_of(all, rest, place);
      for (const uint16_t call : calls) by_call[call].push_back(rest);
    }
    const bool last = number + 1u == signature.steps.size();
    for (const auto& [call, conditions] : by_call) {
      const auto stage = stage_of(signature, call, conditions, last, target, place);
      if (stage) place_step(index, number, call, *stage, conditions, place);
    }
  }

  // The calls that a conjunction names; the other predicates in `rest`.
  std::vector<uint16_t> calls_of(const Conjunction& all, Conjunction& rest, const Place& place) {
    std::vector<uint16_t> calls;
    bool named = false;
    for (const Predicate& predicate : all) {
      if (predicate.field != "evt.type") {
        rest.push_back(predicate);
        continue;
      }
      if (predicate.negated) {
        complain(place, "`not evt.type …` names no call: say which calls are meant");
        continue;
      }
      std::vector<uint16_t> these;
      for (const std::string& value : predicate.values) {
        const auto number = call_number(value);
        if (number) {
          these.push_back(canonical(*number));
          continue;
        }
        const std::string_view near = nearest_call(value);
        complain(place, near.empty() ? fmt::format("no system call is named '{}'", value)
                                     : fmt::format("no system call is named '{}'; did you mean '{}'?", value, near));
      }
      std::sort(these.begin(), these.end());
      these.erase(std::unique(these.begin(), these.end()), these.end());
      if (!named) {
        calls = these;
      } else {
        std::vector<uint16_t> common;
        std::set_intersection(calls.begin(), calls.end(), these.begin(), these.end(), std::back_inserter(common));
        calls = common;
      }
      named = true;
    }
    if (!named) complain(place, "an alternative names no call: every one wants `evt.type = …`, or `on: […]`");
    return calls;
  }

  bool intercepted(uint16_t call, const Target& target) const {
    for (const CompiledService& service : context_.services) {
      if (!(target.services >> service.slot & 1)) continue;
      if (std::find(service.intercepts.begin(), service.intercepts.end(), call) == service.intercepts.end())
        return false;
    }
    if (target.services != 0) return true;
    const auto base = base_intercepts();
    return std::find(base.begin(), base.end(), call) != base.end();
  }

  // Where the step is judged: the earliest place at which all that it looks at is known and what it wants can be done.
  Result<uint8_t> stage_of(const Signature& signature, uint16_t call, const std::vector<Conjunction>& conditions,
                           bool last, const Target& target, const Place& place) {
    const bool refuses = last && signature.action != SignatureAction::observe;
    const bool can_pre =
        target.intercepted && intercepted(call, target) && missing_at(conditions, SKEP_STAGE_PRE).empty();
    uint8_t stage = SKEP_STAGE_POST;
    if (is_exec(call)) {
      stage = refuses && can_pre ? SKEP_STAGE_PRE : SKEP_STAGE_EXEC;
    } else if (is_network(call)) {
      stage = missing_at(conditions, SKEP_STAGE_HOOK).empty() ? SKEP_STAGE_HOOK : SKEP_STAGE_POST;
    } else if (call == __NR_listen && !(refuses && can_pre)) {
      stage = SKEP_STAGE_HOOK;
    } else if (refuses && can_pre) {
      stage = SKEP_STAGE_PRE;
    }
    if (const std::string_view field = missing_at(conditions, stage); !field.empty()) {
      complain(place, fmt::format("{} is not known where {} is judged", field, call_name(call)));
      return fail("no stage");
    }
    const bool too_late = stage == SKEP_STAGE_POST || (stage == SKEP_STAGE_HOOK && call == __NR_listen);
    if (last && signature.action == SignatureAction::deny && too_late && target.intercepted) {
      const std::string_view field = missing_at(conditions, SKEP_STAGE_PRE);
      complain(
          place,
          field.empty()
              ? fmt::format("{} cannot be denied: the service does not intercept it; add `intercept: [{}]` to the "
                            "service and start it anew, or say `action: kill`",
                            call_name(call), call_name(call))
              : fmt::format(
                    "{} cannot be denied by {}, which is not known before it runs; say `action: kill` or `observe`",
                    call_name(call), field));
      return fail("no stage");
    }
    return stage;
  }

  void place_step(uint16_t signature, uint8_t number, uint16_t call, uint8_t stage,
                  const std::vector<Conjunction>& conditions, const Place& place) {
    skep_table& t = *set_.table;
    if (steps_ >= SKEP_TABLE_STEPS_MAX)
      return complain(place, fmt::format("more than {} steps in all", int{SKEP_TABLE_STEPS_MAX}));
    if (conditions.size() > SKEP_STEP_CONJUNCTIONS_MAX || conjunctions_ + conditions.size() > SKEP_CONJUNCTIONS_MAX)
      return complain(place, "too many alternatives in all");
    skep_table_step& step = t.steps[steps_];
    step.signature = signature;
    step.index = number;
    step.stage = stage;
    const bool always =
        std::any_of(conditions.begin(), conditions.end(), [](const Conjunction& all) { return all.empty(); });
    step.conjunction_first = static_cast<uint16_t>(conjunctions_);
    step.conjunction_count = always ? uint16_t{0} : static_cast<uint16_t>(conditions.size());
    if (!always) {
      for (const Conjunction& all : conditions) place_conjunction(all, step, place);
    }
    calls_[call].push_back(static_cast<uint16_t>(steps_++));
  }

  void place_conjunction(const Conjunction& all, skep_table_step& step, const Place& place) {
    skep_table& t = *set_.table;
    if (all.size() > SKEP_CONJUNCTION_PREDICATES_MAX || predicates_ + all.size() > SKEP_PREDICATES_MAX)
      return complain(place, "too many predicates in all");
    t.conjunctions[conjunctions_++] = {static_cast<uint16_t>(predicates_), static_cast<uint16_t>(all.size())};
    for (const Predicate& predicate : all) {
      const Field* field = find_field(predicate.field);
      if (field == nullptr) {
        const std::string_view near = nearest_field(predicate.field);
        complain(place, near.empty() ? fmt::format("unknown field '{}'", predicate.field)
                                     : fmt::format("unknown field '{}'; did you mean '{}'?", predicate.field, near));
        continue;
      }
      step.provenance = std::max(step.provenance, field->provenance);
      skep_predicate& p = t.predicates[predicates_++];
      p.field = field->place;
      p.negated = predicate.negated ? 1 : 0;
      if (auto placed = place_value(predicate, *field, p); !placed) complain(place, placed.error().message);
    }
  }

  Status place_value(const Predicate& predicate, const Field& field, skep_predicate& p) {
    if (field.type == ValueType::network) return place_networks(predicate, p);
    if (predicate.comparison == Comparison::in) return place_list(predicate, field, p);
    const auto value = value_of(field, predicate.values.at(0), context_.resolve);
    if (!value) return wrap(predicate.field, value);
    const bool ordered = predicate.comparison == Comparison::less || predicate.comparison == Comparison::greater ||
                         predicate.comparison == Comparison::intersects;
    if (ordered && field.type != ValueType::number && field.type != ValueType::errno_value)
      return fail("{} is no number: only = != and in", predicate.field);
    switch (predicate.comparison) {
      case Comparison::equal:
        p.op = SKEP_EQUAL;
        break;
      case Comparison::less:
        p.op = SKEP_LESS;
        break;
      case Comparison::greater:
        p.op = SKEP_GREATER;
        break;
      case Comparison::intersects:
        p.op = SKEP_INTERSECTS;
        break;
      case Comparison::in:
        break;
    }
    p.value = *value;
    return {};
  }

  Status place_list(const Predicate& predicate, const Field& field, skep_predicate& p) {
    std::vector<uint64_t> values;
    for (const std::string& text : predicate.values) {
      const auto value = value_of(field, text, context_.resolve);
      if (!value) return wrap(predicate.field, value);
      values.push_back(*value);
    }
    std::sort(values.begin(), values.end());
    if (values_ + values.size() > SKEP_VALUES_MAX)
      return fail("more than {} values in lists in all", int{SKEP_VALUES_MAX});
    p.op = SKEP_IN_VALUES;
    p.value = values_;
    p.count = static_cast<uint16_t>(values.size());
    std::copy(values.begin(), values.end(), set_.table->values + values_);
    values_ += values.size();
    return {};
  }

  Status place_networks(const Predicate& predicate, skep_predicate& p) {
    if (predicate.comparison != Comparison::in && predicate.comparison != Comparison::equal)
      return fail("{} wants = or in", predicate.field);
    if (predicate.values.size() > SKEP_NETS_A_LIST_MAX || nets_ + predicate.values.size() > SKEP_NETS_MAX)
      return fail("more than {} networks in a list, or {} in all", int{SKEP_NETS_A_LIST_MAX}, int{SKEP_NETS_MAX});
    p.op = SKEP_IN_NETS;
    p.value = nets_;
    p.count = static_cast<uint16_t>(predicate.values.size());
    for (const std::string& text : predicate.values) {
      const auto net = network_of(text);
      if (!net) return wrap(predicate.field, net);
      set_.table->nets[nets_++] = *net;
    }
    return {};
  }

  static Result<skep_net> network_of(const std::string& text) {
    const size_t slash = text.find('/');
    const auto endpoint =
        parse_endpoint(text.find(':') == std::string::npos ? text.substr(0, slash) : "[" + text.substr(0, slash) + "]");
    if (!endpoint || endpoint->port != 0) return fail("'{}' is no address or network", text);
    const unsigned whole = endpoint->is_v4() ? 32 : 128;
    unsigned bits = whole;
    if (slash != std::string::npos) {
      const auto [end, error] = std::from_chars(text.data() + slash + 1, text.data() + text.size(), bits);
      if (error != std::errc{} || end != text.data() + text.size() || bits > whole)
        return fail("'{}' is no network", text);
    }
    bits += 128 - whole;
    uint8_t mask[16] = {};
    uint8_t address[16];
    for (unsigned i = 0; i < 128; ++i) {
      if (i < bits) mask[i / 8] = static_cast<uint8_t>(mask[i / 8] | 0x80u >> (i % 8));
    }
    for (unsigned i = 0; i < 16; ++i) address[i] = endpoint->address[i] & mask[i];
    skep_net net{};
    std::memcpy(net.address, address, sizeof address);
    std::memcpy(net.mask, mask, sizeof mask);
    return net;
  }

  void fill_runs() {
    skep_table& t = *set_.table;
    size_t next = 0;
    for (const auto& [call, steps] : calls_) {
      if (steps.size() > SKEP_CALL_STEPS_MAX || next + steps.size() > std::size(t.by_call)) {
        words_ += fmt::format("{}{}: more than {} steps look at one call", words_.empty() ? "" : "\n", call_name(call),
                              int{SKEP_CALL_STEPS_MAX});
        ++failed_;
        return;
      }
      t.calls[call] = {static_cast<uint16_t>(next), static_cast<uint16_t>(steps.size())};
      // A later step before an earlier one: a call that fits both advances a sequence once, not twice.
      std::vector<uint16_t> ordered = steps;
      std::stable_sort(ordered.begin(), ordered.end(), [&](uint16_t a, uint16_t b) {
        return t.steps[a].signature == t.steps[b].signature ? t.steps[a].index > t.steps[b].index
                                                            : t.steps[a].signature < t.steps[b].signature;
      });
      std::copy(ordered.begin(), ordered.end(), t.by_call + next);
      next += steps.size();
    }
  }

  const CompileContext& context_;
  CompiledSet set_;
  std::map<uint16_t, std::vector<uint16_t>> calls_;
  size_t steps_ = 0;
  size_t conjunctions_ = 0;
  size_t predicates_ = 0;
  size_t values_ = 0;
  size_t nets_ = 0;
  size_t sequences_ = 0;
  size_t failed_ = 0;
  std::string words_;
};

}  // namespace

Result<CompiledSet> compile(const std::vector<formats::SignatureSet>& sets, const CompileContext& context) {
  return Compiler(context).run(sets);
}

Result<uint64_t> resolve_nothing(const std::string& path) {
  return crc32(as_bytes(path));
}

Result<uint64_t> resolve_by_stat(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return fail_errno("look at the program " + path);
  // The kernel's own form of a device number, as the super block holds it.
  return skep_file_id(static_cast<uint64_t>(major(info.st_dev)) << 20 | minor(info.st_dev), info.st_ino);
}

}  // namespace skep::match
