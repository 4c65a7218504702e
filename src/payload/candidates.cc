#include "payload/candidates.h"

#include "payload/host_bits.h"

namespace skep::payload {

using formats::Rule;
using formats::RuleBit;
using formats::RuleProtocol;

namespace {

bool of_flow(const Rule& rule, const Flow& flow) {
  const auto one_way = [&rule](const Endpoint& from, const Endpoint& to) {
    return rule.source.contains(from.address) && rule.destination.contains(to.address) &&
           rule.source_ports.contains(from.port) && rule.destination_ports.contains(to.port);
  };
  return one_way(flow.source, flow.destination) || (rule.both_ways && one_way(flow.destination, flow.source));
}

std::string_view service_of(RuleProtocol protocol) {
  switch (protocol) {
    case RuleProtocol::http:
      return "http";
    case RuleProtocol::ftp:
      return "ftp";
    case RuleProtocol::smtp:
      return "smtp";
    case RuleProtocol::imap:
      return "imap";
    case RuleProtocol::pop3:
      return "pop3";
    case RuleProtocol::tls:
      return "ssl";
    case RuleProtocol::ssh:
      return "ssh";
    case RuleProtocol::smb:
      return "netbios-ssn";
    case RuleProtocol::dcerpc:
      return "dcerpc";
    case RuleProtocol::telnet:
      return "telnet";
    case RuleProtocol::rdp:
      return "rdp";
    default:
      return "";
  }
}

bool any_connection(RuleProtocol protocol) {
  return protocol == RuleProtocol::tcp || protocol == RuleProtocol::tcp_stream ||
         protocol == RuleProtocol::tcp_packet || protocol == RuleProtocol::udp || protocol == RuleProtocol::ip;
}

}  // namespace

SessionRules::Applies SessionRules::applies(uint32_t number) const {
  const Rule& rule = rules_.rules()[number].rule;
  const bool undecided = application.recognition == Recognition::undecided;
  const bool found = application.recognition == Recognition::found;
  bool flow = of_flow(rule, flow_);
  if (!flow && !rule.services.empty()) {
    if (undecided) return Applies::undecided;
    const std::string_view spoken = found ? service_of(application.protocol) : "";
    flow = std::find(rule.services.begin(), rule.services.end(), spoken) != rule.services.end();
  }
  if (!flow) return Applies::no;
  if (any_connection(rule.protocol)) return Applies::yes;
  if (undecided) return Applies::undecided;
  return found && application.protocol == rule.protocol ? Applies::yes : Applies::no;
}

bool SessionRules::is_set(const BitUse& use) const {
  if (use.scope != RuleBit::Scope::flow) {
    return hosts_ != nullptr && std::any_of(use.names.begin(), use.names.end(), [&](uint64_t name) {
             return hosts_->is_set(name, use.scope, flow_, now_ns_);
           });
  }
  return std::any_of(use.bits.begin(), use.bits.end(), [this](uint16_t bit) { return !bits_.empty() && bits_[bit]; });
}

void SessionRules::leave_to_others(const BitUse& use) {
  if (hosts_ == nullptr) return;
  for (const uint64_t name : use.names) {
    const bool set = use.deed == RuleBit::Deed::set ||
                     (use.deed == RuleBit::Deed::toggle && !hosts_->is_set(name, use.scope, flow_, now_ns_));
    bits_changed_ |= set ? hosts_->set(name, use.scope, flow_, now_ns_, use.expire_s)
                         : hosts_->unset(name, use.scope, flow_, now_ns_);
  }
}

void SessionRules::leave(const BitUse& use) {
  if (use.scope != RuleBit::Scope::flow) return leave_to_others(use);
  if (bits_.empty()) bits_.resize(compiled().bits);
  for (const uint16_t bit : use.bits) {
    const bool before = bits_[bit];
    bits_[bit] = use.deed == RuleBit::Deed::set || (use.deed == RuleBit::Deed::toggle && !before);
    bits_changed_ |= bits_[bit] != before;
  }
}

bool SessionRules::holds(uint32_t number, uint64_t stream_offset, std::vector<Hit>& hits) {
  const ReadyRule& ready = compiled().rules[number];
  for (const BitUse& use : ready.wants) {
    if (is_set(use) != (use.deed == RuleBit::Deed::isset)) return false;
  }
  for (const BitUse& use : ready.leaves) leave(use);
  said_.insert(std::lower_bound(said_.begin(), said_.end(), number), number);
  if (!rules_.rules()[number].rule.silent) hits.push_back({number, stream_offset});
  return true;
}

Holds SessionRules::judge(Candidate& candidate, BufferSource& buffers, uint64_t offset, uint64_t base,
                          Scratch::Parts& scratch) {
  const uint32_t number = candidate.rule;
  if (said(number)) return Holds::yes;
  const Applies fits = applies(number);
  if (fits != Applies::yes) return fits == Applies::no ? Holds::no : Holds::open;
  if (candidate.awaited.part != nullptr) {
    const Look look = buffers.look(*candidate.awaited.part);
    if (look.presence == Presence::there && !look.view.complete) {
      const auto [come, effort] = has_come(candidate.awaited, look.view);
      counts.effort += effort;
      if (!come) return Holds::open;
    }
  }
  const Judgement judgement = payload::judge(compiled().rules[number].rule, buffers, scratch.expressions);
  candidate.awaited = judgement.awaited;
  counts.effort += judgement.effort;
  counts.expression_limit += judgement.expression_limit ? 1 : 0;
  counts.effort_limit += judgement.effort_limit ? 1 : 0;
  if (judgement.holds != Holds::yes) return judgement.holds;
  const uint64_t reached = judgement.reached != 0 ? base + judgement.reached : offset;
  return holds(number, reached, scratch.hits) ? Holds::yes : Holds::open;
}

}  // namespace skep::payload
