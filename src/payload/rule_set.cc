#include "payload/rule_set.h"

#include <algorithm>
#include <atomic>
#include <map>
#include <tuple>

#include "payload/compiled.h"

namespace skep::payload {
namespace {

using formats::Rule;
using formats::RuleBit;
using formats::RuleProtocol;

bool concerns(const Rule& rule, const std::vector<uint16_t>& ports) {
  if (ports.empty() || !rule.services.empty()) return true;
  return std::any_of(ports.begin(), ports.end(), [&rule](uint16_t port) {
    return rule.destination_ports.contains(port) || (rule.both_ways && rule.source_ports.contains(port));
  });
}

bool wants_application(RuleProtocol protocol) {
  switch (protocol) {
    case RuleProtocol::tcp:
    case RuleProtocol::tcp_packet:
    case RuleProtocol::tcp_stream:
    case RuleProtocol::udp:
    case RuleProtocol::ip:
      return false;
    default:
      return true;
  }
}

// What is of IP is of either.
bool goes_over(RuleProtocol of_rule, Protocol protocol) {
  if (of_rule == RuleProtocol::ip) return true;
  return (of_rule == RuleProtocol::udp) == (protocol == Protocol::udp);
}

// Puts rules that are ready into one Compiled.
class SetBuilder {
 public:
  explicit SetBuilder(Compiled& out) : out_(out) {}

  Status take(uint32_t number, const Rule& rule, CompiledRule compiled) {
    ReadyRule& ready = out_.rules[number];
    for (const RuleBit& bit : rule.bits) {
      if (auto added = add_bit(ready, bit); !added) return added;
    }
    out_.of_requests |= compiled.of_requests;
    out_.of_applications |= wants_application(rule.protocol) || !rule.services.empty() || compiled.of_requests;
    if (compiled.first_look) {
      place(number, *compiled.first_look);
    } else {
      (compiled.of_requests ? out_.request_always : out_.stream_always).push_back(number);
    }
    ready.rule = std::move(compiled);
    return {};
  }

  Status finish(bool hyperscan) {
    out_.bits = static_cast<uint16_t>(bits_.size());
    if (auto made = make(out_.stream, true, hyperscan); !made) return made;
    if (auto made = make(out_.body, true, hyperscan); !made) return made;
    for (LiteralGroup& each : out_.heads) {
      if (auto made = make(each, false, hyperscan); !made) return made;
    }
    return {};
  }

 private:
  static constexpr size_t kBitsMax = 65'535;

  Status add_bit(ReadyRule& ready, const RuleBit& bit) {
    BitUse use{bit.deed, bit.scope, bit.expire_s, {}, {}};
    for (const std::string& name : bit.names) {
      if (bit.scope != RuleBit::Scope::flow) {
        use.names.push_back(std::hash<std::string>()(name));
        continue;
      }
      const auto [found, fresh] = bits_.try_emplace(name, static_cast<uint16_t>(bits_.size()));
      if (fresh && bits_.size() > kBitsMax) return fail("flowbits: more than {} names", kBitsMax);
      use.bits.push_back(found->second);
    }
    const bool asks = bit.deed == RuleBit::Deed::isset || bit.deed == RuleBit::Deed::isnotset;
    (asks ? ready.wants : ready.leaves).push_back(std::move(use));
    return {};
  }

  LiteralGroup& group(const formats::BufferUse& where) {
    if (where.buffer == formats::RuleBuffer::payload) return out_.stream;
    if (is_body(where.buffer)) return out_.body;
    for (LiteralGroup& each : out_.heads) {
      if (each.where == where) return each;
    }
    out_.heads.emplace_back();
    out_.heads.back().where = where;
    return out_.heads.back();
  }

  static std::string key_of(const formats::BufferUse& where) {
    const auto buffer = is_body(where.buffer) ? formats::RuleBuffer::http_request_body : where.buffer;
    std::string key(1, static_cast<char>(buffer));
    for (const formats::Transform each : where.transforms) key.push_back(static_cast<char>(each));
    return key;
  }

  void place(uint32_t number, const FirstLook& look) {
    LiteralGroup& of = group(look.where);
    std::string bytes = look.bytes;
    if (look.nocase)
      for (char& each : bytes) each = static_cast<char>(lower(static_cast<uint8_t>(each)));
    const auto [found, fresh] =
        known_.try_emplace({key_of(look.where), look.nocase, bytes}, static_cast<uint32_t>(of.literals.size()));
    if (fresh) {
      of.literals.push_back({bytes, look.nocase});
      of.rules.emplace_back();
    }
    of.rules[found->second].push_back(number);
  }

  static Status make(LiteralGroup& of, bool streaming, bool hyperscan) {
    auto set = LiteralSet::make(of.literals, streaming, hyperscan);
    if (!set) return tl::unexpected<Error>(set.error());
    of.set = std::move(*set);
    return {};
  }

  Compiled& out_;
  std::map<std::string, uint16_t, std::less<>> bits_;
  std::map<std::tuple<std::string, bool, std::string>, uint32_t> known_;  // literals, by group
};

}  // namespace

RuleSet::RuleSet() : compiled_(std::make_unique<Compiled>()) {}
RuleSet::~RuleSet() = default;

Result<std::shared_ptr<const RuleSet>> RuleSet::make(std::vector<GivenRule> given, const RuleSetOptions& options) {
  static std::atomic<uint64_t> sets{0};
  std::shared_ptr<RuleSet> set(new RuleSet);
  set->given_ = std::move(given);
  set->hyperscan_ = options.hyperscan;
  Compiled& out = *set->compiled_;
  out.serial = ++sets;
  out.rules.resize(set->given_.size());
  SetBuilder builder(out);
  for (uint32_t number = 0; number < set->given_.size(); ++number) {
    const Rule& rule = set->given_[number].rule;
    if (rule.protocol == RuleProtocol::icmp || rule.protocol == RuleProtocol::dns) {
      set->refused_.push_back({number, "no such protocol is recognised"});
      continue;
    }
    auto compiled = compile_rule(rule);
    if (!compiled) {
      set->refused_.push_back({number, compiled.error().message});
      continue;
    }
    if (!goes_over(rule.protocol, options.protocol) || !concerns(rule, options.ports)) continue;
    if (options.protocol == Protocol::udp)
      for (Part& each : compiled->parts) each.anchored = true;  // no rule looks over several datagrams
    if (auto taken = builder.take(number, rule, std::move(*compiled)); !taken)
      set->refused_.push_back({number, taken.error().message});
  }
  if (auto made = builder.finish(options.hyperscan); !made) return tl::unexpected<Error>(made.error());
  return std::shared_ptr<const RuleSet>(std::move(set));
}

RuleSetFigures RuleSet::figures() const {
  RuleSetFigures out;
  for (const ReadyRule& each : compiled_->rules) out.rules += each.rule.parts.empty() ? 0 : 1;
  out.always = compiled_->stream_always.size() + compiled_->request_always.size();
  compiled_->each_group([&out](const LiteralGroup& group) {
    out.literals += group.literals.size();
    out.database_bytes += group.set.database_bytes();
  });
  out.stream_bytes = compiled_->stream.set.stream_bytes() + compiled_->body.set.stream_bytes();
  return out;
}

std::string RuleSet::engine() const {
  return literal_engine(hyperscan_);
}

}  // namespace skep::payload
