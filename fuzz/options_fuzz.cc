// links: skep_formats
// Option files of any bytes; what was taken is taken again from its effective form.
#include "formats/options.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  if (const auto options = skep::formats::parse_proxy_options("fuzz", text)) {
    SKEP_CHECK(skep::formats::parse_proxy_options("again", skep::formats::effective_yaml(*options)).has_value());
  }
  if (const auto options = skep::formats::parse_monitor_options("fuzz", text)) {
    SKEP_CHECK(skep::formats::parse_monitor_options("again", skep::formats::effective_yaml(*options)).has_value());
  }
  (void)skep::formats::parse_monitored_services("fuzz", text);
  return 0;
}
