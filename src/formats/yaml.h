// YAML read strictly: every value with its type, every key known, every error with file and line. The library's
// exceptions end here. Reading goes on after a mistake, so that one run shows them all.
#pragma once

#include <yaml-cpp/yaml.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace skep::formats {

// Collects what is wrong with one file.
class Complaints {
 public:
  explicit Complaints(std::string path) : path_(std::move(path)) {}
  void add(int line, std::string_view words);
  void add(const YAML::Node& node, std::string_view words) { add(node.Mark().line + 1, words); }
  bool none() const { return lines_.empty(); }
  // "file:line: words", one a line.
  tl::unexpected<Error> failure() const;
  const std::string& path() const { return path_; }

 private:
  static constexpr size_t kLinesMax = 50;
  std::string path_;
  std::vector<std::string> lines_;
  size_t more_ = 0;
};

// The document in `text`; nested at most 32 deep, so that nobody's stack is eaten.
Result<YAML::Node> parse_yaml(const std::string& path, const std::string& text);

// One map and the keys that were asked for. `finish` complains of every other key.
class YamlMap {
 public:
  YamlMap(const YAML::Node& node, Complaints& complaints, std::string_view what);

  // Each returns whether the key is there and well typed; `out` stays as it was (the default) where not.
  bool text(std::string_view key, std::string& out);
  bool number(std::string_view key, uint64_t& out, uint64_t least, uint64_t most);
  template <typename T>
  bool number(std::string_view key, T& out, uint64_t least, uint64_t most) {
    uint64_t value = 0;
    if (!number(key, value, least, most)) return false;
    out = static_cast<T>(value);
    return true;
  }
  bool truth(std::string_view key, bool& out);
  // A list of texts, or one text alone.
  bool texts(std::string_view key, std::vector<std::string>& out);
  // The node itself; not defined where the key is absent.
  YAML::Node node(std::string_view key);
  // The items of a list; none where the key is absent (or is no list: a complaint).
  std::vector<YAML::Node> list(std::string_view key);

  void require(std::string_view key);
  void finish();
  int line() const { return line_; }
  bool usable() const { return usable_; }
  Complaints& complaints() { return complaints_; }
  void complain(std::string_view key, std::string_view words);

 private:
  YAML::Node map_;
  Complaints& complaints_;
  std::string what_;
  int line_ = 0;
  bool usable_ = false;
  std::vector<std::string_view> asked_;
};

// "wants a number, found a list" …
std::string_view kind_of(const YAML::Node& node);

}  // namespace skep::formats
