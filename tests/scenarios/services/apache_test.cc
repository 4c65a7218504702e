// Apache with a process for each session, and with threads; CGI programs and scripts, started by the server itself and
// by its CGI daemon.
#include <filesystem>

#include "base/file.h"
#include "services/web_site.h"

namespace skep::harness {
namespace {

constexpr char kApache[] = R"(ServerRoot {0}
ServerName site
Listen {1}
PidFile {0}/apache.pid
Mutex file:{0}
ErrorLog {0}/apache_error.log
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule mime_module /usr/lib/apache2/modules/mod_mime.so
LoadModule dir_module /usr/lib/apache2/modules/mod_dir.so
LoadModule env_module /usr/lib/apache2/modules/mod_env.so
LoadModule rewrite_module /usr/lib/apache2/modules/mod_rewrite.so
LoadModule filter_module /usr/lib/apache2/modules/mod_filter.so
LoadModule deflate_module /usr/lib/apache2/modules/mod_deflate.so
LoadModule alias_module /usr/lib/apache2/modules/mod_alias.so
TypesConfig /dev/null
AddType text/html .html
AddType text/plain .txt
User www-data
Group www-data
{2}
DocumentRoot {0}/www
RewriteEngine On
RewriteRule ^/number/([0-9]+)$ /sub/note.txt
AddOutputFilterByType DEFLATE text/plain
SetEnv ap_trust_cgilike_cl 1
ScriptAlias /cgi-bin/ {0}/cgi-bin/
<Directory {0}>
  Require all granted
</Directory>
)";

// It says how long its answer is, and is believed: Apache else counts it or does not, as it learns of the program's end
// sooner or later.
constexpr char kScript[] = R"sh(#!/bin/sh
answer="$REQUEST_METHOD $QUERY_STRING: $(cat)"
printf 'Content-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s' "${#answer}" "$answer"
)sh";

// As Debian sets it up: threads, and a daemon that starts the CGI programs for them.
constexpr char kEvent[] = R"(LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule cgid_module /usr/lib/apache2/modules/mod_cgid.so
ScriptSock {}/cgid.sock
StartServers 2)";

// A process for each session, which starts its CGI programs itself. Servers that have nothing to do are ended: to wake
// one for that, Apache connects to its own port.
constexpr char kPrefork[] = R"(LoadModule mpm_prefork_module /usr/lib/apache2/modules/mod_mpm_prefork.so
LoadModule cgi_module /usr/lib/apache2/modules/mod_cgi.so
StartServers 2
MinSpareServers 2
MaxSpareServers 3)";

class ApacheTest : public WebTest {
 protected:
  void serves_in_silence(const std::string& title, const std::string& model) {
    ASSERT_TRUE(write_file(file("apache.conf"), fmt::format(kApache, file("."), kService, model)));
    ASSERT_TRUE(write_file(file("cgi-bin/script"), kScript, 0755));
    std::filesystem::copy_file(Rig({}).program("hello_cgi"), file("cgi-bin/hello"));
    std::vector<Exchange> asked = pages();
    asked.push_back({"an address by a pattern", get("/number/42"), "a note"});
    asked.push_back({"a large file, compressed",
                     get("/large.txt", "Accept-Encoding: gzip\\r\\nConnection: close\\r\\n"),
                     "Content-Encoding: gzip"});
    asked.push_back({"a CGI program", get("/cgi-bin/hello?to=all"), "hello to=all"});
    asked.push_back({"a CGI program, with a body", post("/cgi-bin/hello?x", "body=a+body"), "hello x"});
    asked.push_back({"a CGI script, and the program that it starts", post("/cgi-bin/script?y", "body=a+body"),
                     "POST y: body=a+body"});
    asked.push_back(
        {"a script and a program in one session", get("/cgi-bin/script?1", "") + get("/cgi-bin/hello?2"), "hello 2"});
    asked.push_back({"a CGI program that is not there", get("/cgi-bin/none"), "404 Not Found"});
    std::vector<Exchange> small = small_pages();
    small.push_back({"a CGI program", get("/cgi-bin/hello?end", ""), "hello end"});
    const std::vector<Batch> batches = {{700 * times(), true, asked}, {300 * times(), false, small}};
    check({{"apache",
            {"/usr/sbin/apache2", "-f", file("apache.conf"), "-D", "FOREGROUND"},
            {},
            {file("cgi-bin/*"), "/bin/sh", "/bin/cat"},
            {},
            {},
            title}},
          1000 * times(),
          [&](const std::string& netns, const std::string& address) { return converse(batches, netns, address); });
  }
};

TEST_F(ApacheTest, ServesPagesAndCgiInSilence) {
  serves_in_silence("apache-event", fmt::format(kEvent, file(".")));
}

TEST_F(ApacheTest, ServesInSilenceWithAProcessForEachSession) {
  serves_in_silence("apache-prefork", kPrefork);
}

}  // namespace
}  // namespace skep::harness
