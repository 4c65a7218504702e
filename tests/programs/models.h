// What the shapes of model_server share: the line protocol, and a loop that reads lines from many clients.
#pragma once

#include <sys/epoll.h>

#include <functional>
#include <map>
#include <string>

// A request in parts: "[HOLD ms] VERB name".
struct Request {
  int hold_ms = 0;
  std::string verb, name;
};
Request parse_request(const std::string& line);
// Does what the verb says, without the pause before it; the answer, with its newline.
std::string act(const Request& request);
// All of it; after the answer was given by `send`, what the verb says is done then.
std::string answer(const std::string& line);
void after_answer(const std::string& line);
// Reads a line, answers, closes.
void serve(int client);
bool has_line(const std::string& text);

int listen_unix(const std::string& name);  // SOCK_STREAM, abstract
int connect_unix(const std::string& name);

// Accepts and reads; `on_line` gets each whole line, and the descriptor, which is its own unless `keep` is set.
class LineLoop {
 public:
  LineLoop(int listener, bool keep, std::function<void(int client, std::string line)> on_line);
  // Calls `ready` once when the descriptor can be read, and forgets it then.
  void watch_once(int fd, std::function<void()> ready);
  // `idle`: after each batch of events, and at the latest every `idle_ms`.
  [[noreturn]] void run(int idle_ms = -1, const std::function<void()>& idle = {});

 private:
  void accept_one();
  void read_from(int client);
  void forget(int client);

  int listener_, epoll_;
  bool keep_;
  std::function<void(int, std::string)> on_line_;
  std::map<int, std::string> reading_;
  std::map<int, std::function<void()>> watched_;
};

[[noreturn]] void unix_model(int listener, int workers);
[[noreturn]] void pipes_model(int listener, int workers);
[[noreturn]] void passed_model(int listener, int workers);
[[noreturn]] void coroutine_model(int listener, int workers);
[[noreturn]] void uring_model(int listener);
