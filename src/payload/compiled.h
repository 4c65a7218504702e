// What a rule set has ready: seen by the scanner alone. Immutable; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "payload/compiled_rule.h"
#include "payload/literals.h"

namespace skep::payload {

// The literals that are looked for in one buffer, and whose they are.
struct LiteralGroup {
  formats::BufferUse where;
  LiteralSet set;
  std::vector<Literal> literals;
  std::vector<std::vector<uint32_t>> rules;  // by literal
};

// flowbits and xbits: what a rule wants, and what it leaves. Several: any of them.
struct BitUse {
  formats::RuleBit::Deed deed = formats::RuleBit::Deed::set;
  formats::RuleBit::Scope scope = formats::RuleBit::Scope::flow;
  uint32_t expire_s = 0;
  std::vector<uint16_t> bits;   // of the session, by number
  std::vector<uint64_t> names;  // of addresses, by a hash of the name
};

struct ReadyRule {
  CompiledRule rule;  // without parts: it is never looked for
  std::vector<BitUse> wants;
  std::vector<BitUse> leaves;
};

struct Compiled {
  uint64_t serial = 0;           // of the set, in this process
  std::vector<ReadyRule> rules;  // by their numbers
  LiteralGroup stream;
  LiteralGroup body;
  std::vector<LiteralGroup> heads;       // one a buffer (and its transforms) of a request's head
  std::vector<uint32_t> stream_always;   // without a literal
  std::vector<uint32_t> request_always;  // likewise, of requests
  uint16_t bits = 0;
  bool of_requests = false;      // there are rules on requests
  bool of_applications = false;  // … or on what a client speaks

  template <typename Group>
  void each_group(Group&& group) const {
    group(stream);
    group(body);
    for (const LiteralGroup& each : heads) group(each);
  }
};

}  // namespace skep::payload
