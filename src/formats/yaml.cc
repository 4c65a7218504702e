#include "formats/yaml.h"

#include <yaml-cpp/anchor.h>
#include <yaml-cpp/eventhandler.h>

#include <algorithm>
#include <charconv>
#include <sstream>

#include "base/text.h"

namespace skep::formats {
namespace {

constexpr int kDepthMax = 32;
constexpr int kNodesMax = 100'000;

// A node that aliases name is visited once for each: a few lines may stand for more nodes than memory holds.
bool within_bounds(const YAML::Node& node, int depth, int& nodes_left) {
  if (depth > kDepthMax || --nodes_left < 0) return false;
  if (node.IsMap()) {
    return std::all_of(node.begin(), node.end(), [&](const auto& item) {
      return within_bounds(item.first, depth + 1, nodes_left) && within_bounds(item.second, depth + 1, nodes_left);
    });
  }
  if (!node.IsSequence()) return true;
  return std::all_of(node.begin(), node.end(),
                     [&](const auto& item) { return within_bounds(item, depth + 1, nodes_left); });
}

// Listens to a document without keeping any of it.
class DeafHandler : public YAML::EventHandler {
 public:
  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark&, YAML::anchor_t) override {}
  void OnAlias(const YAML::Mark&, YAML::anchor_t) override {}
  void OnScalar(const YAML::Mark&, const std::string&, YAML::anchor_t, const std::string&) override {}
  void OnSequenceStart(const YAML::Mark&, const std::string&, YAML::anchor_t, YAML::EmitterStyle::value) override {}
  void OnSequenceEnd() override {}
  void OnMapStart(const YAML::Mark&, const std::string&, YAML::anchor_t, YAML::EmitterStyle::value) override {}
  void OnMapEnd() override {}
};

// YAML::LoadAll would do, but finds documents without end in some broken texts.
bool has_second_document(const std::string& text) {
  std::istringstream in(text);
  YAML::Parser parser(in);
  DeafHandler handler;
  return parser.HandleNextDocument(handler) && parser.HandleNextDocument(handler);
}

// yaml-cpp recurses as it parses: what opens too deep is refused by its text, before. Flow brackets and deep
// indentation.
bool text_too_deep(const std::string& text) {
  int open = 0;
  size_t column = 0;
  for (const char c : text) {
    if (c == '[' || c == '{') ++open;
    if ((c == ']' || c == '}') && open > 0) --open;
    if (open > 4 * kDepthMax) return true;
    column = c == '\n' ? 0 : column + 1;
    // "- - - - …" opens a level for each dash on one line.
    if (column > 20000) return true;
  }
  return false;
}

bool dashes_too_deep(const std::string& text) {
  int dashes = 0;
  for (const char c : text) {
    if (c == '-' || c == '?' || c == ':') {
      if (++dashes > 512) return true;
    } else if (c != ' ' && c != '\n') {
      dashes = 0;
    }
  }
  return false;
}

}  // namespace

void Complaints::add(int line, std::string_view words) {
  if (lines_.size() >= kLinesMax) {
    ++more_;
    return;
  }
  lines_.push_back(fmt::format("{}:{}: {}", path_, line, printable(words)));
}

tl::unexpected<Error> Complaints::failure() const {
  std::string all;
  for (const std::string& line : lines_) all += (all.empty() ? "" : "\n") + line;
  if (more_ > 0) all += fmt::format("\n… and {} more", more_);
  return tl::unexpected<Error>(Error{all, 0});
}

Result<YAML::Node> parse_yaml(const std::string& path, const std::string& text) {
  if (text_too_deep(text) || dashes_too_deep(text)) return fail("{}: nested deeper than {} levels", path, kDepthMax);
  try {
    if (has_second_document(text)) return fail("{}: more than one YAML document", path);
    YAML::Node document = YAML::Load(text);
    int nodes_left = kNodesMax;
    if (!within_bounds(document, 0, nodes_left))
      return fail("{}: nested deeper than {} levels, or more than {} nodes", path, kDepthMax, kNodesMax);
    return document;
  } catch (const YAML::Exception& e) {
    return fail("{}:{}: {}", path, e.mark.line + 1, printable(e.msg));
  }
}

std::string_view kind_of(const YAML::Node& node) {
  if (node.IsMap()) return "a map";
  if (node.IsSequence()) return "a list";
  if (node.IsScalar()) return "a text";
  return "nothing";
}

