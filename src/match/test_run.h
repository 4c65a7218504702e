// The tests in signature files, run by the automaton on the host: `skep hids check`. Everything that fires must be
// expected, and everything expected must fire.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "match/compile.h"

namespace skep::match {

struct TestResult {
  const formats::SignatureTest* test = nullptr;
  std::vector<std::string> failures;  // "file:line: words"; none: it passed
};

// `set` is compiled from `sets` for `services`, with resolve_nothing(). Errors: what a test says cannot be understood:
// "file:line: words", one a line.
Result<std::vector<TestResult>> run_tests(const std::vector<formats::SignatureSet>& sets, const CompiledSet& set,
                                          const std::vector<CompiledService>& services);

// Whether the tests of the sets can be understood.
Status validate_tests(const std::vector<formats::SignatureSet>& sets);

}  // namespace skep::match
