// A set of payload rules made ready to be looked for: literals in one automaton a buffer, expressions compiled, bits
// numbered. It never changes: any number of threads and sessions use one, each thread with a Scratch of its own.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "formats/rule.h"
#include "formats/rule_grade.h"
#include "model/session.h"

namespace skep::payload {

// A rule as it came from a file.
struct GivenRule {
  formats::Rule rule;
  std::string file;
  int line = 0;
  formats::RuleGrading grading;
};

// What could be read, and can not be looked for.
struct RuleRefused {
  size_t given = 0;  // its number among those that were given
  std::string reason;
};

struct RuleSetOptions {
  // Of datagrams each is a message of its own: Scanner::answered follows each one.
  Protocol protocol = Protocol::tcp;
  // Leaves out what cannot concern a connection to one of these ports; none: all.
  std::vector<uint16_t> ports;
  // Hyperscan where the build and the CPU have it; false: the built-in automaton.
  bool hyperscan = true;
};

struct RuleSetFigures {
  size_t rules = 0;
  size_t literals = 0;
  size_t always = 0;        // rules without a literal to look for first: held against every read
  size_t stream_bytes = 0;  // of one session, for the automata
  size_t database_bytes = 0;
};

struct Compiled;  // what only this layer sees
class Scratch;

class RuleSet {
 public:
  // Rules of which nothing can be looked for are in `refused`; the rest is ready. Errors: the machine's alone.
  static Result<std::shared_ptr<const RuleSet>> make(std::vector<GivenRule> given, const RuleSetOptions& options);
  ~RuleSet();
  RuleSet(const RuleSet&) = delete;
  RuleSet& operator=(const RuleSet&) = delete;

  // In the order in which they were given, the refused ones among them: a hit names a rule by its number here.
  const std::vector<GivenRule>& rules() const { return given_; }
  const std::vector<RuleRefused>& refused() const { return refused_; }
  RuleSetFigures figures() const;
  std::string engine() const;  // "Hyperscan 5.4.0", "built-in"
  const Compiled& compiled() const { return *compiled_; }

 private:
  RuleSet();
  std::vector<GivenRule> given_;
  std::vector<RuleRefused> refused_;
  std::unique_ptr<Compiled> compiled_;
  bool hyperscan_ = true;
};

}  // namespace skep::payload
