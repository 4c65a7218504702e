// links: skep_formats
// Profiles of any bytes; what was taken is taken again from what is written of it, and is the same.
#include "formats/profile_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const auto profile = skep::formats::parse_profile_file("fuzz", text);
  if (!profile) return 0;
  const auto again = skep::formats::parse_profile_file("again", skep::formats::profile_yaml(*profile));
  SKEP_CHECK(again.has_value());
  SKEP_CHECK(again->files_read == profile->files_read && again->folders_written == profile->folders_written &&
             again->programs == profile->programs && again->folders_read == profile->folders_read &&
             again->ports == profile->ports && again->peers == profile->peers);
  return 0;
}
