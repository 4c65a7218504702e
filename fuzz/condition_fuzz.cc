// links: skep_formats
// A condition of any bytes, with a macro and a list to name.
#include "formats/condition.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  skep::formats::Vocabulary vocabulary;
  vocabulary.lists["shells"] = {"sh", "bash"};
  vocabulary.macros["m"] = "evt.type = execve or not (user.uid = 0 and fd.sport in (1, 2))";
  const auto condition =
      skep::formats::parse_condition(std::string(reinterpret_cast<const char*>(data), size), vocabulary);
  if (!condition) return 0;
  SKEP_CHECK(condition->size() <= skep::formats::kConjunctionsMax);
  for (const auto& all : *condition) SKEP_CHECK(all.size() <= skep::formats::kPredicatesMax);
  return 0;
}
