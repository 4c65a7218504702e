#include "replay/minimal_file.h"

#include <charconv>
#include <filesystem>

#include "base/file.h"
#include "base/text.h"

namespace skep::replay {
namespace {

constexpr std::string_view kTitle = "skep minimal 1";
constexpr size_t kPlacesMax = 1 << 20;

template <typename Number>
bool take_number(std::string_view& text, Number& to) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), to);
  if (error != std::errc()) return false;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return true;
}

bool take_sign(std::string_view& text, char sign) {
  if (!text.starts_with(sign)) return false;
  text.remove_prefix(1);
  return true;
}

// One line of the file. False: it is none of its kind.
bool take_line(std::string_view line, KeptMinimal& kept) {
  const size_t blank = line.find(' ');
  const std::string_view name = line.substr(0, blank);
  std::string_view value = blank == std::string_view::npos ? std::string_view() : line.substr(blank + 1);
  const auto places = [&](std::vector<Place>& to) {
    auto parsed = parse_places(value);
    if (parsed) to = std::move(*parsed);
    return parsed.has_value();
  };
  if (name == "rule") kept.rule = value;
  if (name == "rule" || name == "session") return true;
  if (name == "kept") return places(kept.minimal.kept);
  if (name == "needed") return places(kept.minimal.needed);
  if (name == "of") return take_number(value, kept.of_bytes) && value.empty();
  if (name == "candidates") return take_number(value, kept.minimal.candidates) && value.empty();
  if (name != "whole" || (value != "yes" && value != "no")) return false;
  kept.minimal.whole = value == "yes";
  return true;
}

size_t bytes_of(const std::vector<Place>& places) {
  size_t sum = 0;
  for (const Place& place : places) sum += place.bytes;
  return sum;
}

}  // namespace

std::string replays_folder(const std::string& archive) {
  return archive + "/replays";
}

std::string minimal_path(const std::string& archive, SessionId id) {
  return replays_folder(archive) + "/" + skep::to_string(id) + ".minimal";
}

std::string to_string(const std::vector<Place>& places) {
  std::string text;
  for (const Place& place : places) {
    if (!text.empty()) text += ' ';
    text += fmt::format("{}:{}+{}", place.message, place.offset, place.bytes);
  }
  return text;
}

std::optional<std::vector<Place>> parse_places(std::string_view text) {
  std::vector<Place> places;
  while (!text.empty()) {
    Place place;
    const bool well = take_number(text, place.message) && take_sign(text, ':') && take_number(text, place.offset) &&
                      take_sign(text, '+') && take_number(text, place.bytes) && (text.empty() || take_sign(text, ' '));
    if (!well || places.size() == kPlacesMax) return std::nullopt;
    places.push_back(place);
  }
  return places;
}

Status write_minimal(const std::string& archive, SessionId id, const KeptMinimal& kept) {
  std::error_code error;
  std::filesystem::create_directories(replays_folder(archive), error);
  if (error) return fail("{}: {}", replays_folder(archive), error.message());
  const Minimal& minimal = kept.minimal;
  return write_file(minimal_path(archive, id),
                    fmt::format("{}\nsession {}\nrule {}\nkept {}\nneeded {}\nof {}\ncandidates {}\nwhole {}\n", kTitle,
                                skep::to_string(id), kept.rule, to_string(minimal.kept), to_string(minimal.needed),
                                kept.of_bytes, minimal.candidates, minimal.whole ? "yes" : "no"));
}

Result<std::optional<KeptMinimal>> read_minimal(const std::string& archive, SessionId id) {
  const std::string path = minimal_path(archive, id);
  if (!std::filesystem::exists(path)) return std::optional<KeptMinimal>();
  const auto text = read_file(path);
  if (!text) return tl::unexpected<Error>(text.error());
  KeptMinimal kept;
  bool titled = false;
  for (const std::string_view line : split(*text, '\n')) {
    if (line.empty()) continue;
    if (!titled ? line != kTitle : !take_line(line, kept))
      return fail("{}: '{}' is not of its kind", path, printable(line));
    titled = true;
  }
  kept.minimal.bytes = bytes_of(kept.minimal.kept);
  kept.minimal.bytes_needed = bytes_of(kept.minimal.needed);
  return std::optional(std::move(kept));
}

}  // namespace skep::replay
