#include "proxy/file_intake.h"

#include <algorithm>
#include <utility>

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"

namespace skep::proxy {
namespace {

using formats::FileEvent;
using formats::FileRole;
using formats::FileState;

constexpr size_t kSessionsMax = 20'000;  // whose spending is remembered

bool is_written(const wire::FileFound& file) {
  return file.role() == wire::FileFound::WRITTEN || file.role() == wire::FileFound::WRITTEN_BY_WRITER;
}

FileEvent event_of(const wire::FileFound& file) {
  FileEvent event;
  event.alert = file.alert();
  event.pid = file.pid();
  event.path = file.path();
  event.device = file.device();
  event.inode = file.inode();
  event.bytes = file.bytes();
  event.copied = file.copied();
  event.sha256 = hex(as_bytes(file.sha256()));
  event.why = file.why();
  event.role = file.role() == wire::FileFound::INTERPRETER ? FileRole::interpreter
               : is_written(file)                          ? FileRole::written
                                                           : FileRole::program;
  event.left_out = file.left_out();
  return event;
}

// What a session has written is told to that session alone.
bool concerns(const wire::FileFound& file, AlertRole role) {
  return !is_written(file) || (role == AlertRole::writer) == (file.role() == wire::FileFound::WRITTEN_BY_WRITER);
}

}  // namespace

FileIntake::~FileIntake() {
  while (!transfers_.empty()) finish(FileState::not_stored, "cut: the proxy ended before all of it had come");
}

void FileIntake::alert_delivered(const Alert& alert, SessionId session) {
  const auto [known, fresh] = alerts_.try_emplace({alert.id, alert.pid});
  known->second.sessions.push_back({session, alert.role});
  if (!fresh) return;
  alerts_order_.push_back(known->first);
  if (alerts_order_.size() <= kAlertsMax) return;
  alerts_.erase(alerts_order_.front());
  alerts_order_.pop_front();
}

void FileIntake::found(const wire::FileFound& file, int64_t now_ns) {
  if (take(file, now_ns)) return;
  if (strangers_.size() >= kStrangersMax) {
    ++refused_;
    return;
  }
  strangers_.push_back({file, now_ns});
}

// False: its alert is not known, yet.
bool FileIntake::take(const wire::FileFound& file, int64_t now_ns) {
  const auto known = alerts_.find({file.alert(), file.pid()});
  if (known == alerts_.end()) return false;
  auto& files = known->second.files;
  const std::tuple<int, uint64_t, uint64_t> id{file.role(), file.device(), file.inode()};
  // What was under way when a connection ended is told again by the next.
  if (std::find(files.begin(), files.end(), id) != files.end()) return true;
  if (files.size() >= kFilesAnAlert) {
    ++refused_;
    return true;
  }
  files.push_back(id);
  for (const Told& told : known->second.sessions) {
    if (concerns(file, told.role)) take_for(told.session, file, now_ns);
  }
  return true;
}

void FileIntake::take_for(SessionId session, const wire::FileFound& file, int64_t now_ns) {
  FileEvent event = event_of(file);
  if (!event.sha256.empty() && store_.has(event.sha256)) return record(session, event, FileState::stored, event.why);
  if (!file.offered()) return record(session, event, FileState::not_stored, event.why);
  if (!within_budget(session, file.copied()))
    return record(session, event, FileState::not_stored,
                  fmt::format("the session's {} files or {} bytes are used up", kSessionFiles, kSessionBytes));
  auto transfer = std::find_if(transfers_.begin(), transfers_.end(),
                               [&](const Transfer& each) { return each.sha256 == file.sha256(); });
  if (transfer == transfers_.end()) {
    if (transfers_.size() >= kTransfersMax)
      return record(session, event, FileState::not_stored, "too many files wait to be fetched");
    transfer = transfers_.insert(transfers_.end(), Transfer{file.sha256(), file.copied(), {}, nullptr, false, 0});
    transfer->deadline_ns = now_ns + kAwayNs;
  }
  record(session, event, FileState::coming, event.why);
  transfer->waiting.emplace_back(session, std::move(event));
}

bool FileIntake::within_budget(SessionId session, uint64_t bytes) {
  Spent& spent = spent_[session.value];
  if (spent.files + 1 > kSessionFiles || spent.bytes + bytes > kSessionBytes) return false;
  spent.files += 1;
  spent.bytes += bytes;
  if (spent_.size() > kSessionsMax) spent_.erase(spent_.begin());  // of the oldest session
  return true;
}

void FileIntake::record(SessionId session, FileEvent event, FileState state, const std::string& why) {
  event.state = state;
  event.why = why;
  tell_(session, std::move(event));
}

void FileIntake::ask(int64_t now_ns) {
  Transfer& transfer = transfers_.front();
  if (!transfer.incoming) {
    auto incoming = store_.receive(hex(as_bytes(transfer.sha256)), transfer.bytes, now_realtime_ns());
    if (!incoming) return finish(FileState::not_stored, incoming.error().message);
    transfer.incoming = std::move(*incoming);
  }
  transfer.asked = true;
  transfer.deadline_ns = now_ns + kPieceNs;
  wire::Frame frame;
  frame.mutable_file_wanted()->set_sha256(transfer.sha256);
  frame.mutable_file_wanted()->set_offset(transfer.incoming->bytes());
  send_(std::move(frame));
}

void FileIntake::piece(const wire::FileChunk& chunk, int64_t now_ns) {
  if (transfers_.empty() || !transfers_.front().asked || transfers_.front().sha256 != chunk.sha256() ||
      transfers_.front().incoming->bytes() != chunk.offset()) {
    ++refused_;  // it was not asked for, or not any more
    return;
  }
  Transfer& transfer = transfers_.front();
  if (chunk.gone()) return finish(FileState::not_stored, "cut: the monitor has the copy no longer");
  if (chunk.content().empty() || chunk.content().size() > transfer.bytes - transfer.incoming->bytes())
    return finish(FileState::not_stored, "the monitor gave other bytes than it had said");
  if (auto put = transfer.incoming->append(as_bytes(chunk.content())); !put)
    return finish(FileState::not_stored, put.error().message);
  if (transfer.incoming->bytes() < transfer.bytes) return ask(now_ns);
  const auto whole = transfer.incoming->finish();
  finish(whole ? FileState::stored : FileState::not_stored, whole ? "" : whole.error().message);
}

// Of the first transfer; the next begins with the next step.
void FileIntake::finish(FileState state, const std::string& why) {
  Transfer transfer = std::move(transfers_.front());
  transfers_.pop_front();
  for (auto& [session, event] : transfer.waiting)
    record(session, event, state, state == FileState::stored ? event.why : why);
  if (state != FileState::stored)
    log::write_repeated({"files of alerts not kept"}, log::Level::warning,
                        fmt::format("a file of an alert is not kept ({}): {}", hex(as_bytes(transfer.sha256)), why));
  wire::Frame frame;
  frame.mutable_file_taken()->set_sha256(transfer.sha256);
  if (connected_) send_(std::move(frame));
}

void FileIntake::monitor_came(int64_t) {
  connected_ = true;
}

// What has come of a copy stays: the rest is asked of the next connection.
void FileIntake::monitor_gone(int64_t now_ns) {
  connected_ = false;
  for (Transfer& transfer : transfers_) {
    transfer.asked = false;
    transfer.deadline_ns = now_ns + kAwayNs;
  }
}

void FileIntake::step(int64_t now_ns) {
  for (Stranger& stranger : std::exchange(strangers_, {})) {
    if (take(stranger.file, now_ns)) continue;
    if (now_ns - stranger.since_ns > kStrangerNs) {
      ++refused_;
    } else {
      strangers_.push_back(std::move(stranger));
    }
  }
  while (!transfers_.empty()) {
    if (transfers_.front().asked || !connected_) {
      if (now_ns < transfers_.front().deadline_ns) return;
      finish(FileState::not_stored, "cut: the monitor gave no more of it");
    } else {
      ask(now_ns);  // it may be over at once: the disk
    }
  }
}

}  // namespace skep::proxy
