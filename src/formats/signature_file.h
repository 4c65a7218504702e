// The signature file: YAML in operators' words (docs/reference/signatures.md). Reading gives the whole meaning or says
// what was not understood, with file and line; a kind that this version does not have is an error, never left out in
// silence.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "formats/condition.h"
#include "formats/signature_test_file.h"

namespace skep::formats {

enum class SignatureKind { blacklist, sequence, evidence };
enum class SignatureScope { thread, process, session, service, tree };
enum class SignatureAction { observe, deny, kill };
enum class Maturity { stable, incubating, sandbox };

constexpr size_t kSignaturesMax = 256;
constexpr size_t kStepsMax = 8;
constexpr size_t kInstancesMax = 4;
constexpr size_t kWeightsMax = 16;
constexpr size_t kLevelsMax = 4;

struct SignatureStep {
  Disjunction condition;  // with its calls as predicates on evt.type
  int line = 0;
  bool optional = false;  // of a sequence: it may be left out
  std::string as;         // the name by which later steps speak of it: `$as.field`
};

// What adds to evidence: a call, or another signature that holds.
struct EvidenceWeight {
  SignatureStep when;
  std::string signature;  // "": `when`
  uint16_t add = 0;       // points
  uint16_t most = 0;      // points that it adds in all; 0: no limit
};

// What evidence leads to, once it has come so far.
struct EvidenceLevel {
  uint16_t at = 0;  // points
  SignatureAction action = SignatureAction::observe;
  bool suspect = false;                // the session is told as suspect, not as an attack
  std::vector<std::string> deny_next;  // calls that are refused from here on
  int line = 0;
};

struct Signature {
  std::string name;
  SignatureKind kind = SignatureKind::blacklist;
  std::string description;
  std::string priority = "WARNING";
  std::vector<std::string> tags;
  std::vector<std::string> services;  // names; none: all
  Maturity maturity = Maturity::stable;
  SignatureScope scope = SignatureScope::process;
  SignatureAction action = SignatureAction::deny;
  bool monitored = false;  // `mode: monitor`: only observed, whatever the action
  bool unsafe = false;     // it may refuse by what lies in user memory
  std::string errno_name = "EPERM";
  int64_t maxspan_ns = 0;
  size_t instances = 1;
  std::vector<SignatureStep> steps;
  std::optional<SignatureStep> until;
  int64_t half_life_ns = 0;
  std::vector<EvidenceWeight> weights;
  std::vector<EvidenceLevel> levels;
  std::string file;
  int line = 0;
  uint32_t epoch = 0;  // hash of its text: another text, another epoch
};

struct SignatureSet {
  std::string file;
  std::string name;
  Maturity maturity = Maturity::stable;
  std::vector<Signature> signatures;  // the enabled ones, in the order of the file
  std::vector<SignatureTest> tests;
};

Result<SignatureSet> parse_signature_file(const std::string& path, const std::string& text);

}  // namespace skep::formats
