// Exhibits: the files that alerts concern. Of each alert watch is asked for the program, its interpreter, and what its
// session wrote; what comes is hashed, told to the proxy after its alert, and kept for a while, so that the proxy can
// fetch it piece by piece. Attackers' bytes: they are hashed and passed on, nothing else. One thread; the time is
// passed in.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/sha256.h"
#include "judge/outbox.h"
#include "judge/watch_link.h"

namespace skep::judge {

class Exhibits {
 public:
  static constexpr size_t kOpenMax = 4096;  // alerts whose file is not told yet: beyond it none is asked for, counted
  static constexpr size_t kAsksMax = 64;    // … of which watch has so many to answer
  static constexpr size_t kWaitMax = 192;   // … and so many wait to be asked for: beyond it the record says so
  // Written files wait apart, so that they keep no program waiting; beyond the bound the record says so.
  static constexpr size_t kWrittenAsksMax = 2;
  static constexpr size_t kWrittenWaitMax = 1024;
  static constexpr int64_t kAnswerNs = 5'000'000'000;
  static constexpr size_t kKeptMax = 64;  // copies that the proxy can fetch; beyond it, or these bytes, the oldest goes
  static constexpr uint64_t kKeptBytes = uint64_t{64} << 20;
  static constexpr size_t kKnownMax = 256;          // files whose SHA-256 is known while they are unchanged
  static constexpr size_t kSliceBytes = 256 << 10;  // hashed in one step
  static constexpr size_t kWantedMax = 16;          // pieces that the proxy waits for

  // `ask` sends the order to watch and returns its ticket.
  using Ask = std::function<uint32_t(const skep_file_order& order)>;
  Exhibits(Outbox& outbox, Ask ask) : outbox_(outbox), ask_(std::move(ask)) {}

  // What an alert concerns: the program that was to run, or the one that its process runs; what a session wrote.
  struct Subject {
    uint64_t alert = 0;
    uint32_t pid = 0;  // of the alert
    uint32_t service = 0;
    wire::FileFound::Role role = wire::FileFound::PROGRAM;
    skep_file_how how = SKEP_FILE_PENDING;
    std::string path;
    std::string former_path;  // another by which it may be found
    uint64_t device = 0;      // of the file that the kernel opened; 0: not known
    uint64_t inode = 0;
    uint64_t key = 0;        // WRITTEN
    uint32_t other_pid = 0;  // another process by which it may be found; 0: none
    std::string why;         // what must be said of it in any case
  };
  void open(const Subject& subject, int64_t now_ns);
  // The alert has been put into the outbox.
  void told(uint64_t alert);
  // It will not be put there any more, if it has not been.
  void forget(uint64_t alert);
  // Of an alert that has been put into the outbox: another file, or how many more there were than are told.
  void add(const Subject& subject, int64_t now_ns);
  void left_out(const Subject& subject, uint64_t count);
  void answered(FileAnswer answer);
  // Hashes a slice, gives up what watch does not answer.
  void step(int64_t now_ns);
  bool busy() const { return !hashing_.empty(); }

  void wanted(const wire::FileWanted& wanted);
  // The piece that the proxy waits for, or none; `sent` once the channel has it.
  std::optional<wire::Frame> next_piece() const;
  void sent() { wanted_.pop_front(); }
  void taken(const std::string& sha256);
  void peer_gone() { wanted_.clear(); }

  uint64_t missed() const { return missed_; }

 private:
  struct Exhibit {
    Subject subject;
    bool told = false;
    bool ready = false;
    bool asked = false;
    std::optional<int64_t> deadline_ns;  // for its turn, then for watch's answer
    wire::FileFound found;
  };
  struct Identity {
    uint64_t device, inode, bytes, changed_ns;
    bool operator==(const Identity&) const = default;
  };
  struct Copy {
    Identity identity;
    Fd content;
    uint64_t copied = 0;
    bool own = false;
    uint64_t hashed = 0;
    Sha256 hash;
    std::vector<uint32_t> waiting;  // tickets
  };
  struct Hashed {
    Identity identity;
    std::string sha256;
    uint64_t copied = 0;
    bool own = false;
    bool script = false;
  };
  struct Kept {
    std::string sha256;
    Fd content;
    uint64_t copied = 0;
  };

  static Exhibit begin(const Subject& subject);
  void ask(Exhibit exhibit, int64_t now_ns);
  void ask_waiting(int64_t now_ns);
  void give_up(int64_t now_ns);
  void tell(wire::FileFound found);
  void answer_over(Exhibit& exhibit);
  void same(uint32_t ticket, const Identity& identity);
  void hash_slice();
  void hashed(Copy copy, const std::string& trouble);
  void keep(const std::string& sha256, Copy copy);
  void fill(uint32_t ticket, const Hashed& hashed);
  void lacking(uint32_t ticket, const std::string& why);
  void finish(std::map<uint32_t, Exhibit>::iterator at);

  Outbox& outbox_;
  const Ask ask_;
  std::map<uint32_t, Exhibit> open_;  // by watch's ticket; those that it was not asked for count from above
  uint32_t last_unasked_ = UINT32_MAX;
  size_t asks_ = 0;               // all of them
  size_t written_asks_ = 0;       // … of written files
  std::deque<uint32_t> waiting_;  // in open_, if they are not forgotten or given up
  std::deque<Exhibit> written_waiting_;
  std::deque<Copy> hashing_;
  std::deque<Hashed> known_;
  std::deque<Kept> kept_;
  std::deque<wire::FileWanted> wanted_;
  uint64_t missed_ = 0;
};

}  // namespace skep::judge
