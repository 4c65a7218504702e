#include "replay/plan.h"

#include <array>

#include "replay/crypto_marks.h"

namespace skep::replay {

std::string_view to_string(Rung rung) {
  constexpr std::array<std::string_view, 3> kNames = {"two-recordings", "echoes", "as-recorded"};
  return kNames[static_cast<size_t>(rung)];
}

std::string_view to_string(Form form) {
  constexpr std::array<std::string_view, 19> kNames = {
      "as-is",      "percent", "hex",  "HEX",  "base64", "base64url", "json", "html", "utf16le",   "decimal",
      "hex-number", "le16",    "be16", "le32", "be32",   "le64",      "be64", "u8",   "octet-pair"};
  return kNames[static_cast<size_t>(form)];
}

std::string_view kind_of(const Field& field) {
  constexpr std::array<std::string_view, 7> kNames = {"echo", "length", "checksum",  "address",
                                                      "time", "chosen", "unresolved"};
  const auto* const unresolved = std::get_if<Unresolved>(&field.what);
  return unresolved != nullptr && unresolved->crypto ? "crypto" : kNames[field.what.index()];
}

std::vector<const Field*> Plan::unresolved() const {
  std::vector<const Field*> out;
  for (const Field& field : fields) {
    if (std::holds_alternative<Unresolved>(field.what)) out.push_back(&field);
  }
  return out;
}

Plan plan_as_recorded(const Recording& recording) {
  Plan plan;
  plan.crypto = recognised_crypto(recording);
  return plan;
}

}  // namespace skep::replay
