// For tests: toy services, each with a client that holds its dialogue. What a service hands out comes of its seed; the
// last step is reached by the client alone that returns it.
#pragma once

#include <fmt/format.h>

#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/sha256.h"
#include "base/text.h"
#include "replay/dialogue_test_rig.h"

namespace skep::replay::test {

class Chance {
 public:
  explicit Chance(uint64_t seed) : random_(seed) {}
  uint64_t number(uint64_t below) { return random_() % below; }
  uint64_t between(uint64_t low, uint64_t high) { return low + number(high - low + 1); }
  std::string bytes(size_t count) {
    std::string out;
    while (out.size() < count) out.push_back(static_cast<char>(random_()));
    return out;
  }
  std::string hex(size_t digits) { return skep::hex(as_bytes(bytes(digits / 2))); }
  std::string letters(size_t count) {
    constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    std::string out;
    while (out.size() < count) out.push_back(kLetters[number(kLetters.size())]);
    return out;
  }

 private:
  std::mt19937_64 random_;
};

// A service in one dialogue. Port of a data connection: `data_port`, which it listens on; 0: it has none.
struct Service {
  virtual ~Service() = default;
  virtual std::string greeting() { return ""; }
  virtual std::string answer(std::string_view said) = 0;
  virtual uint16_t data_port() const { return 0; }
  virtual void data(std::string_view) {}
  bool reached = false;  // the last step
};

// What the client says next, after what the service has said so far; nullopt: it is done.
using Client = std::function<std::optional<std::string>(size_t step, const std::vector<std::string>& answers)>;

struct Toy {
  std::string name;
  std::function<std::unique_ptr<Service>(uint64_t seed)> service;
  std::function<Client(uint64_t seed)> client;
  bool stateful = true;
  bool crypto = false;
};

inline std::string between(std::string_view text, std::string_view before, std::string_view after) {
  const size_t begin = text.find(before);
  if (begin == std::string_view::npos) return "";
  const std::string_view rest = text.substr(begin + before.size());
  return std::string(rest.substr(0, rest.find(after)));
}

inline std::string percent(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    out += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<uint8_t>(c));
  }
  return out;
}

inline std::string be32(uint64_t value) {
  Bytes out;
  ByteWriter(out).be(static_cast<uint32_t>(value));
  return std::string(as_text(out));
}

// A dialogue held: a recording of it.
inline Recording held(const Toy& toy, uint64_t seed) {
  const auto service = toy.service(seed);
  const Client client = toy.client(seed);
  Dialogue dialogue;
  std::vector<std::string> answers;
  const std::string greeting = service->greeting();
  if (!greeting.empty()) dialogue.server(greeting);
  answers.push_back(greeting);
  for (size_t step = 0;; ++step) {
    const auto said = client(step, answers);
    if (!said) break;
    if (service->data_port() != 0 && said->starts_with("DATA:")) {
      dialogue.opens(fmt::format("198.51.100.3:{}", service->data_port())).client(said->substr(5)).on(0);
      service->data(said->substr(5));
      answers.push_back("");
      continue;
    }
    const std::string answer = service->answer(*said);
    dialogue.client(*said);
    if (!answer.empty()) dialogue.server(answer);
    answers.push_back(answer);
  }
  return dialogue.take();
}

// Holds the recorded dialogue with another service by the plan. True: its last step was reached.
inline bool replayed(const Toy& toy, const Recording& recording, const Plan& plan, uint64_t seed) {
  const auto service = toy.service(seed);
  std::vector<Bytes> answers(recording.messages.size());
  std::string answer = service->greeting();
  for (uint32_t i = 0; i < recording.messages.size(); ++i) {
    const Message& message = recording.messages[i];
    if (message.direction == Direction::to_client) {
      answers[i] = bytes_of(answer);
      if (!holds_all_sources(recording, plan, i, answers[i])) return false;
      continue;
    }
    const auto said = fill(recording, plan, i, as_recorded(recording, answers));
    if (!said) return false;
    if (message.connection == 0) {
      answer = service->answer(as_text(*said));
      continue;
    }
    const auto port = named_port(recording, plan, message.connection, as_recorded(recording, answers));
    if (port.value_or(recording.connections[message.connection].server.port) == service->data_port())
      service->data(as_text(*said));
  }
  return service->reached;
}

std::vector<Toy> toys();

}  // namespace skep::replay::test
