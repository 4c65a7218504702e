// The conditions of match/reference_matcher.h: walked as they were parsed, every value read anew each time.
#pragma once

#include <arpa/inet.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "formats/signature_test_file.h"
#include "match/engine.h"
#include "match/fields.h"
#include "match/syscalls.h"
#include "match/values.h"

namespace skep::match {

// One call of a trace at one of its places.
struct ReferenceCall {
  const formats::TraceCall& line;
  uint16_t nr;
  uint8_t stage;
  uint64_t now_ns;
  uint32_t service;
  Caller caller;
};

struct ReferenceConditions {
  using Bound = std::map<std::string, std::string>;  // "$f.fd.ino": its text

  // What the call says of the field; nullopt: not known here.
  static std::optional<std::vector<std::string>> said(const std::string& name, const ReferenceCall& call) {
    const Field* field = find_field(name);
    if (!is_known(*field, call.nr, call.stage)) return std::nullopt;
    for (const auto& [key, values] : call.line.fields) {
      if (key == name) return values;
    }
    for (const auto& [key, values] : call.line.fields) {
      if (key == "proc.exepath" && name == "proc.name") return std::vector{values[0].substr(values[0].rfind('/') + 1)};
    }
    const bool for_session = !call.line.session.empty() && call.line.session != "0";
    if (name == "proc.works_for_session") return std::vector<std::string>{for_session ? "true" : "false"};
    return std::nullopt;
  }

  static bool same_call(const std::string& one, const std::string& other) { return canonical(one) == canonical(other); }

  static bool hold(const formats::Disjunction& condition, const ReferenceCall& call, const Bound& bound) {
    for (const formats::Conjunction& all : condition) {
      bool every = true;
      for (const formats::Predicate& predicate : all) every = every && predicate_holds(predicate, call, bound);
      if (every) return true;
    }
    return false;
  }

 private:
  static std::string canonical(const std::string& call) {
    return call == "sendmsg" || call == "sendmmsg" ? "sendto" : call;
  }

  static int64_t number(const std::string& text) {
    if (text.starts_with("-E")) return -int64_t{errno_of(text.substr(1)).value()};
    return static_cast<int64_t>(number_of(text).value());
  }

  static bool in_network(const std::string& address, const std::string& network) {
    const size_t slash = network.find('/');
    const unsigned bits =
        slash == std::string::npos ? 32 : static_cast<unsigned>(std::stoul(network.substr(slash + 1)));
    const auto value = [](const std::string& text) { return uint64_t{ntohl(inet_addr(text.c_str()))}; };
    return value(address) >> (32 - bits) == value(network.substr(0, slash)) >> (32 - bits);
  }

  static bool equal(const Field& field, const std::string& one, const std::string& other) {
    if (field.type == ValueType::network) return in_network(one, other);
    if (field.type == ValueType::number || field.type == ValueType::errno_value) return number(one) == number(other);
    return one == other;
  }

  static bool compare(const formats::Predicate& predicate, const Field& field, const std::vector<std::string>& values) {
    using formats::Comparison;
    const std::string& wanted = predicate.values[0];
    switch (predicate.comparison) {
      case Comparison::less:
        return number(values[0]) < number(wanted);
      case Comparison::greater:
        return number(values[0]) > number(wanted);
      case Comparison::intersects:
        return (number(values[0]) & number(wanted)) != 0;
      default:
        break;
    }
    for (const std::string& value : values) {
      for (const std::string& each : predicate.values) {
        if (equal(field, value, each)) return true;
      }
    }
    return false;
  }

  static bool predicate_holds(const formats::Predicate& predicate, const ReferenceCall& call, const Bound& bound) {
    if (predicate.field == "evt.type") {
      for (const std::string& name : predicate.values) {
        if (same_call(name, call.line.call)) return true;
      }
      return false;
    }
    const auto values = said(predicate.field, call);
    if (!values) return false;
    const Field& field = *find_field(predicate.field);
    if (!predicate.values[0].starts_with('$')) return compare(predicate, field, *values) != predicate.negated;
    const auto remembered = bound.find(predicate.values[0]);
    if (remembered == bound.end()) return false;
    return equal(field, (*values)[0], remembered->second) != predicate.negated;
  }
};

}  // namespace skep::match
