// A PHP site behind nginx and php-fpm, with an upload page that takes whatever it is given: for tests alone.
#pragma once

#include "services/web_site.h"

namespace skep::harness {

class PhpTest : public WebTest {
 protected:
  // Skips where there is no php-fpm.
  void SetUp() override;
  // nginx, and php-fpm behind it.
  std::vector<Setting> services() const;

 private:
  std::string fpm_;
};

// A file sent by a form, as `dialogue` reads it.
std::string upload(const std::string& path, const std::string& name, const std::string& content);

}  // namespace skep::harness
