#include "cli/minimal_text.h"

#include <algorithm>

#include "replay/recordings.h"

namespace skep::cli {
namespace {

using replay::Place;

constexpr size_t kRunsShown = 200;
constexpr size_t kBytesShown = 64;  // of a run

bool contains(const std::vector<Place>& places, uint32_t message, uint32_t offset) {
  return std::any_of(places.begin(), places.end(), [&](const Place& place) {
    return place.message == message && offset >= place.offset && offset - place.offset < place.bytes;
  });
}

// What is kept, cut where need begins or ends.
struct Run {
  Place place;
  bool needed = false;
};
std::vector<Run> runs_of(const replay::Minimal& minimal) {
  std::vector<Run> runs;
  for (const Place& place : minimal.kept) {
    for (uint32_t offset = place.offset; offset < place.offset + place.bytes; ++offset) {
      const bool needed = contains(minimal.needed, place.message, offset);
      const bool goes_on = !runs.empty() && offset != place.offset && runs.back().needed == needed;
      if (goes_on) {
        ++runs.back().place.bytes;
      } else {
        runs.push_back({{place.message, offset, 1}, needed});
      }
    }
  }
  return runs;
}

std::string run_line(const replay::Recording& recording, const Run& run) {
  const Place& place = run.place;
  const bool there = place.message < recording.messages.size() &&
                     size_t{place.offset} + place.bytes <= recording.messages[place.message].bytes.size();
  if (!there) return "    (it is not of this recording)\n";
  const ByteView bytes = ByteView(recording.messages[place.message].bytes).subspan(place.offset, place.bytes);
  const std::string text = printable(as_text(bytes.first(std::min(bytes.size(), kBytesShown))));
  return fmt::format("    message {} {:>6}+{:<6} {} \"{}\"{}\n", place.message, place.offset, place.bytes,
                     run.needed ? "needed " : "filling", text, bytes.size() > kBytesShown ? " …" : "");
}

}  // namespace

void minimal_json(JsonWriter& json, const replay::KeptMinimal& kept) {
  const replay::Minimal& minimal = kept.minimal;
  json.begin_object().field("rule", kept.rule);
  json.field("bytes", static_cast<unsigned long>(minimal.bytes));
  json.field("bytes_needed", static_cast<unsigned long>(minimal.bytes_needed));
  json.field("of_bytes", static_cast<unsigned long>(kept.of_bytes)).field("candidates", minimal.candidates);
  json.field("whole", minimal.whole).field("kept", replay::to_string(minimal.kept));
  json.field("needed", replay::to_string(minimal.needed)).end_object();
}

std::string minimal_words(const replay::KeptMinimal& kept) {
  const replay::Minimal& minimal = kept.minimal;
  return fmt::format("{} of {} bytes raise {}; of {} the value is needed; {} candidates{}", minimal.bytes,
                     kept.of_bytes, printable(kept.rule), minimal.bytes_needed, minimal.candidates,
                     minimal.whole ? "" : "; not every range could be tried");
}

std::string minimal_runs(const replay::Recording& recording, const replay::KeptMinimal& kept) {
  const std::vector<Run> runs = runs_of(kept.minimal);
  std::string text;
  for (size_t i = 0; i < std::min(runs.size(), kRunsShown); ++i) text += run_line(recording, runs[i]);
  if (runs.size() > kRunsShown) text += fmt::format("    … and {} more\n", runs.size() - kRunsShown);
  return text;
}

Result<std::string> minimal_story(archive::Reader& reader, const archive::SessionSummary& session) {
  const auto kept = replay::read_minimal(reader.folder(), session.id);
  if (!kept) return tl::unexpected<Error>(kept.error());
  if (!*kept) return std::string();
  const auto recording = replay::recording_of(reader, session);
  if (!recording) return tl::unexpected<Error>(recording.error());
  return "\nthe smallest attack: " + minimal_words(**kept) + "\n" + minimal_runs(*recording, **kept);
}

}  // namespace skep::cli
