#include "services/php_site.h"

#include <filesystem>

#include "base/file.h"

namespace skep::harness {
namespace {

constexpr char kNginx[] = R"(daemon off;
user www-data;
worker_processes 1;
error_log {0}/nginx_error.log;
pid {0}/nginx.pid;
events {{ worker_connections 256; }}
http {{
  access_log off;
  gzip on;
  types {{ text/html html; text/plain txt; }}
  client_body_temp_path {0}/body;
  proxy_temp_path {0}/proxy;
  fastcgi_temp_path {0}/fastcgi;
  uwsgi_temp_path {0}/uwsgi;
  scgi_temp_path {0}/scgi;
  server {{
    listen {1};
    root {0}/www;
    location ~ \.php$ {{
      try_files $uri =404;
      include /etc/nginx/fastcgi_params;
      fastcgi_param SCRIPT_FILENAME $document_root$fastcgi_script_name;
      fastcgi_pass unix:{0}/fpm.sock;
    }}
  }}
}}
)";

constexpr char kFpm[] = R"([global]
error_log = {0}/fpm_error.log
pid = {0}/fpm.pid
daemonize = no
[www]
user = www-data
group = www-data
listen = {0}/fpm.sock
listen.owner = www-data
listen.mode = 0666
pm = dynamic
pm.max_children = 6
pm.start_servers = 2
pm.min_spare_servers = 1
pm.max_spare_servers = 3
pm.max_requests = 50
php_value[session.save_path] = {0}/sessions
php_value[upload_tmp_dir] = {0}/sessions
php_value[sys_temp_dir] = {0}/sessions
)";

}  // namespace

void PhpTest::SetUp() {
  ASSERT_NO_FATAL_FAILURE(WebTest::SetUp());
  if (IsSkipped()) return;
  fpm_ = installed({"/usr/sbin/php-fpm*"});
  if (fpm_.empty()) GTEST_SKIP() << "no php-fpm; tools/install-deps installs it";
  ASSERT_NO_FATAL_FAILURE(make_folder_of("www-data", "sessions"));
  for (const auto& page : std::filesystem::directory_iterator(SKEP_SOURCE "/tests/data/php"))
    std::filesystem::copy_file(page.path(), file("www/" + page.path().filename().string()));
  ASSERT_NO_FATAL_FAILURE(make_folder_of("www-data", "www/uploads"));
  ASSERT_TRUE(write_file(file("nginx.conf"), fmt::format(kNginx, file("."), kService)));
  ASSERT_TRUE(write_file(file("fpm.conf"), fmt::format(kFpm, file("."))));
}

std::vector<Setting> PhpTest::services() const {
  return {{"nginx", {"/usr/sbin/nginx", "-c", file("nginx.conf"), "-p", file(".")}},
          {"php-fpm", {fpm_, "--nodaemonize", "--fpm-config", file("fpm.conf")}, {}, {}, {}, file("./fpm.sock")}};
}

std::string upload(const std::string& path, const std::string& name, const std::string& content) {
  const std::string body = fmt::format(
      "--border\\r\\nContent-Disposition: form-data; name=\"file\"; filename=\"{}\"\\r\\n"
      "Content-Type: text/plain\\r\\n\\r\\n{}\\r\\n--border--\\r\\n",
      name, content);
  return post(path, body, "Content-Type: multipart/form-data; boundary=border\\r\\n");
}

}  // namespace skep::harness
