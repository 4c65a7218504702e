// Conditions in Falco's words: "evt.type in (execve, execveat) and not proc.name in shells". Parsed, macros and lists
// put in, and brought into the one form that the kernel's table has: an OR of ANDs of predicates.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/result.h"

namespace skep::formats {

enum class Comparison { equal, less, greater, intersects, in };

struct Predicate {
  std::string field;
  Comparison comparison = Comparison::equal;
  bool negated = false;
  std::vector<std::string> values;  // one; several for `in`
};

using Conjunction = std::vector<Predicate>;
using Disjunction = std::vector<Conjunction>;  // empty: never; one empty conjunction: always

constexpr size_t kConjunctionsMax = 16;
constexpr size_t kPredicatesMax = 16;
constexpr size_t kListMax = 1024;  // values that one `in` may name

struct Vocabulary {
  std::map<std::string, std::vector<std::string>> lists;
  std::map<std::string, std::string> macros;
};

// One predicate of its words: a comparison of the grammar, and the values as they are (several for `in` alone).
Result<Predicate> make_predicate(const std::string& field, const std::string& comparison,
                                 std::vector<std::string> values);
// Both hold. Errors: more than kConjunctionsMax alternatives come of it, or one of more than kPredicatesMax predicates.
Result<Disjunction> both(const Disjunction& left, const Disjunction& right);

// Grammar: docs/reference/signatures.md. Errors name the word at which the condition could not be understood.
Result<Disjunction> parse_condition(const std::string& text, const Vocabulary& vocabulary);

}  // namespace skep::formats
