#include "replay/neutralise.h"

#include <algorithm>
#include <cctype>

namespace skep::replay {
namespace {

constexpr size_t kNameBytesMax = 40;  // of a field's name at the beginning of a line: "Content-Length: "

bool is_letter(uint8_t byte) {
  return std::isalpha(byte) != 0;
}

bool is_text(uint8_t byte) {
  return (byte >= ' ' && byte <= '~') || byte == '\r' || byte == '\n' || byte == '\t';
}

// Another of its kind, always the same. Nothing that was a number changes: it may be a length.
uint8_t other_letter(uint8_t byte) {
  if (is_letter(byte)) return static_cast<uint8_t>((byte & 0x20) | (byte == 'X' || byte == 'x' ? 'Q' : 'X'));
  return is_text(byte) ? byte : static_cast<uint8_t>(byte == 'A' ? 'B' : 'A');
}

uint8_t plain_letter(uint8_t byte) {
  const bool stays = std::isdigit(byte) != 0 || byte == '\r' || byte == '\n' || byte == ' ' || byte == 0;
  return stays ? byte : other_letter(is_text(byte) ? static_cast<uint8_t>('a') : byte);
}

// Where a message may be changed: not in fields, not in the first word of a line, nor in the name before a colon.
std::vector<bool> changeable(const Message& message, const Plan& plan, uint32_t number) {
  std::vector<bool> may(message.bytes.size(), true);
  const auto keep = [&](size_t from, size_t to) {
    for (size_t i = from; i < std::min(to, may.size()); ++i) may[i] = false;
  };
  for (const Field& field : plan.fields) {
    if (field.place.message == number) keep(field.place.offset, size_t{field.place.offset} + field.place.bytes);
  }
  const std::string_view text = as_text(message.bytes);
  for (size_t line = 0; line < text.size();) {
    const size_t end = std::min(text.find('\n', line), text.size());
    size_t name = line;
    while (name < end && name - line < kNameBytesMax && (is_letter(message.bytes[name]) || text[name] == '-')) ++name;
    if (name < end && (text[name] == ' ' || text[name] == ':')) keep(line, name + 1);
    line = end + 1;
  }
  return may;
}

bool change(Message& message, const std::vector<bool>& may, uint8_t (*other)(uint8_t)) {
  bool changed = false;
  for (size_t i = 0; i < message.bytes.size(); ++i) {
    if (!may[i]) continue;
    const uint8_t byte = other(message.bytes[i]);
    changed = changed || byte != message.bytes[i];
    message.bytes[i] = byte;
  }
  return changed;
}

bool change_needed(Recording& recording, std::span<const Place> needed) {
  bool changed = false;
  for (const Place& place : needed) {
    if (place.message >= recording.messages.size()) continue;
    Bytes& bytes = recording.messages[place.message].bytes;
    for (size_t i = place.offset; i < std::min<size_t>(bytes.size(), size_t{place.offset} + place.bytes); ++i) {
      bytes[i] = std::isdigit(bytes[i]) ? bytes[i] : other_letter(is_text(bytes[i]) ? uint8_t{'a'} : bytes[i]);
      changed = true;
    }
  }
  return changed;
}

}  // namespace

std::string_view to_string(Harmless how) {
  constexpr std::string_view kNames[] = {"needed-bytes", "trigger-letters", "trigger", "letters",
                                         "all",          "without-trigger"};
  return kNames[static_cast<size_t>(how)];
}

std::optional<Recording> neutralised(const Recording& recording, const Plan& plan, Harmless how,
                                     std::span<const Place> needed) {
  const auto trigger = recording.trigger();
  if (!trigger) return std::nullopt;
  Recording harmless = recording;
  if (how == Harmless::needed) return change_needed(harmless, needed) ? std::optional(harmless) : std::nullopt;
  if (how == Harmless::without) {
    harmless.messages[*trigger].bytes.clear();
    harmless.messages[*trigger].reads.clear();
    return harmless;
  }
  const bool letters = how == Harmless::trigger_letters || how == Harmless::letters;
  const bool trigger_alone = how == Harmless::trigger_letters || how == Harmless::trigger;
  bool changed = false;
  for (uint32_t i = trigger_alone ? *trigger : 0; i <= *trigger; ++i) {
    Message& message = harmless.messages[i];
    if (message.direction != Direction::to_bait) continue;
    changed |= change(message, changeable(message, plan, i), letters ? other_letter : plain_letter);
  }
  return changed ? std::optional(std::move(harmless)) : std::nullopt;
}

}  // namespace skep::replay
