#include "services/web_site.h"

#include <chrono>
#include <filesystem>

#include "base/file.h"

namespace skep::harness {
namespace {

// 400 KB: more than the proxy holds of one direction.
std::string large_text() {
  std::string text;
  for (int i = 0; text.size() < 400'000; ++i) text += fmt::format("line {} of a page that does not fit a buffer\n", i);
  return text;
}

}  // namespace

void WebTest::SetUp() {
  ASSERT_NO_FATAL_FAILURE(ServiceTest::SetUp());
  if (IsSkipped()) return;
  for (const char* name : {"www", "www/sub", "cgi-bin", "home"}) ASSERT_TRUE(make_directories(file(name)));
  ASSERT_TRUE(write_file(file("www/index.html"), "<html><body>the start page</body></html>\n"));
  ASSERT_TRUE(write_file(file("www/sub/note.txt"), "a note\n"));
  ASSERT_TRUE(write_file(file("www/large.txt"), large_text()));
  // Apache calls a file another while it is younger than a second.
  for (const char* name : {"www/index.html", "www/sub/note.txt", "www/large.txt"})
    std::filesystem::last_write_time(file(name), std::filesystem::file_time_type::clock::now() - std::chrono::hours(1));
}

std::string get(const std::string& path, const std::string& more) {
  return "GET " + path + " HTTP/1.1\\r\\nHost: site\\r\\n" + more + "\\r\\n";
}

std::string post(const std::string& path, const std::string& body, const std::string& more) {
  // Of `body`, \r and \n are two letters here and one byte there.
  size_t bytes = body.size();
  for (size_t at = 0; (at = body.find('\\', at)) != std::string::npos; at += 2) --bytes;
  return fmt::format("POST {} HTTP/1.1\\r\\nHost: site\\r\\nConnection: close\\r\\n{}Content-Length: {}\\r\\n\\r\\n{}",
                     path, more, bytes, body);
}

std::vector<Exchange> small_pages() {
  return {
      {"the start page, HTTP/1.0", "GET / HTTP/1.0\\r\\n\\r\\n", "the start page"},
      {"a file, kept alive", get("/sub/note.txt", ""), "a note"},
      {"a file that is not there", get("/none.html", ""), "404 Not Found"},
  };
}

std::vector<Exchange> pages() {
  return {
      {"the start page", get("/"), "HTTP/1.1 200 OK"},
      {"a large file", get("/large.txt"), "line 8000 of a page"},
      {"its head alone", "HEAD /large.txt HTTP/1.1\\r\\nHost: site\\r\\nConnection: close\\r\\n\\r\\n",
       "Content-Length: 4"},
      {"a part of it", get("/large.txt", "Range: bytes=100-299\\r\\nConnection: close\\r\\n"), "206 Partial Content"},
      {"a folder without its slash", get("/sub"), "301 Moved Permanently"},
      {"a file that is not there", get("/none.html"), "404 Not Found"},
      {"two requests in one session", get("/", "") + get("/sub/note.txt"), "a note"},
      {"no HTTP at all", "hello\\r\\n\\r\\n", "400 Bad Request"},
  };
}

}  // namespace skep::harness
