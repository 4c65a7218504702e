#include "replay/crypto_marks.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>
#include <vector>

#include "base/ascii.h"
#include "base/bytes.h"

namespace skep::replay {

namespace {

constexpr size_t kHeadBytes = 64 << 10;  // of a message, where a mark is looked for

// One connection's dialogue as text, a message an element; the client's also in small letters.
struct Said {
  bool by_client;
  std::string_view text;
  std::string small;
};
using Dialogue = std::vector<Said>;

bool has(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

template <typename Holds>
bool client_says(const Dialogue& dialogue, const Holds& holds) {
  return std::any_of(dialogue.begin(), dialogue.end(),
                     [&](const Said& said) { return said.by_client && holds(said.text); });
}
bool client_says_any_case(const Dialogue& dialogue, std::string_view small) {
  return std::any_of(dialogue.begin(), dialogue.end(), [&](const Said& said) { return has(said.small, small); });
}
template <typename Holds>
bool server_says(const Dialogue& dialogue, const Holds& holds) {
  return std::any_of(dialogue.begin(), dialogue.end(),
                     [&](const Said& said) { return !said.by_client && holds(said.text); });
}

// A record of a handshake whose first message is a ClientHello; also behind STARTTLS.
bool tls(const Dialogue& dialogue) {
  return client_says(dialogue, [](std::string_view text) {
    return text.size() >= 6 && text[0] == 0x16 && text[1] == 0x03 && text[2] <= 0x04 && text[5] == 0x01;
  });
}

// RFC 4253: both have said who they are, and SSH_MSG_KEXINIT (20) comes behind its length and padding.
bool ssh(const Dialogue& dialogue) {
  const auto banner = [](std::string_view text) { return has(text, "SSH-2.0-") || has(text, "SSH-1."); };
  const auto kexinit = [](std::string_view text) {
    if (text.starts_with("SSH-")) text.remove_prefix(std::min(text.size(), text.find('\n') + 1));
    return text.size() > 5 && text[0] == 0 && text[5] == 20;
  };
  return server_says(dialogue, banner) && client_says(dialogue, banner) && client_says(dialogue, kexinit);
}

// RFC 5802: "n,,n=" begins the client's first message, "biws" the same in base64.
bool scram(const Dialogue& dialogue) {
  const auto names = [](std::string_view text) { return has(text, "SCRAM-SHA-"); };
  return (client_says(dialogue, names) || server_says(dialogue, names)) &&
         client_says(dialogue, [](std::string_view text) {
           return has(text, "n,,n=") || has(text, "y,,n=") || has(text, "biws") || has(text, "eSws") ||
                  has(text, "p=tls-");
         });
}

bool http_digest(const Dialogue& dialogue) {
  return std::any_of(dialogue.begin(), dialogue.end(), [](const Said& said) {
    return has(said.small, "authorization: digest ") && has(said.small, "response=");
  });
}

bool cram_md5(const Dialogue& dialogue) {
  return client_says_any_case(dialogue, "cram-md5");
}

bool digest_md5(const Dialogue& dialogue) {
  return client_says_any_case(dialogue, "digest-md5");
}

bool apop(const Dialogue& dialogue) {
  return std::any_of(dialogue.begin(), dialogue.end(),
                     [](const Said& said) { return said.small.starts_with("apop "); });
}

// The handshake's response (protocol 4.1): behind 4 bytes of header and 32 of capabilities a user's name and a length
// of what proves it.
bool has_mysql_proof(std::string_view text) {
  if (text.size() < 40 || text[3] != 1) return false;
  const size_t name_end = text.find('\0', 36);
  return name_end != std::string_view::npos && name_end + 1 < text.size() && text[name_end + 1] != 0;
}

bool mysql(const Dialogue& dialogue) {
  if (dialogue.size() < 2 || dialogue[0].by_client) return false;
  const std::string_view greeting = dialogue[0].text;
  return greeting.size() > 40 && greeting[3] == 0 && greeting[4] == 10 && has_mysql_proof(dialogue[1].text);
}

// AuthenticationMD5Password: 'R', 12, 5, and a salt.
bool postgres_md5(const Dialogue& dialogue) {
  constexpr std::string_view kAsks("R\0\0\0\x0C\0\0\0\5", 9);
  return server_says(dialogue, [&](std::string_view text) { return has(text, kAsks); }) &&
         client_says(dialogue, [](std::string_view text) { return text.starts_with("p") && has(text, "md5"); });
}

// The third message, which answers the challenge; in base64 too.
bool ntlm(const Dialogue& dialogue) {
  constexpr std::string_view kAnswers("NTLMSSP\0\3", 9);
  return client_says(dialogue, [&](std::string_view text) { return has(text, kAnswers) || has(text, "TlRMTVNTUAAD"); });
}

// RFC 6143: a challenge of 16 bytes and 16 bytes in answer.
bool vnc(const Dialogue& dialogue) {
  if (dialogue.empty() || dialogue[0].by_client || !dialogue[0].text.starts_with("RFB 00")) return false;
  for (size_t i = 1; i + 1 < dialogue.size(); ++i) {
    const std::string_view asked = dialogue[i].text;
    if (!dialogue[i].by_client && asked.size() >= 16 && asked.size() <= 20 && dialogue[i + 1].by_client &&
        dialogue[i + 1].text.size() >= 16)
      return true;
  }
  return false;
}

// The mechanism's object identifier, 1.2.840.113554.1.2.2, and in what HTTP calls Negotiate.
bool kerberos(const Dialogue& dialogue) {
  constexpr std::string_view kMechanism = "\x2A\x86\x48\x86\xF7\x12\x01\x02\x02";
  return client_says(dialogue, [&](std::string_view text) { return has(text, kMechanism); }) ||
         client_says_any_case(dialogue, "authorization: negotiate yii");
}

struct Mark {
  std::string_view name;
  bool (*holds)(const Dialogue&);
};
constexpr std::array<Mark, 12> kMarks = {{{"TLS", tls},
                                          {"SSH key exchange", ssh},
                                          {"SCRAM", scram},
                                          {"HTTP Digest", http_digest},
                                          {"CRAM-MD5", cram_md5},
                                          {"DIGEST-MD5", digest_md5},
                                          {"APOP", apop},
                                          {"MySQL password", mysql},
                                          {"PostgreSQL md5 password", postgres_md5},
                                          {"NTLM", ntlm},
                                          {"VNC password", vnc},
                                          {"Kerberos", kerberos}}};

}  // namespace

std::string recognised_crypto(const Recording& recording) {
  std::vector<Dialogue> dialogues(recording.connections.size());
  for (const Message& message : recording.messages) {
    if (message.connection >= dialogues.size()) continue;
    Said said{message.direction == Direction::to_bait, as_text(message.bytes).substr(0, kHeadBytes), ""};
    if (said.by_client) {
      said.small = said.text;
      for (char& c : said.small) c = static_cast<char>(lower(static_cast<uint8_t>(c)));
    }
    dialogues[message.connection].push_back(std::move(said));
  }
  for (const Dialogue& dialogue : dialogues) {
    for (const Mark& mark : kMarks) {
      if (mark.holds(dialogue)) return std::string(mark.name);
    }
  }
  return "";
}

}  // namespace skep::replay
