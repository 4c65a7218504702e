// links: skep_match
// A signature file of any bytes: understood whole, or refused with words; what was compiled is a valid table.
#include "match/automaton.h"
#include "match/compile.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const auto set = skep::formats::parse_signature_file("fuzz", text);
  if (!set) {
    SKEP_CHECK(!set.error().message.empty());
    return 0;
  }
  skep::match::CompileContext context;
  context.services.push_back({"web", 0, true, {}});
  context.resolve = skep::match::resolve_nothing();
  const auto compiled = skep::match::compile({*set}, context);
  if (compiled) SKEP_CHECK(skep_table_valid(compiled->table.get()));
  return 0;
}
