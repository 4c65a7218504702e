// A small site, and what every web server is asked for.
#pragma once

#include <string>
#include <vector>

#include "harness/service_test.h"

namespace skep::harness {

class WebTest : public ServiceTest {
 protected:
  // The site in www/.
  void SetUp() override;
};

std::string get(const std::string& path, const std::string& more = "Connection: close\\r\\n");
std::string post(const std::string& path, const std::string& body, const std::string& more = "");

// A client that ends its side asks for small files alone: nginx takes the end of a client whom it cannot write to at
// once for the end of the session.
std::vector<Exchange> small_pages();
std::vector<Exchange> pages();

}  // namespace skep::harness