YamlMap::YamlMap(const YAML::Node& node, Complaints& complaints, std::string_view what)
    : map_(node), complaints_(complaints), what_(what), line_(node.Mark().line + 1), usable_(node.IsMap()) {
  if (!usable_) complaints_.add(node, fmt::format("{} wants a map, found {}", what, kind_of(node)));
}

YAML::Node YamlMap::node(std::string_view key) {
  asked_.push_back(key);
  if (!usable_) return YAML::Node(YAML::NodeType::Undefined);
  for (const auto& item : map_) {
    if (item.first.IsScalar() && item.first.Scalar() == key) return item.second;
  }
  return YAML::Node(YAML::NodeType::Undefined);
}

void YamlMap::complain(std::string_view key, std::string_view words) {
  if (!usable_) return;  // that it is no map was said
  for (const auto& item : map_) {
    if (item.first.IsScalar() && item.first.Scalar() == key) {
      complaints_.add(item.first, fmt::format("{}: {}", key, words));
      return;
    }
  }
  complaints_.add(line_, fmt::format("{}: {}", key, words));
}

bool YamlMap::text(std::string_view key, std::string& out) {
  const YAML::Node value = node(key);
  if (!value.IsDefined()) return false;
  if (!value.IsScalar()) {
    complain(key, fmt::format("wants a text, found {}", kind_of(value)));
    return false;
  }
  out = value.Scalar();
  return true;
}

bool YamlMap::number(std::string_view key, uint64_t& out, uint64_t least, uint64_t most) {
  std::string word;
  if (!text(key, word)) return false;
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  if (error != std::errc{} || end != word.data() + word.size()) {
    complain(key, fmt::format("wants a whole number, found '{}'", word));
    return false;
  }
  if (value < least || value > most) {
    complain(key, fmt::format("{} is outside {} to {}", value, least, most));
    return false;
  }
  out = value;
  return true;
}

bool YamlMap::truth(std::string_view key, bool& out) {
  std::string word;
  if (!text(key, word)) return false;
  if (word != "true" && word != "false") {
    complain(key, fmt::format("wants true or false, found '{}'", word));
    return false;
  }
  out = word == "true";
  return true;
}

bool YamlMap::texts(std::string_view key, std::vector<std::string>& out) {
  const YAML::Node value = node(key);
  if (!value.IsDefined()) return false;
  if (value.IsScalar()) {
    out = {value.Scalar()};
    return true;
  }
  if (!value.IsSequence()) {
    complain(key, fmt::format("wants a list of texts, found {}", kind_of(value)));
    return false;
  }
  std::vector<std::string> texts;
  for (const auto& item : value) {
    if (!item.IsScalar()) {
      complaints_.add(item, fmt::format("{}: wants a text, found {}", key, kind_of(item)));
      return false;
    }
    texts.push_back(item.Scalar());
  }
  out = std::move(texts);
  return true;
}

std::vector<YAML::Node> YamlMap::list(std::string_view key) {
  const YAML::Node value = node(key);
  if (!value.IsDefined()) return {};
  if (!value.IsSequence()) {
    complain(key, fmt::format("wants a list, found {}", kind_of(value)));
    return {};
  }
  return {value.begin(), value.end()};
}

void YamlMap::require(std::string_view key) {
  if (usable_ && !node(key).IsDefined()) complaints_.add(line_, fmt::format("{}: '{}' is missing", what_, key));
}

void YamlMap::finish() {
  if (!usable_) return;
  std::vector<std::string_view> seen;
  for (const auto& item : map_) {
    if (!item.first.IsScalar()) {
      complaints_.add(item.first, fmt::format("{}: a key wants a text", what_));
      continue;
    }
    const std::string& key = item.first.Scalar();
    if (std::find(seen.begin(), seen.end(), key) != seen.end())
      complaints_.add(item.first, fmt::format("'{}' is there twice", key));
    seen.push_back(key);
    if (std::find(asked_.begin(), asked_.end(), key) != asked_.end()) continue;
    const std::string_view near = nearest(key, asked_);
    complaints_.add(item.first, near.empty()
                                    ? fmt::format("{}: unknown key '{}'", what_, key)
                                    : fmt::format("{}: unknown key '{}'; did you mean '{}'?", what_, key, near));
  }
}

}  // namespace skep::formats
