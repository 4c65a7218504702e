// The files that one bait's monitor tells of: said in the logs of the sessions whose alerts they belong to, their
// copies fetched piece by piece, one at a time, whenever the monitor has nothing better to say. All of it are claims of
// a host that may have been taken over: a file of no alert of ours is refused, every copy is bounded, and is kept only
// if it is what its SHA-256 says. One thread at a time.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <tuple>
#include <vector>

#include "archive/evidence_store.h"
#include "formats/segment.h"
#include "wire/control.pb.h"

namespace skep::proxy {

class FileIntake {
 public:
  static constexpr size_t kAlertsMax = 20'000;  // whose files are still taken
  static constexpr size_t kFilesAnAlert = 72;   // of its session, and as many of the writer's
  static constexpr size_t kTransfersMax = 64;   // under way or waiting
  static constexpr uint64_t kSessionBytes = uint64_t{64} << 20;
  static constexpr size_t kSessionFiles = 64;
  static constexpr size_t kStrangersMax = 256;  // files whose alert has not found its session yet
  static constexpr int64_t kStrangerNs = 5'000'000'000;
  static constexpr int64_t kPieceNs = 10'000'000'000;  // for which the next piece is waited for
  static constexpr int64_t kAwayNs = 60'000'000'000;   // … where the monitor is away

  using Send = std::function<void(wire::Frame)>;
  // To be said in the session's log.
  using Tell = std::function<void(SessionId, formats::FileEvent)>;
  FileIntake(archive::EvidenceStore& store, Tell tell, Send send)
      : store_(store), tell_(std::move(tell)), send_(std::move(send)) {}
  ~FileIntake();

  void alert_delivered(const Alert& alert, SessionId session);
  void found(const wire::FileFound& file, int64_t now_ns);
  void piece(const wire::FileChunk& chunk, int64_t now_ns);
  void monitor_came(int64_t now_ns);
  void monitor_gone(int64_t now_ns);
  void step(int64_t now_ns);

  size_t under_way() const { return transfers_.size(); }
  uint64_t refused() const { return refused_; }

 private:
  using AlertKey = std::pair<uint64_t, uint32_t>;  // id and pid
  struct Told {
    SessionId session;
    AlertRole role;
  };
  struct Known {
    std::vector<Told> sessions;
    std::vector<std::tuple<int, uint64_t, uint64_t>> files;  // role, device, inode
  };
  struct Spent {
    uint64_t bytes = 0;
    size_t files = 0;
  };
  struct Transfer {
    std::string sha256;  // as it came
    uint64_t bytes = 0;
    std::vector<std::pair<SessionId, formats::FileEvent>> waiting;
    std::unique_ptr<archive::EvidenceStore::Incoming> incoming;
    bool asked = false;
    int64_t deadline_ns = 0;
  };
  struct Stranger {
    wire::FileFound file;
    int64_t since_ns;
  };

  bool take(const wire::FileFound& file, int64_t now_ns);
  void take_for(SessionId session, const wire::FileFound& file, int64_t now_ns);
  bool within_budget(SessionId session, uint64_t bytes);
  void record(SessionId session, formats::FileEvent event, formats::FileState state, const std::string& why);
  void ask(int64_t now_ns);
  void finish(formats::FileState state, const std::string& why);

  archive::EvidenceStore& store_;
  const Tell tell_;
  const Send send_;
  std::map<AlertKey, Known> alerts_;
  std::deque<AlertKey> alerts_order_;
  std::map<uint64_t, Spent> spent_;  // by session
  std::deque<Transfer> transfers_;   // the first is under way
  std::deque<Stranger> strangers_;
  bool connected_ = false;
  uint64_t refused_ = 0;
};

}  // namespace skep::proxy
