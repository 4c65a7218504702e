// Expression: a rule's pcre, compiled once and run within limits. Immutable; any thread, each with a scratch of its
// own.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>

#include "base/bytes.h"
#include "base/result.h"
#include "formats/rule.h"

// PCRE2's own names, so that its header stays in one place.
struct pcre2_real_code_8;
struct pcre2_real_match_data_8;
struct pcre2_real_match_context_8;
struct pcre2_real_jit_stack_8;

namespace skep::payload {

// What a thread needs to run expressions.
class ExpressionScratch {
 public:
  ExpressionScratch();
  ~ExpressionScratch();
  ExpressionScratch(const ExpressionScratch&) = delete;
  ExpressionScratch& operator=(const ExpressionScratch&) = delete;

 private:
  friend class Expression;
  pcre2_real_match_data_8* data_ = nullptr;
  pcre2_real_match_context_8* context_ = nullptr;
  pcre2_real_jit_stack_8* stack_ = nullptr;
};

class Expression {
 public:
  // Errors: PCRE2's words, with the place.
  static Result<Expression> compile(const formats::Pcre& pcre);

  struct Subject {
    ByteView bytes;
    bool from_start = true;  // the first byte is where the buffer, or what it is relative to, begins
    bool complete = true;    // nothing follows the last one
  };
  enum class Outcome : uint8_t { found, absent, undecided, limit };  // undecided: what follows the bytes would decide
  struct Match {
    Outcome outcome = Outcome::absent;
    size_t begin = 0;
    size_t end = 0;
  };
  Match find(const Subject& subject, size_t from, ExpressionScratch& scratch) const;

 private:
  struct Free {
    void operator()(pcre2_real_code_8* code) const;
  };
  std::unique_ptr<pcre2_real_code_8, Free> code_;
  bool end_sensitive_ = false;  // it may ask what follows, so that more bytes could undo a match
};

}  // namespace skep::payload
