// PHP behind nginx, over a Unix socket: a form, an upload, session files, included files, compression. Two services,
// each with its profile.
#include "base/file.h"
#include "services/php_site.h"

namespace skep::harness {
namespace {

class PhpFpmTest : public PhpTest {};

TEST_F(PhpFpmTest, ServesPagesInSilence) {
  const std::string cookie = "Connection: close\\r\\nCookie: PHPSESSID=0123456789abcdef0123456789abcdef\\r\\n";
  const std::vector<Exchange> asked = {
      {"a page", get("/page.php?name=bee"), "hello bee, included"},
      {"a form", post("/page.php", "name=bee&honey=2", "Content-Type: application/x-www-form-urlencoded\\r\\n"),
       "hello bee, included"},
      {"an upload", upload("/upload.php?discard", "note.txt", "a note"), "note.txt: 6 bytes"},
      {"a session file", get("/session.php", cookie), "visits: many"},
      {"a page, compressed", get("/page.php?long", "Accept-Encoding: gzip\\r\\nConnection: close\\r\\n"), "gzip"},
      {"a file written and read", get("/file.php"), "written, read, removed"},
      {"a page that fails", get("/fail.php"), "500 Internal Server Error"},
      {"a page that is not there", get("/none.php"), "404 Not Found"},
      {"a file beside", get("/sub/note.txt"), "a note"},
  };
  check(services(), 600 * times(), [&](const std::string& netns, const std::string& address) {
    return converse({{600 * times(), true, asked}}, netns, address, {"Date:", "Expires:", "Last-Modified:"});
  });
}

}  // namespace
}  // namespace skep::harness
