// The signature file: YAML in operators' words (docs/formats/signature.md). Reading gives the whole meaning or says
// what was not understood, with file and line; a kind that this version does not have is an error, never left out in
// silence.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "formats/condition.h"

namespace skep::formats {

enum class SignatureKind { blacklist, sequence };
enum class SignatureScope { thread, process, session, service };
enum class SignatureAction { observe, deny, kill };

struct SignatureStep {
  Disjunction condition;  // with its calls as predicates on evt.type
  int line = 0;
};

struct Signature {
  std::string name;
  SignatureKind kind = SignatureKind::blacklist;
  std::string description;
  std::string priority = "WARNING";
  std::vector<std::string> tags;
  std::vector<std::string> services;  // names; none: all
  SignatureScope scope = SignatureScope::process;
  SignatureAction action = SignatureAction::deny;
  std::string errno_name = "EPERM";
  int64_t maxspan_ns = 0;
  std::vector<SignatureStep> steps;
  std::string file;
  int line = 0;
  uint32_t epoch = 0;  // hash of its text: another text, another epoch
};

struct SignatureSet {
  std::string file;
  std::string name;
  std::vector<Signature> signatures;  // the enabled ones, in the order of the file
};

Result<SignatureSet> parse_signature_file(const std::string& path, const std::string& text);

}  // namespace skep::formats
