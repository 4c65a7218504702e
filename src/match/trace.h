// A call as a `tests:` line of a signature file words it, made into what the automaton sees of it at each of its
// places. A field is known there only where the kernel knows it. What can be read off a path, or off a session, is
// filled in where the line does not say it. Values only; any thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "formats/signature_test_file.h"
#include "match/engine.h"
#include "match/fields.h"
#include "model/signature_table.h"

namespace skep::match {

// Errors: words about the line, without its place.
class TracedCall {
 public:
  static Result<TracedCall> of(const formats::TraceCall& line);
  // skep_stage, in the order in which the kernel comes to them.
  const std::vector<uint8_t>& stages() const { return stages_; }
  skep_call at(uint8_t stage) const;

 private:
  struct Known {
    const Field* field;
    std::vector<uint64_t> values;  // of a folder all, else one; of an address none
  };
  Status add_said(const formats::TraceCall& line);
  Status add_address(const std::string& text);
  Status find_stages(const formats::TraceCall& line);
  Status check_known() const;
  bool says(std::string_view field) const;
  void derive(std::string_view field, std::vector<uint64_t> values);
  void derive_from_path(const std::string& path);
  void derive_from_file(const std::string& path, std::string_view name, std::string_view extension,
                        std::string_view folder);

  uint16_t nr_ = 0;
  uint64_t remote_[2] = {};
  std::vector<Known> said_;
  std::vector<Known> derived_;
  std::vector<uint8_t> stages_;
};

// Who calls, by the names or numbers that a trace gives: each name its own number, of a thread none that of its
// process.
class CallerNames {
 public:
  Caller caller_of(const formats::TraceCall& line);

 private:
  uint64_t number_of(const std::string& name, uint64_t otherwise);
  std::map<std::string, uint64_t> numbers_;
};

}  // namespace skep::match
