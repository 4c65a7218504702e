// `tests:` of a signature file: calls as a service makes them, and which signatures are to fire. Reading knows their
// form alone; which calls and fields there are, and what they lead to, knows match/trace.h. Values only; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace skep::formats {

class YamlMap;

constexpr size_t kTestsMax = 1024;
constexpr size_t kTraceMax = 256;

// One call, with all that is to be known of it.
struct TraceCall {
  std::string call;
  std::vector<std::pair<std::string, std::vector<std::string>>> fields;  // by their names in conditions
  std::string thread;                                                    // "": that of the process
  std::string process;                                                   // "": one that all such lines share
  std::string tree;                                                      // "": none
  std::string session;                                                   // "": none
  std::string service;                                                   // "": the first
  std::string stage;                                                     // "": all that the call passes
  bool intercepted = true;
  int64_t after_ns = 0;  // since the line before
  int line = 0;
};

// One that is to fire. What it leaves unsaid may be anything.
struct ExpectedAlert {
  size_t at = 0;  // line of the trace, from 1
  std::string signature;
  std::string action;             // observed, denied, killed
  std::optional<uint64_t> level;  // of evidence: the one newly reached, from 1
  int line = 0;
};

struct SignatureTest {
  std::string name;
  std::string about;  // the signature that it leaves alone; "": it does not say
  std::vector<TraceCall> trace;
  std::vector<ExpectedAlert> expect;
  std::string file;
  int line = 0;
};

std::vector<SignatureTest> read_tests(YamlMap& file);

}  // namespace skep::formats
