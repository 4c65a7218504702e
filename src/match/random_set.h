// Small signature sets of all kinds and traces of calls, made of any bytes: for a test and for fuzz/automaton_fuzz.cc,
// which hold the automaton against match/reference_matcher.h. No program has it.
#pragma once

#include <fmt/ranges.h>

#include <algorithm>
#include <cstdio>
#include <initializer_list>
#include <span>
#include <string>
#include <vector>

#include "base/choices.h"
#include "match/compile.h"
#include "match/reference_matcher.h"
#include "match/trace.h"

namespace skep::match {

class RandomCase {
 public:
  explicit RandomCase(std::span<const uint8_t> bytes) : choices_(bytes) {
    services_ = {{"web", 0, true, intercepts()}, {"db", 1, true, intercepts()}};
    const size_t count = 1 + choices_.below(6);
    for (size_t i = 0; i < count; ++i) add_signature(i);
  }

  // Ends the process at the first call of which automaton and reference think otherwise. Returns how many fired.
  size_t hold_against_each_other() {
    CompileContext context{services_, resolve_nothing()};
    const auto compiled = compile({set_}, context);
    SKEP_CHECK(compiled);
    Engine engine(*compiled->table);
    ReferenceMatcher reference(set_, services_);
    size_t fired = 0;
    for (int calls = 0; calls < 60 && !choices_.none_left(); ++calls) fired += hold_call(*compiled, engine, reference);
    return fired;
  }

  const formats::SignatureSet& set() const { return set_; }

 private:
  using Names = std::vector<std::string>;
  struct Menu {
    std::string field;
    Names values;           // that a call can have
    Names wanted;           // beside them, that a condition can name
    bool compared = false;  // < > intersects
  };
  struct CallMenu {
    std::string call;
    std::vector<Menu> fields;
  };

  static std::vector<uint16_t> intercepts() {
    std::vector<uint16_t> calls;
    for (const char* name : {"mount", "umount2", "execve", "listen", "connect"}) calls.push_back(*call_number(name));
    return calls;
  }

  static const std::vector<CallMenu>& menus() {
    static const Menu kUser = {"user.uid", {"0", "1", "33"}, {"7"}, true};
    static const Menu kCaller = {"caller.name", {"a", "b"}, {"c"}};
    static const Menu kSession = {"proc.works_for_session", {}, {"true", "false"}};
    static const Menu kResult = {"evt.res", {"0", "5", "-EPERM", "-1", "-13"}, {"-EACCES", "2"}, true};
    static const Menu kFile = {"fd.ino", {"/a", "/b", "/c"}, {"/d"}};
    static const Menu kName = {"fd.filename", {"x", ".y", "z.php"}, {"x.php"}};
    static const Menu kProtocol = {"fd.l4proto", {"tcp", "udp"}, {}};
    static const Menu kPort = {"fd.rport", {"22", "80", "65535"}, {"0", "53"}, true};
    static const Menu kAddress = {
        "fd.rip", {"127.0.0.1", "10.1.2.3", "192.0.2.1"}, {"10.0.0.0/8", "127.0.0.0/9", "192.0.2.1/32", "0.0.0.0/1"}};
    static const std::vector<CallMenu> kMenus = {
        {"mount", {{"evt.arg.0", {"0", "1", "6", "-1"}, {"0x10", "7"}, true}, kResult, kUser, kCaller, kSession}},
        {"umount2", {{"evt.arg.0", {"0", "1", "6", "-1"}, {"0x10", "7"}, true}, kUser, kCaller}},
        {"dup2", {kResult, {"fd.typechar", {"4", "6", "f"}, {"u"}}, kFile, kUser}},
        {"fchmod", {kResult, {"evt.arg.1", {"0111", "0644", "04755"}, {"0100"}, true}, kFile, kName}},
        {"openat",
         {kFile,
          kName,
          {"fd.folder", {"/etc", "/tmp", "/"}, {"/srv"}},
          {"evt.is_open_write", {"true", "false"}, {}},
          {"evt.path.traits", {"0", "1", "2", "3"}, {"PATH_CLIMBS"}, true},
          kUser}},
        {"execve",
         {{"proc.exepath", {"/a", "/b", "/c"}, {"/d"}},
          {"proc.name", {"a", "sh"}, {"bash"}},
          {"proc.is_listed", {"true", "false"}, {}},
          kUser,
          kCaller}},
        {"connect", {kPort, kProtocol, kAddress, kUser, kSession}},
        {"sendmsg", {kPort, kProtocol, kAddress, kUser}},
        {"listen", {{"fd.is_service_port", {"true", "false"}, {}}, kUser}},
        {"first_seen", {{"evt.kind", {"program", "port", "call"}, {"peer"}}, kUser}},
    };
    return kMenus;
  }

