// Text made safe and words compared: escaping of bytes from outside, JSON strings, the nearest known word.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace skep {

// Printable ASCII and valid printable UTF-8 stay; all else becomes \n, \t or \xNN. Safe for a terminal or a log line.
std::string printable(std::string_view bytes);

// The word of `known` nearest to `word` (edit distance ≤ 3 and less than half its length), or "" where none is near.
std::string_view nearest(std::string_view word, std::span<const std::string_view> known);

std::vector<std::string_view> split(std::string_view text, char separator);
std::string_view trim(std::string_view text);

// A JSON text under construction: append only, no tree. Commas are its own affair; nesting is the caller's.
// Strings are escaped; bytes that are not valid UTF-8 become U+FFFD (use base64 where bytes matter).
class JsonWriter {
 public:
  JsonWriter& begin_object();
  JsonWriter& end_object();
  JsonWriter& begin_array();
  JsonWriter& end_array();
  JsonWriter& key(std::string_view name);
  JsonWriter& value(std::string_view text);
  JsonWriter& value(const char* text) { return value(std::string_view(text)); }
  JsonWriter& value(const std::string& text) { return value(std::string_view(text)); }
  JsonWriter& value(bool truth);
  JsonWriter& value(double number);
  JsonWriter& value(int number) { return value(static_cast<long long>(number)); }
  JsonWriter& value(unsigned number) { return value(static_cast<unsigned long long>(number)); }
  JsonWriter& value(long number) { return value(static_cast<long long>(number)); }
  JsonWriter& value(unsigned long number) { return value(static_cast<unsigned long long>(number)); }
  JsonWriter& value(long long number);
  JsonWriter& value(unsigned long long number);
  JsonWriter& null();
  JsonWriter& raw(std::string_view json);  // a whole JSON value, as it is
  template <typename T>
  JsonWriter& field(std::string_view name, const T& content) {
    return key(name).value(content);
  }
  const std::string& text() const { return out_; }
  std::string take() { return std::move(out_); }

 private:
  void separate();
  std::string out_;
  bool comma_ = false;
};

std::string base64(std::string_view bytes);

}  // namespace skep
