// dialogue: many sessions that say the same things, and what was answered, each distinct answer once.
//   dialogue --sessions N --at-once K [--mask PREFIX]… [--keep-open] ADDRESS:PORT REQUEST…
// Session i says REQUEST i modulo their number (\r \n \\ \xNN are bytes), ends its side (--keep-open: leaves that to
// the server), and reads to the end. Lines of the answer that begin with a --mask are cut to it (a Date header). A line
// of JSON an answer: {"request": index, "count": of sessions, "answer": …}, sorted. Exit 0: every session was answered
// with something; an answer that did not come to its end says so.
#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>
#include <thread>
#include <vector>

#include "net.h"

namespace {

std::string unescaped(const std::string& text) {
  std::string bytes;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\' || i + 1 == text.size()) {
      bytes += text[i];
      continue;
    }
    const char c = text[++i];
    if (c == 'x' && i + 2 < text.size()) {
      bytes += static_cast<char>(std::stoi(text.substr(i + 1, 2), nullptr, 16));
      i += 2;
    } else {
      bytes += c == 'r' ? '\r' : c == 'n' ? '\n' : c;
    }
  }
  return bytes;
}

std::string masked(const std::string& answer, const std::vector<std::string>& masks) {
  std::string text;
  for (size_t at = 0; at < answer.size();) {
    const size_t end = std::min(answer.find('\n', at), answer.size() - 1) + 1;
    std::string line = answer.substr(at, end - at);
    for (const std::string& mask : masks) {
      if (line.rfind(mask, 0) == 0) line = mask + "\n";
    }
    text += line;
    at = end;
  }
  return text;
}

std::string converse(const sockaddr_in& address, const std::string& request, bool keep_open) {
  std::string answer;
  const int fd = connect_to(address);
  if (fd < 0) return answer;
  send_all(fd, request);
  if (!keep_open) ::shutdown(fd, SHUT_WR);
  if (!receive_until(fd, answer, 20'000, [](const std::string&) { return false; })) answer += "(not ended)";
  ::close(fd);
  return answer;
}

}  // namespace

int main(int argc, char** argv) {
  unsigned sessions = 1, at_once = 8;
  bool keep_open = false;
  std::vector<std::string> masks, words;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "--sessions")
      sessions = static_cast<unsigned>(std::atoi(argv[++i]));
    else if (word == "--at-once")
      at_once = static_cast<unsigned>(std::atoi(argv[++i]));
    else if (word == "--mask")
      masks.emplace_back(argv[++i]);
    else if (word == "--keep-open")
      keep_open = true;
    else
      words.push_back(word);
  }
  if (words.size() < 2) {
    std::fprintf(stderr, "dialogue: an address and at least one request are wanted\n");
    return 2;
  }
  const sockaddr_in address = test_address(words[0]);
  std::vector<std::string> requests;
  for (size_t i = 1; i < words.size(); ++i) requests.push_back(unescaped(words[i]));
  std::atomic<unsigned> next{0}, silent{0};
  std::mutex taking;
  std::map<std::pair<size_t, std::string>, unsigned> answers;
  std::vector<std::thread> speakers;
  for (unsigned s = 0; s < at_once; ++s) {
    speakers.emplace_back([&] {
      for (unsigned i = next++; i < sessions; i = next++) {
        const size_t which = i % requests.size();
        const std::string answer = masked(converse(address, requests[which], keep_open), masks);
        if (answer.empty()) ++silent;
        const std::lock_guard lock(taking);
        ++answers[{which, answer}];
      }
    });
  }
  for (std::thread& speaker : speakers) speaker.join();
  for (const auto& [key, count] : answers)
    std::printf("{\"request\":%zu,\"count\":%u,\"answer\":\"%s\"}\n", key.first, count, escaped(key.second).c_str());
  return silent == 0 ? 0 : 1;
}
