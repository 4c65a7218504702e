// The toy services themselves.
#include <gmock/gmock.h>

#include "replay/toys_test_rig.h"

namespace skep::replay::test {
namespace {

// Counts the steps that were taken in order.
struct Stepped : Service {
  explicit Stepped(uint64_t seed) : chance(seed * 7919 + 17) {}
  Chance chance;
  int step = 0;
};

template <typename T>
std::function<std::unique_ptr<Service>(uint64_t)> made() {
  return [](uint64_t seed) { return std::make_unique<T>(seed); };
}

struct Stateless : Stepped {
  using Stepped::Stepped;
  std::string answer(std::string_view said) override {
    reached |= said.starts_with("RUN id");
    return fmt::format("OK {}\r\n", chance.number(1'000'000));
  }
};
Client stateless_client(uint64_t) {
  return [](size_t step, const std::vector<std::string>&) -> std::optional<std::string> {
    constexpr std::string_view kSaid[] = {"HELLO me\r\n", "RUN id; uname -a\r\n"};
    return step < 2 ? std::optional<std::string>(kSaid[step]) : std::nullopt;
  };
}

// Cookie, CSRF token of base64 that the form returns percent-encoded, Content-Length; both change their length.
struct Web : Stepped {
  explicit Web(uint64_t seed)
      : Stepped(seed),
        session(chance.hex(24 + 2 * chance.number(6))),
        token(base64(chance.bytes(18 + chance.number(30)))) {}
  std::string answer(std::string_view said) override {
    const bool cookie = said.find("Cookie: sid=" + session + "\r\n") != said.npos;
    if (said.starts_with("GET /login")) return page(fmt::format("Set-Cookie: sid={}; Path=/\r\n", session));
    const size_t body = said.find("\r\n\r\n");
    const bool whole = between(said, "Content-Length: ", "\r\n") == std::to_string(said.size() - body - 4);
    if (!cookie || !whole || between(said, "csrf=", "&") != percent(token)) return "HTTP/1.1 403 Forbidden\r\n\r\n";
    reached = said.starts_with("POST /admin");
    return page("");
  }
  std::string page(const std::string& header) {
    const std::string body = fmt::format("<p>{}</p><form><input type=\"hidden\" name=\"csrf\" value=\"{}\"></form>",
                                         chance.letters(5), token);
    return fmt::format("HTTP/1.1 200 OK\r\nDate: Thu, 26 Nov 2026 13:{:02}:{:02} GMT\r\n{}Content-Length: {}\r\n\r\n{}",
                       chance.number(60), chance.number(60), header, body.size(), body);
  }
  std::string session, token;
};
Client web_client(uint64_t) {
  return [](size_t step, const std::vector<std::string>& answers) -> std::optional<std::string> {
    if (step == 0) return "GET /login HTTP/1.1\r\nHost: 198.51.100.3:8080\r\nUser-Agent: Mozilla/5.0\r\n\r\n";
    if (step > 2) return std::nullopt;
    const std::string body = fmt::format("user=admin&csrf={}&cmd=id", percent(between(answers[1], "value=\"", "\"")));
    return fmt::format(
        "POST /{} HTTP/1.1\r\nHost: 198.51.100.3:8080\r\nUser-Agent: Mozilla/5.0\r\nCookie: sid={}\r\n"
        "Content-Length: {}\r\n\r\n{}",
        step == 1 ? "login" : "admin", between(answers[1], "sid=", ";"), body.size(), body);
  };
}

// Length, handle, context; the name that the service gave changes its length.
struct Rpc : Stepped {
  explicit Rpc(uint64_t seed)
      : Stepped(seed), handle(chance.bytes(8)), context(chance.bytes(4)), name(chance.letters(6 + chance.number(9))) {}
  std::string answer(std::string_view said) override {
    if (said.size() < 12 || be32(said.size()) != said.substr(0, 4)) return packet(99, "");
    if (said.substr(4, 4) == be32(1))
      return packet(2, handle + std::string(4, '\0') + context + be32(name.size()) + name);
    const std::string wanted = handle + context + be32(name.size()) + name;
    reached = said.substr(4, 4) == be32(3) && said.substr(8, wanted.size()) == wanted;
    return packet(reached ? 4 : 99, chance.bytes(6));
  }
  static std::string packet(uint64_t type, const std::string& rest) {
    return be32(8 + rest.size()) + be32(type) + rest;
  }
  std::string handle, context, name;
};
Client rpc_client(uint64_t) {
  return [](size_t step, const std::vector<std::string>& answers) -> std::optional<std::string> {
    if (step == 0) return Rpc::packet(1, be32(0x00010002) + be32(5));
    if (step > 1) return std::nullopt;
    const std::string& bound = answers[1];
    return Rpc::packet(3, bound.substr(8, 8) + bound.substr(20, 4) + bound.substr(24) + std::string("\0run\1", 5));
  };
}

struct Nonce : Stepped {
  explicit Nonce(uint64_t seed) : Stepped(seed), nonce(chance.between(10'000, 4'000'000'000)), stamp(chance.hex(16)) {}
  std::string greeting() override { return fmt::format("220 ready nonce={} stamp=<{}@toy>\r\n", nonce, stamp); }
  std::string answer(std::string_view said) override {
    if (said == fmt::format("AUTH {} {}\r\n", nonce, stamp)) return step = 1, "200 go on\r\n";
    reached = step == 1 && said == "RUN id\r\n";
    return "500 no\r\n";
  }
  uint64_t nonce;
  std::string stamp;
};
Client nonce_client(uint64_t) {
  return [](size_t step, const std::vector<std::string>& answers) -> std::optional<std::string> {
    if (step == 0)
      return fmt::format("AUTH {} {}\r\n", between(answers[0], "nonce=", " "), between(answers[0], "<", "@"));
    return step == 1 ? std::optional<std::string>("RUN id\r\n") : std::nullopt;
  };
}

struct RawToHex : Stepped {
  explicit RawToHex(uint64_t seed) : Stepped(seed), cookie(chance.bytes(12)) {}
  std::string greeting() override { return "COOKIE " + cookie + "\r\n"; }
  std::string answer(std::string_view said) override {
    reached = said == "RUN " + skep::hex(as_bytes(cookie)) + " id\r\n";
    return "done\r\n";
  }
  std::string cookie;
};
Client raw_to_hex_client(uint64_t) {
  return [](size_t step, const std::vector<std::string>& answers) -> std::optional<std::string> {
    if (step > 0) return std::nullopt;
    return "RUN " + skep::hex(as_bytes(answers[0].substr(7, 12))) + " id\r\n";
  };
}

// The port of its data connection in two octets.
struct Passive : Stepped {
  explicit Passive(uint64_t seed) : Stepped(seed), port(static_cast<uint16_t>(chance.between(1025, 65000))) {}
  std::string greeting() override { return "220 toy\r\n"; }
  std::string answer(std::string_view said) override {
    if (said == "PASV\r\n")
      return fmt::format("227 Entering Passive Mode (198,51,100,3,{},{}).\r\n", port >> 8, port & 0xFF);
    if (said.starts_with("STOR")) return "150 go\r\n";
    reached = arrived && said.starts_with("SITE EXEC");
    return "200 ok\r\n";
  }
  uint16_t data_port() const override { return port; }
  void data(std::string_view said) override { arrived = said == "#!/bin/sh\nid\n"; }
  uint16_t port;
  bool arrived = false;
};
Client passive_client(uint64_t) {
  return [](size_t step, const std::vector<std::string>&) -> std::optional<std::string> {
    constexpr std::string_view kSaid[] = {"USER ftp\r\n", "PASV\r\n", "STOR x\r\n", "DATA:#!/bin/sh\nid\n",
                                          "SITE EXEC x\r\n"};
    return step < 5 ? std::optional<std::string>(kSaid[step]) : std::nullopt;
  };
}

std::string keyed(std::string_view nonce) {
  Sha256 sum;
  sum.add(as_bytes("secret"));
  sum.add(as_bytes(nonce));
  return skep::hex(sum.finish());
}

struct Keyed : Stepped {
  explicit Keyed(uint64_t seed) : Stepped(seed), nonce(chance.hex(32)) {}
  std::string greeting() override { return "CHALLENGE " + nonce + "\r\n"; }
  std::string answer(std::string_view said) override {
    reached = said == "RESPONSE " + keyed(nonce) + "\r\n";
    return reached ? "OK\r\n" : "NO\r\n";
  }
  std::string nonce;
};
Client keyed_client(uint64_t) {
  return [](size_t step, const std::vector<std::string>& answers) -> std::optional<std::string> {
    if (step > 0) return std::nullopt;
    return "RESPONSE " + keyed(between(answers[0], "CHALLENGE ", "\r\n")) + "\r\n";
  };
}

// The literal's length is announced in one message, the literal sent in the next.
struct Imap : Stepped {
  explicit Imap(uint64_t seed) : Stepped(seed), folder(chance.letters(8 + chance.number(20))) {}
  std::string greeting() override { return "* OK toy\r\n"; }
  std::string answer(std::string_view said) override {
    if (said.starts_with("A1")) return fmt::format("* NAMESPACE ((\"{}\" \".\"))\r\nA1 OK\r\n", folder);
    if (said.starts_with("A2 APPEND inbox {")) return size = between(said, "{", "}"), "+ go\r\n";
    const size_t end = said.find("\r\nA3");
    reached =
        end != said.npos && std::to_string(end) == size && said.substr(0, end) == "Subject: x\r\n\r\nfolder " + folder;
    return "A2 OK\r\n";
  }
  std::string folder, size;
};
Client imap_client(uint64_t) {
  return [](size_t step, const std::vector<std::string>& answers) -> std::optional<std::string> {
    if (step == 0) return "A1 NAMESPACE\r\n";
    if (step > 2) return std::nullopt;
    const std::string mail = "Subject: x\r\n\r\nfolder " + between(answers[1], "((\"", "\"");
    if (step == 1) return fmt::format("A2 APPEND inbox {{{}}}\r\n", mail.size());
    return mail + "\r\nA3 NOOP\r\n";
  };
}

// JSON with escaped slashes; the job's id returns within chunks.
struct Chunked : Stepped {
  explicit Chunked(uint64_t seed) : Stepped(seed), job("job/" + base64(chance.bytes(15 + chance.number(12)))) {}
  std::string answer(std::string_view said) override {
    if (said.starts_with("POST /jobs ")) {
      std::string escaped;
      for (const char c : job) escaped += c == '/' ? "\\/" : std::string(1, c);
      return fmt::format("HTTP/1.1 201 Created\r\n\r\n{{\"n\":{},\"job\":\"{}\",\"at\":1}}", chance.number(1000),
                         escaped);
    }
    std::string body, left(said.substr(std::min(said.size(), said.find("\r\n\r\n") + 4)));
    for (;;) {
      const size_t line = left.find("\r\n");
      if (line == std::string::npos) return "HTTP/1.1 400 Bad\r\n\r\n";
      const size_t size = std::strtoul(left.c_str(), nullptr, 16);
      if (size == 0) break;
      if (left.size() < line + 4 + size || left.substr(line + 2 + size, 2) != "\r\n") return "HTTP/1.1 400 Bad\r\n\r\n";
      body += left.substr(line + 2, size);
      left = left.substr(line + 4 + size);
    }
    reached = body == "{\"job\":\"" + job + "\",\"run\":\"id\"}";
    return "HTTP/1.1 200 OK\r\n\r\n";
  }
  std::string job;
};
Client chunked_client(uint64_t) {
  return [](size_t step, const std::vector<std::string>& answers) -> std::optional<std::string> {
    if (step == 0) return "POST /jobs HTTP/1.1\r\nHost: toy\r\nContent-Length: 0\r\n\r\n";
    if (step > 1) return std::nullopt;
    std::string job = between(answers[1], "\"job\":\"", "\"");
    std::erase(job, '\\');
    const std::string first = "{\"job\":\"" + job + "\",", second = "\"run\":\"id\"}";
    return fmt::format(
        "PUT /run HTTP/1.1\r\nHost: toy\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{}\r\n{:x}\r\n{}\r\n0\r\n\r\n",
        first.size(), first, second.size(), second);
  };
}

// The client's key is its own, and so are the masks of its frames.
struct WebSocket : Stepped {
  explicit WebSocket(uint64_t seed) : Stepped(seed), ticket(base64(chance.bytes(24))) {}
  std::string answer(std::string_view said) override {
    if (said.starts_with("GET /ticket"))
      return fmt::format("HTTP/1.1 200 OK\r\nSet-Cookie: ticket={}\r\n\r\n", percent(ticket));
    if (said.starts_with("GET /ws")) {
      step = said.find("Cookie: ticket=" + percent(ticket) + "\r\n") != said.npos;
      return fmt::format("HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: {}\r\n\r\n",
                         base64(chance.bytes(20)));
    }
    reached = step == 1 && said.starts_with("\x81\x82");
    return "\x81\2ok";
  }
  std::string ticket;
};
Client web_socket_client(uint64_t seed) {
  auto chance = std::make_shared<Chance>(seed);
  return [chance](size_t step, const std::vector<std::string>& answers) -> std::optional<std::string> {
    if (step == 0) return "GET /ticket HTTP/1.1\r\nHost: 198.51.100.3:8080\r\n\r\n";
    if (step == 1)
      return fmt::format(
          "GET /ws HTTP/1.1\r\nHost: 198.51.100.3:8080\r\nUpgrade: websocket\r\nSec-WebSocket-Key: {}\r\n"
          "Sec-WebSocket-Version: 13\r\nCookie: ticket={}\r\n\r\n",
          base64(chance->bytes(16)), between(answers[1], "ticket=", "\r\n"));
    if (step > 2) return std::nullopt;
    std::string frame = "\x81\x82" + chance->bytes(4);
    for (const size_t i : {0, 1}) frame.push_back(static_cast<char>("id"[i] ^ frame[2 + i]));
    return frame;
  };
}

// A number in decimal that returns as an integer, behind the length of the message and before its checksum.
struct Integer : Stepped {
  explicit Integer(uint64_t seed) : Stepped(seed), id(chance.between(100'000, 4'000'000'000)) {}
  std::string greeting() override { return fmt::format("id {} pid {}\n", id, chance.number(30'000)); }
  std::string answer(std::string_view said) override {
    reached = said.size() == 13 && said.substr(1, 4) == be32(id) &&
              be32(crc32(as_bytes(said.substr(0, 9)))) == said.substr(9);
    return "ok\n";
  }
  uint64_t id;
};
Client integer_client(uint64_t) {
  return [](size_t step, const std::vector<std::string>& answers) -> std::optional<std::string> {
    if (step > 0) return std::nullopt;
    const std::string said = "\x07" + be32(std::stoull(between(answers[0], "id ", " "))) + "run\n";
    return said + be32(crc32(as_bytes(said)));
  };
}

TEST(Toys, AreReachedByTheirOwnClients) {
  for (const Toy& toy : toys()) {
    for (uint64_t seed = 0; seed < 20; ++seed) {
      const Recording recording = held(toy, seed);
      EXPECT_TRUE(replayed(toy, recording, plan_as_recorded(recording), seed)) << toy.name << " " << seed;
    }
  }
}

}  // namespace

std::vector<Toy> toys() {
  return {{"stateless text", made<Stateless>(), stateless_client, false},
          {"HTTP cookie, CSRF token, Content-Length", made<Web>(), web_client},
          {"binary RPC: length, handle, context, name", made<Rpc>(), rpc_client},
          {"nonce and stamp", made<Nonce>(), nonce_client},
          {"raw bytes returned in hex", made<RawToHex>(), raw_to_hex_client},
          {"port of a data connection", made<Passive>(), passive_client},
          {"IMAP literal", made<Imap>(), imap_client},
          {"chunked upload with a job's id", made<Chunked>(), chunked_client},
          {"WebSocket with a ticket", made<WebSocket>(), web_socket_client},
          {"integer with a checksum", made<Integer>(), integer_client},
          {"keyed digest", made<Keyed>(), keyed_client, true, true}};
}

}  // namespace skep::replay::test
