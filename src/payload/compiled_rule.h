// A rule as it is held against bytes: its options by the buffer that they look at, contents and expressions ready,
// variables numbered. Immutable; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "base/result.h"
#include "formats/rule.h"
#include "payload/expression.h"
#include "payload/needle.h"

namespace skep::payload {

// Of a stream, or of a body, so much is always in sight of a rule; at times twice as much. Suricata's inline window is
// 2,560.
constexpr size_t kWindowBytes = 4096;
constexpr size_t kVariablesMax = 16;  // of one rule

// A number, or the variable that has it.
struct Number {
  int64_t value = 0;
  int variable = -1;
};

// Where a content may stand: from `low` on, and ending before `high`, from the buffer's start or from the match before.
struct ContentStep {
  Needle needle;
  bool negated = false;
  bool relative = false;
  bool ends_with = false;
  bool low_said = false;
  bool high_said = false;
  Number low;   // offset, distance
  Number span;  // depth, within: bytes from there on
};

struct ExpressionStep {
  Expression expression;
  bool negated = false;
  bool relative = false;
};

// A number in the bytes.
struct FieldPlace {
  uint32_t bytes = 0;
  Number offset;
  bool relative = false;
  bool little_endian = false;
  uint8_t text_base = 0;  // 0: binary
  uint32_t bitmask = 0;
};

enum class Comparison : uint8_t { less, greater, equal, less_equal, greater_equal, bits_and, bits_xor };
struct TestStep {
  FieldPlace field;
  Comparison comparison = Comparison::equal;
  bool negated = false;
  Number value;
};

struct JumpStep {
  FieldPlace field;
  formats::ByteJump::From from = formats::ByteJump::From::here;
  uint32_t multiplier = 1;
  bool align = false;
  Number post_offset;
};

enum class Arithmetic : uint8_t { extract, add, subtract, multiply, divide, shift_left, shift_right };
struct VariableStep {
  FieldPlace field;
  Arithmetic arithmetic = Arithmetic::extract;
  Number value;  // extract: the multiplier
  uint8_t align = 0;
  int variable = 0;
};

struct DataAtStep {
  bool negated = false;
  bool relative = false;
  Number at;
};

// Of the whole buffer; of the payload it is that of a message.
struct SizeStep {
  formats::SizeRange size;
};

struct DecodeStep {
  uint32_t bytes = 0;  // 0: all
  uint32_t offset = 0;
  bool relative = false;
};

using Step =
    std::variant<ContentStep, ExpressionStep, TestStep, JumpStep, VariableStep, DataAtStep, SizeStep, DecodeStep>;

// What a rule says of one buffer, in its order.
struct Part {
  formats::BufferUse where;
  std::vector<Step> steps;
  // Of the payload and of bodies: something is said of how far from the beginning, so that it matters where a message
  // begins.
  bool anchored = false;
  // By step: what follows is counted from where it matched, so that another place may do where the first does not.
  std::vector<bool> retried;
};

// What is looked for first: of no rule more than one.
struct FirstLook {
  formats::BufferUse where;
  std::string bytes;  // as long as an automaton should have: the end of the content
  bool nocase = false;
};

struct CompiledRule {
  std::vector<Part> parts;
  std::optional<FirstLook> first_look;  // none: no content could be it
  bool of_requests = false;             // one of its parts is a request's
};

// Errors: what cannot be held against a bounded window, or an expression that PCRE2 does not take.
Result<CompiledRule> compile_rule(const formats::Rule& rule);

// The buffers that come piece by piece, each with a window over it.
constexpr bool is_stream(formats::RuleBuffer buffer) {
  return buffer == formats::RuleBuffer::payload || buffer == formats::RuleBuffer::http_request_body ||
         buffer == formats::RuleBuffer::file_data;
}
constexpr bool is_body(formats::RuleBuffer buffer) {
  return buffer == formats::RuleBuffer::http_request_body || buffer == formats::RuleBuffer::file_data;
}
constexpr bool is_http(formats::RuleBuffer buffer) {
  return buffer != formats::RuleBuffer::payload && buffer != formats::RuleBuffer::base64_data;
}

}  // namespace skep::payload
