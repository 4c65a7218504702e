// nginx: static pages, ranges, kept-alive sessions, compression, a cache of open files; lighttpd the same, with CGI.
#include <filesystem>

#include "base/file.h"
#include "services/web_site.h"

namespace skep::harness {
namespace {

constexpr char kNginx[] = R"(daemon off;
user www-data;
worker_processes 2;
pcre_jit on;
error_log {0}/nginx_error.log;
pid {0}/nginx.pid;
events {{ worker_connections 256; }}
http {{
  access_log {0}/access.log;
  sendfile on;
  tcp_nopush on;
  open_file_cache max=100;
  gzip on;
  gzip_types text/plain;
  types {{ text/html html; text/plain txt; }}
  client_body_temp_path {0}/body;
  proxy_temp_path {0}/proxy;
  fastcgi_temp_path {0}/fastcgi;
  uwsgi_temp_path {0}/uwsgi;
  scgi_temp_path {0}/scgi;
  server {{ listen {1}; root {0}/www; location /list/ {{ alias {0}/www/sub/; autoindex on; }}
    location ~ "^/number/([0-9]+)$" {{ return 200 "number $1\n"; }} }}
}}
)";

class NginxTest : public WebTest {};

TEST_F(NginxTest, ServesPagesInSilence) {
  ASSERT_TRUE(write_file(file("nginx.conf"), fmt::format(kNginx, file("."), kService)));
  std::vector<Exchange> asked = pages();
  asked.push_back({"a body for a file", post("/index.html", "hello"), "405 Not Allowed"});
  asked.push_back({"a large file, compressed", get("/large.txt", "Accept-Encoding: gzip\\r\\nConnection: close\\r\\n"),
                   "Content-Encoding: gzip"});
  asked.push_back({"an address by a pattern", get("/number/42"), "number 42"});
  asked.push_back({"a folder's list", get("/list/"), "Index of /list/"});
  asked.push_back({"what has not changed",
                   get("/index.html", "If-Modified-Since: Tue, 01 Jan 2999 00:00:00 GMT\\r\\nConnection: close\\r\\n"),
                   "200 OK"});
  const std::vector<Batch> batches = {{700 * times(), true, asked}, {300 * times(), false, small_pages()}};
  check({{"nginx", {"/usr/sbin/nginx", "-c", file("nginx.conf"), "-p", file(".")}}}, 1000 * times(),
        [&](const std::string& netns, const std::string& address) { return converse(batches, netns, address); });
}

constexpr char kLighttpd[] = R"(server.modules = ("mod_access", "mod_alias", "mod_redirect", "mod_cgi", "mod_accesslog")
server.document-root = "{0}/www"
server.bind = "10.99.0.3"
server.port = 9000
server.username = "www-data"
server.groupname = "www-data"
server.errorlog = "{0}/lighttpd/error.log"
accesslog.filename = "{0}/lighttpd/access.log"
server.upload-dirs = ("{0}/lighttpd")
index-file.names = ("index.html")
mimetype.assign = (".html" => "text/html", ".txt" => "text/plain")
alias.url = ("/cgi-bin/" => "{0}/cgi-bin/")
$HTTP["url"] =~ "^/cgi-bin/" {{ cgi.assign = ("" => "") }}
)";

class LighttpdTest : public WebTest {};

TEST_F(LighttpdTest, ServesPagesAndCgiInSilence) {
  if (installed({"/usr/sbin/lighttpd"}).empty()) GTEST_SKIP() << "no lighttpd; make test-services installs it";
  ASSERT_NO_FATAL_FAILURE(make_folder_of("www-data", "lighttpd"));
  ASSERT_TRUE(write_file(file("lighttpd.conf"), fmt::format(kLighttpd, file("."))));
  std::filesystem::copy_file(Rig({}).program("hello_cgi"), file("cgi-bin/hello"));
  std::vector<Exchange> asked = pages();
  asked.push_back({"a CGI program", get("/cgi-bin/hello?to=all"), "hello to=all"});
  asked.push_back({"a CGI program, with a body", post("/cgi-bin/hello?x", "body=a+body"), "hello x"});
  const std::vector<Batch> batches = {{1000 * times(), true, asked}};
  check({{"lighttpd", {"/usr/sbin/lighttpd", "-D", "-f", file("lighttpd.conf")}, {}, {file("cgi-bin/*")}}},
        1000 * times(),
        [&](const std::string& netns, const std::string& address) { return converse(batches, netns, address); });
}

}  // namespace
}  // namespace skep::harness