  // ---- signatures

  formats::Predicate predicate(const Menu& menu) {
    using formats::Comparison;
    Names words = menu.values;
    words.insert(words.end(), menu.wanted.begin(), menu.wanted.end());
    formats::Predicate made{menu.field, Comparison::equal, choices_.once_in(4), {choices_.of(words)}};
    switch (choices_.below(menu.compared ? 5 : 2)) {
      case 1:
        made.comparison = Comparison::in;
        made.values.push_back(choices_.of(words));
        break;
      case 2:
        made.comparison = Comparison::less;
        break;
      case 3:
        made.comparison = Comparison::greater;
        break;
      case 4:
        if (made.values[0] != "0") made.comparison = Comparison::intersects;
        break;
      default:
        break;
    }
    return made;
  }

  formats::Conjunction conjunction(const CallMenu& menu) {
    Names calls = {menu.call};
    // Not first_seen: its kind lies in evt.arg.0, which a trace says by the other name.
    if (choices_.once_in(6)) calls.push_back(menus()[choices_.below(menus().size() - 1)].call);
    formats::Conjunction all = {{"evt.type", formats::Comparison::in, false, calls}};
    for (size_t count = choices_.below(3); count > 0; --count) all.push_back(predicate(choices_.of(menu.fields)));
    return all;
  }

  formats::SignatureStep step() {
    formats::SignatureStep made;
    const CallMenu& menu = menus()[choices_.below(menus().size())];
    made.condition.push_back(conjunction(menu));
    if (choices_.once_in(4)) made.condition.push_back(conjunction(choices_.of(menus())));
    return made;
  }

  formats::Predicate remembered(const std::string& field, const std::string& word) {
    return {field, formats::Comparison::equal, choices_.once_in(5), {word}};
  }

  // The first step remembers a file or a user, a later one speaks of it.
  void add_binding(formats::Signature& s) {
    const bool file = !choices_.once_in(3);
    s.steps[0].as = "f";
    if (file) s.steps[0].condition = {conjunction(menus()[choices_.once_in(2) ? 2 : 4])};
    s.instances = 1 + choices_.below(4);
    for (size_t i = 1; i < s.steps.size(); ++i) {
      if (choices_.once_in(3)) continue;
      const bool run = choices_.once_in(2);
      if (file) s.steps[i].condition = {conjunction(menus()[run ? 5 : 3])};
      const std::string field = !file ? "user.uid" : run ? "proc.exepath" : "fd.ino";
      s.steps[i].condition[0].push_back(remembered(field, file ? "$f.fd.ino" : "$f.user.uid"));
    }
    if (!choices_.once_in(3)) return;
    s.until = step();
    s.until->condition = {conjunction(menus()[3])};
    s.until->condition[0].push_back(remembered(file ? "fd.ino" : "user.uid", file ? "$f.fd.ino" : "$f.user.uid"));
  }

  void make_sequence(formats::Signature& s) {
    constexpr int64_t kSpans[] = {0, 2'000'000'000, 5'000'000'000};
    s.maxspan_ns = choices_.of(kSpans);
    for (size_t count = 2 + choices_.below(4); count > 0; --count) s.steps.push_back(step());
    for (size_t i = 1; i + 1 < s.steps.size(); ++i) s.steps[i].optional = choices_.once_in(2);
    if (choices_.once_in(4)) s.until = step();
    if (choices_.once_in(2)) add_binding(s);
  }

