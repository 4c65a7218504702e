// A session: one attacker connection, from accept to end; of datagrams, what passes between two ends until they are
// silent. Values only; any thread.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace skep {

// Microseconds since 1970 (52 bits) and a running number (12 bits), of which the low six bits say which of the
// archive's writers has given it: unique in one archive, sorted by time.
struct SessionId {
  uint64_t value = 0;
  auto operator<=>(const SessionId&) const = default;
};
constexpr unsigned kWriterNumbers = 64;
constexpr unsigned writer_number(SessionId id) {
  return static_cast<unsigned>(id.value % kWriterNumbers);
}
// Which of so many writers knows the session: the one that gave the id, or took the place of that one.
constexpr unsigned writer_of(SessionId id, unsigned writers) {
  return writer_number(id) % writers;
}
// "20261124T110512123456-0a7": of [0-9A-Za-z-], sortable by time.
std::string to_string(SessionId id);
std::optional<SessionId> parse_session_id(std::string_view text);
SessionId make_session_id(int64_t realtime_ns, unsigned running_number);
int64_t start_ns(SessionId id);

// An address and port; IPv4 is kept v4-mapped (::ffff:a.b.c.d). Port in host order.
struct Endpoint {
  std::array<uint8_t, 16> address{};
  uint16_t port = 0;
  auto operator<=>(const Endpoint&) const = default;
  bool is_v4() const;
};
std::string address_text(const Endpoint& endpoint);             // "192.0.2.1", "2001:db8::1"
std::string to_string(const Endpoint& endpoint);                // "192.0.2.1:80", "[2001:db8::1]:80"
std::optional<Endpoint> parse_endpoint(std::string_view text);  // the same back; port 0 where none is given

// What a service speaks; IANA's numbers.
enum class Protocol : uint8_t { tcp = 6, udp = 17 };
std::string_view to_string(Protocol value);  // "tcp", "udp"

enum class Direction : uint8_t { to_bait = 0, to_client = 1 };

// The triage class, in rising order of what it means; a session's class only ever rises above harmless.
enum class SessionClass : uint8_t { known = 0, harmless = 1, suspect = 2, attack = 3 };

enum class EndReason : uint8_t {
  open = 0,  // not ended
  client_closed,
  server_closed,
  reset_by_client,
  reset_by_server,
  bait_refused,
  bait_unreachable,
  timeout,
  limit,
  cut,
  shutdown,
  crash_recovered,
  filtered,      // a payload rule said that it is known: it went no further
  not_recorded,  // imported from a recording that does not have its end
};

enum class AlertAction : uint8_t { observed = 0, denied = 1, killed = 2, cut = 3 };

// How much a payload rule that fired says (formats/rule_grade.h).
enum class RuleGrade : uint8_t {
  specific,  // this very attack is known: suppress it
  generic,   // a way that many attacks go, new ones too: tag the session, and forward it
};

// What was done because a payload rule fired.
enum class HitAction : uint8_t {
  tagged = 0,     // nothing: the session goes on
  late = 1,       // nothing, for what it would have kept away had been forwarded already
  dropped = 2,    // this and the next three: the session was suppressed
  reset = 3,      // … by a reset of the attacker's connection
  tarpitted = 4,  // … which is kept open and read slowly
  diverted = 5,   // … and went on to another address
  trapped = 6,    // the session went to the bait instead of to production
  switched = 7,   // later sessions of the source go there
};
constexpr bool suppresses(HitAction action) {
  return action >= HitAction::dropped && action <= HitAction::diverted;
}

// Whose part in it the alert is, where one session wrote what another has started; else it is the doer's alone.
enum class AlertRole : uint8_t { doer = 0, starter = 1, writer = 2 };

// How sure the monitor is of the session that an alert names (design section 5).
enum class Confidence : uint8_t { none = 0, inherited = 1, handoff = 2, confirmed = 3, exact = 4 };

std::string_view to_string(SessionClass value);
std::string_view to_string(EndReason value);  // "client-closed" …; "open"
std::string_view to_string(AlertAction value);
std::string_view to_string(RuleGrade value);
std::string_view to_string(HitAction value);
std::string_view to_string(AlertRole value);  // "doer" …
std::string_view to_string(Confidence value);
std::optional<SessionClass> parse_session_class(std::string_view text);

// One process in an alert's line of descent.
struct ProcessInfo {
  uint32_t pid = 0;
  uint32_t parent = 0;
  uint32_t uid = 0;
  int64_t start_ns = 0;  // realtime
  std::string exe;       // the file as it was named to the kernel
  std::string args;      // separated by blanks, as far as they were kept
  std::string comm;
};

// Where a process was when a signal ended it. Registers in the order of kRegisterNames.
struct CrashState {
  uint32_t pid = 0;
  uint32_t tid = 0;
  std::string comm;  // the thread's
  uint32_t signal = 0;
  int32_t code = 0;      // si_code
  uint64_t address = 0;  // that it could not reach (SIGSEGV, SIGBUS), or where it was (SIGILL, SIGFPE)
  std::vector<uint64_t> registers;
  std::string code_bytes;  // the first bytes at rip, as far as they could be read
  std::string stack;       // … and at rsp
};
inline constexpr std::string_view kRegisterNames[] = {"rip", "rsp", "rflags", "rax", "rbx", "rcx", "rdx", "rsi", "rdi",
                                                      "rbp", "r8",  "r9",     "r10", "r11", "r12", "r13", "r14", "r15"};
std::string_view signal_name(uint32_t signal);  // "SIGSEGV"; "a signal" where it has no name here

// A violation, as the monitor tells it and as the session's log keeps it.
struct Alert {
  uint64_t id = 0;      // the monitor's own
  int64_t time_ns = 0;  // realtime, the monitor's clock
  std::string rule;     // the signature's name; "crash" for a serving process ended by a signal
  std::string priority;
  std::string description;
  uint32_t pid = 0;
  uint32_t tid = 0;
  std::string exe;         // the program concerned: the one that would have been started, or the caller's
  std::string syscall;     // "execve"
  std::string arguments;   // for a person: "/bin/sh -c id", "0.0.0.0:4444 backlog 5"
  std::string provenance;  // "register", "kernel", "user"
  AlertAction action = AlertAction::observed;
  Confidence confidence = Confidence::none;
  AlertRole role = AlertRole::doer;
  bool crash = false;                     // raises the class to suspect, not to attack
  bool suspect = false;                   // evidence that has come to a level which means no more; likewise
  std::vector<std::string> tags;          // of the signature: ATT&CK techniques …
  uint64_t stream_offset = 0;             // bytes of the session the service had read
  std::vector<std::string> steps;         // "2026-…Z pid 4242 dup2" of a sequence, in order
  std::vector<ProcessInfo> lineage;       // from the service's root to the violator
  std::vector<uint64_t> candidates;       // flow serials, where the session is not certain
  std::optional<CrashState> crash_state;  // in the session's log it is a record of its own

  // The class that the alert raises its session to.
  SessionClass raises_to() const {
    return crash || suspect || confidence == Confidence::none ? SessionClass::suspect : SessionClass::attack;
  }
};

// A payload rule that fired on what the client sent, as the session's log keeps it.
struct RuleHit {
  uint32_t gid = 1;
  uint32_t sid = 0;
  uint32_t rev = 0;
  std::string message;
  RuleGrade grade = RuleGrade::generic;
  HitAction action = HitAction::tagged;
  uint64_t stream_offset = 0;  // of the client's bytes: behind the last one that it took
};
std::string rule_name(const RuleHit& hit);  // "1:1002"

}  // namespace skep
