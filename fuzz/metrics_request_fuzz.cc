// links: skep_proxy
// The head that a scraper sends: answered once it is whole or too long, and never with more than the page.
#include "base/result.h"
#include "proxy/metrics_server.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr std::string_view kPage = "# TYPE up gauge\nup 1\n";
  const std::string_view request(reinterpret_cast<const char*>(data), size);
  const std::string reply = skep::proxy::http_reply(request, kPage);
  const bool whole = request.find("\r\n\r\n") != std::string_view::npos;
  SKEP_CHECK(reply.empty() == (!whole && size < skep::proxy::MetricsServer::kRequestBytesMax));
  if (reply.empty()) return 0;
  SKEP_CHECK(reply.starts_with("HTTP/1.1 ") && reply.find("\r\n\r\n") != std::string::npos);
  const bool good = reply.starts_with("HTTP/1.1 200 ");
  SKEP_CHECK(!good || request.starts_with("GET /metrics") || request.starts_with("HEAD /metrics"));
  SKEP_CHECK(good || reply.find("up 1") == std::string::npos);
  // A request that is whole is answered the same whatever follows it.
  if (whole) SKEP_CHECK(skep::proxy::http_reply(std::string(request) + "x", kPage) == reply);
  return 0;
}