  void make_evidence(formats::Signature& s) {
    constexpr int64_t kHalfLives[] = {0, 16'000'000'000, 1'600'000'000, 160'000'000'000};
    s.half_life_ns = choices_.of(kHalfLives);
    for (size_t count = 1 + choices_.below(4); count > 0; --count) {
      formats::EvidenceWeight weight;
      if (!set_.signatures.empty() && choices_.once_in(2))
        weight.signature = set_.signatures[choices_.below(set_.signatures.size())].name;
      else
        weight.when = step();
      weight.add = static_cast<uint16_t>(1 + choices_.below(30));
      if (choices_.once_in(3)) weight.most = static_cast<uint16_t>(1 + choices_.below(60));
      s.weights.push_back(std::move(weight));
    }
    uint16_t at = 0;
    for (size_t count = 1 + choices_.below(3); count > 0; --count) {
      at = static_cast<uint16_t>(at + 5 + choices_.below(40));
      formats::EvidenceLevel level;
      level.at = at;
      level.action = choices_.once_in(3) ? formats::SignatureAction::kill : formats::SignatureAction::observe;
      if (choices_.once_in(2)) level.deny_next = {"execve", "listen"};
      if (choices_.once_in(4)) level.deny_next = {"mount"};
      s.levels.push_back(std::move(level));
    }
  }

  void add_signature(size_t number) {
    using formats::SignatureScope;
    constexpr SignatureScope kScopes[] = {SignatureScope::process, SignatureScope::thread, SignatureScope::tree,
                                          SignatureScope::session, SignatureScope::service};
    constexpr formats::SignatureAction kActions[] = {formats::SignatureAction::observe, formats::SignatureAction::kill,
                                                     formats::SignatureAction::deny};
    formats::Signature s;
    s.name = fmt::format("s{}", number);
    s.epoch = static_cast<uint32_t>(number + 1);
    s.scope = choices_.of(kScopes);
    s.action = choices_.of(kActions);
    s.unsafe = true;
    s.monitored = choices_.once_in(8);
    if (choices_.once_in(6)) s.services = {"db"};
    s.kind = static_cast<formats::SignatureKind>(choices_.below(3));
    if (s.kind == formats::SignatureKind::blacklist) s.steps.push_back(step());
    if (s.kind == formats::SignatureKind::sequence) make_sequence(s);
    if (s.kind == formats::SignatureKind::evidence) {
      s.action = formats::SignatureAction::deny;
      make_evidence(s);
    }
    set_.signatures.push_back(std::move(s));
    // What cannot be had is left out.
    if (!compile({set_}, {services_, resolve_nothing()})) set_.signatures.pop_back();
  }

  // ---- calls

  formats::TraceCall line() {
    formats::TraceCall made;
    const CallMenu& menu = menus()[choices_.below(menus().size())];
    made.call = menu.call;
    for (const Menu& field : menu.fields) {
      if (field.values.empty() || choices_.once_in(5)) continue;
      Names values = {choices_.of(field.values)};
      if (field.field == "fd.folder" && choices_.once_in(2)) values.push_back(choices_.of(field.values));
      made.fields.emplace_back(field.field, std::move(values));
    }
    const size_t thread = choices_.below(4);
    made.thread = std::to_string(thread + 10);
    made.process = std::to_string(thread / 2 + 1);
    made.tree = std::to_string(choices_.below(3));
    made.session = std::to_string(choices_.below(3));
    constexpr int64_t kPasses[] = {0, 1, 999'999'999, 1'000'000'000, 2'000'000'000, 50'000'000, 20'000'000'000};
    made.after_ns = choices_.of(kPasses);
    return made;
  }

  size_t hold_call(const CompiledSet& compiled, Engine& engine, ReferenceMatcher& reference) {
    const formats::TraceCall made = line();
    const auto traced = TracedCall::of(made);
    SKEP_CHECK(traced);
    calls_.push_back(words_of(made));
    now_ns_ += static_cast<uint64_t>(made.after_ns);
    const Caller caller = names_.caller_of(made);
    const auto service = static_cast<uint32_t>(choices_.once_in(4) ? 1 : 0);
    size_t fired = 0;
    for (const uint8_t stage : traced->stages()) {
      skep_call call = traced->at(stage);
      call.now_ns = now_ns_;
      call.service = service;
      const auto nr = static_cast<uint16_t>(call.nr);
      const auto told = engine.judge(call, caller);
      const auto wanted = reference.judge({made, nr, stage, now_ns_, service, caller});
      Names by_automaton;
      for (const Fired& each : told)
        by_automaton.push_back(
            fmt::format("{} {} {}", compiled.signatures[each.signature].name, each.action, each.level));
      Names by_reference;
      for (const ReferenceVerdict& each : wanted)
        by_reference.push_back(fmt::format("{} {} {}", each.signature, static_cast<int>(each.action), each.level));
      if (by_automaton != by_reference) disagree(made, stage, by_automaton, by_reference);
      fired += told.size();
    }
    return fired;
  }

  // Ends the process, with words from which the case can be told.
  [[noreturn]] void disagree(const formats::TraceCall& line, uint8_t stage, const Names& by_automaton,
                             const Names& by_reference) const {
    for (const formats::Signature& s : set_.signatures) {
      fmt::print(stderr,
                 "{} kind {} scope {} action {} instances {} maxspan {} half_life {} monitored {} services {}\n",
                 s.name, static_cast<int>(s.kind), static_cast<int>(s.scope), static_cast<int>(s.action), s.instances,
                 s.maxspan_ns, s.half_life_ns, s.monitored, fmt::join(s.services, " "));
      for (const auto& step : s.steps) fmt::print(stderr, "  {}{}\n", step.optional ? "? " : "", words_of(step));
      if (s.until) fmt::print(stderr, "  until {}\n", words_of(*s.until));
      for (const auto& w : s.weights)
        fmt::print(stderr, "  {} max {}: {}{}\n", w.add, w.most, w.signature, words_of(w.when));
      for (const auto& l : s.levels)
        fmt::print(stderr, "  at {} action {} deny {}\n", l.at, static_cast<int>(l.action),
                   fmt::join(l.deny_next, " "));
    }
    for (const std::string& call : calls_) fmt::print(stderr, "{}\n", call);
    fmt::print(stderr, "{} at stage {}: automaton [{}], reference [{}]\n", line.call, stage,
               fmt::join(by_automaton, ", "), fmt::join(by_reference, ", "));
    SKEP_CHECK(by_automaton == by_reference);
    std::abort();
  }

  static std::string words_of(const formats::SignatureStep& step) {
    std::string words;
    for (const formats::Conjunction& all : step.condition) {
      words += words.empty() ? "" : " or ";
      for (const formats::Predicate& p : all)
        words += fmt::format("{}{} {} ({}); ", p.negated ? "not " : "", p.field,
                             std::vector{"=", "<", ">", "intersects", "in"}[static_cast<size_t>(p.comparison)],
                             fmt::join(p.values, " "));
    }
    return words;
  }

  static std::string words_of(const formats::TraceCall& line) {
    std::string words = fmt::format("{} thread {} process {} tree {} session {} after {}", line.call, line.thread,
                                    line.process, line.tree, line.session, line.after_ns);
    for (const auto& [name, values] : line.fields) words += fmt::format(" {} {}", name, fmt::join(values, " "));
    return words;
  }

  Choices choices_;
  std::vector<std::string> calls_;  // so far, in words
  formats::SignatureSet set_;
  std::vector<CompiledService> services_;
  CallerNames names_;
  uint64_t now_ns_ = 1'000'000'000;
};

}  // namespace skep::match
