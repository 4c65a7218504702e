// Which calls of a launched service are asked about before they run: what a signature refuses must be among them.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "formats/condition.h"

namespace skep::match {

// Deciding calls, rare in a service's ordinary life; each costs 4-5 µs through the notifier. Beside them every filter
// asks about a foreign ABI, and about some calls by their arguments.
std::span<const uint16_t> base_intercepts();

// A call that is asked about where each of these registers passes its test, by its lower half: all that a filter
// compares at once, and all that the kernel takes of these arguments. (Bits above make mprotect fail; mmap leaves them
// aside.)
struct ArgumentCheck {
  uint8_t argument = 0;
  uint32_t mask = 0;
  std::optional<uint32_t> value;       // what the masked bits must be; none: any of them must be set
  std::vector<uint32_t> none_of = {};  // or, where it is not empty: what they must not be
};
struct ArgumentTest {
  uint16_t call = 0;
  std::string_view words;  // for people: what is asked about
  std::vector<ArgumentCheck> all;
};
// Tests of one call stand together. watch/seccomp_filter.cc makes its filter of them.
std::span<const ArgumentTest> argument_tests();

// The base and the calls that a service's `intercept:` names, each once, at most SKEP_INTERCEPTS_MAX. Calls that have
// tests are among them where they are named: then every one is asked about. Errors: no such call; it cannot be
// intercepted.
Result<std::vector<uint16_t>> intercepts_of(const std::vector<std::string>& names);

// Why no service can have `call` intercepted; "" where one can.
std::string_view why_not_intercepted(uint16_t call);

// Whether every call that fits `condition` is asked about by its arguments.
bool asked_by_arguments(uint16_t call, const formats::Disjunction& condition);
// What of `call` is asked about where the service does not name it, for people: "PROT_EXEC"; "": nothing.
std::string arguments_asked_about(uint16_t call);

}  // namespace skep::match
