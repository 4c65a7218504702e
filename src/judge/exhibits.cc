#include "judge/exhibits.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "wire/frame.h"

namespace skep::judge {
namespace {

constexpr const char* kTooMany = "too many files were asked for at a time";

std::string words_for(const skep_file_answer& answer, skep_file_how how) {
  switch (answer.outcome) {
    case SKEP_FILE_NOT_HELD:
      return how == SKEP_FILE_PENDING
                 ? "not held: nobody was asked before it ran (an adopted service), or too many came at a time"
                 : "not looked at: the process had ended";
    case SKEP_FILE_GONE:
      return how == SKEP_FILE_WRITTEN ? "not there any more: removed, or under a name that is not known"
                                      : "not looked at: the process had ended, and its name leads elsewhere";
    case SKEP_FILE_CLOSED:
      return how == SKEP_FILE_WRITTEN ? "too many files have been written since: it is not known any more"
                                      : "not looked at: not everybody may read and run it";
    case SKEP_FILE_NO_FILE:
      return "no regular file: nothing of it was read";
    case SKEP_FILE_UNREADABLE:
      return fmt::format("it could not be read: {}", std::strerror(answer.error));
    case SKEP_FILE_TOO_SLOW:
      return "it gave its bytes too slowly";
    default:
      return "too many files were to be copied at a time";
  }
}

// Of a written file that was found, but not by the name that it is told under.
std::string clue_words(const Exhibits::Subject& subject, const skep_file_answer& answer) {
  if (subject.how != SKEP_FILE_WRITTEN || answer.inode == 0) return "";
  switch (answer.clue) {
    case SKEP_FILE_BY_FORMER_NAME:
      return "found under its former name";
    case SKEP_FILE_BY_DESCRIPTOR:
      return "found open in its process, under no name that is known";
    case SKEP_FILE_BY_FOLDER:
      return "found in the folder, under another name";
    default:
      return "";
  }
}

skep_file_order order_for(const Exhibits::Subject& subject) {
  skep_file_order order{};
  order.pid[0] = subject.pid;
  order.pid[1] = subject.other_pid;
  order.service = subject.service;
  order.how = subject.how;
  order.device = subject.device;
  order.inode = subject.inode;
  order.key = subject.key;
  // A name that is cut leads elsewhere: it is left out.
  for (size_t i = 0; const std::string* path : {&subject.path, &subject.former_path}) {
    if (path->size() < sizeof order.path[i]) std::memcpy(order.path[i], path->data(), path->size());
    ++i;
  }
  return order;
}

bool is_script(int content) {
  char begin[2] = {};
  return ::pread(content, begin, sizeof begin, 0) == sizeof begin && begin[0] == '#' && begin[1] == '!';
}

void append(std::string& why, const std::string& words) {
  why += (why.empty() ? "" : "; ") + words;
}

}  // namespace

Exhibits::Exhibit Exhibits::begin(const Subject& subject) {
  Exhibit exhibit;
  exhibit.subject = subject;
  exhibit.found.set_alert(subject.alert);
  exhibit.found.set_pid(subject.pid);
  exhibit.found.set_role(subject.role);
  exhibit.found.set_path(subject.path);
  exhibit.found.set_device(subject.device);
  exhibit.found.set_inode(subject.inode);
  return exhibit;
}

void Exhibits::open(const Subject& subject, int64_t now_ns) {
  if (open_.size() >= kOpenMax) {
    ++missed_;
    return;
  }
  if (waiting_.empty() && asks_ < kAsksMax) return ask(begin(subject), now_ns);
  const uint32_t place = last_unasked_--;
  Exhibit& exhibit = open_.emplace(place, begin(subject)).first->second;
  if (waiting_.size() >= kWaitMax) return lacking(place, kTooMany);
  exhibit.deadline_ns = now_ns + kAnswerNs;
  waiting_.push_back(place);
}

void Exhibits::ask(Exhibit exhibit, int64_t now_ns) {
  const Subject& subject = exhibit.subject;
  exhibit.deadline_ns = now_ns + kAnswerNs;
  exhibit.asked = true;
  ++asks_;
  if (subject.how == SKEP_FILE_WRITTEN) ++written_asks_;
  const uint32_t ticket = ask_(order_for(subject));
  open_.emplace(ticket, std::move(exhibit));
}

void Exhibits::add(const Subject& subject, int64_t now_ns) {
  Exhibit exhibit = begin(subject);
  exhibit.told = true;
  if (written_waiting_.size() >= kWrittenWaitMax) {
    exhibit.found.set_why("too many files waited to be asked for");
    return tell(std::move(exhibit.found));
  }
  written_waiting_.push_back(std::move(exhibit));
  ask_waiting(now_ns);
}

// Programs first: watch holds them for a moment only.
void Exhibits::ask_waiting(int64_t now_ns) {
  while (!waiting_.empty() && asks_ < kAsksMax) {
    const auto at = open_.find(waiting_.front());
    waiting_.pop_front();
    if (at == open_.end() || at->second.ready) continue;
    Exhibit exhibit = std::move(at->second);
    open_.erase(at);
    ask(std::move(exhibit), now_ns);
  }
  while (!written_waiting_.empty() && written_asks_ < kWrittenAsksMax && asks_ < kAsksMax) {
    Exhibit exhibit = std::move(written_waiting_.front());
    written_waiting_.pop_front();
    ask(std::move(exhibit), now_ns);
  }
}

void Exhibits::left_out(const Subject& subject, uint64_t count) {
  wire::FileFound found = begin(subject).found;
  found.set_left_out(count);
  found.set_why(subject.why);
  tell(std::move(found));
}

void Exhibits::told(uint64_t alert) {
  for (auto at = open_.begin(); at != open_.end();) {
    const auto exhibit = at++;
    if (exhibit->second.subject.alert != alert) continue;
    exhibit->second.told = true;
    finish(exhibit);
  }
}

void Exhibits::forget(uint64_t alert) {
  for (auto at = open_.begin(); at != open_.end();) {
    const auto exhibit = at++;
    if (exhibit->second.subject.alert != alert || exhibit->second.told) continue;
    answer_over(exhibit->second);
    open_.erase(exhibit);
  }
}

void Exhibits::tell(wire::FileFound found) {
  wire::Frame frame;
  *frame.mutable_file_found() = std::move(found);
  outbox_.put(std::move(frame));
}

// Watch has answered, or is not waited for any longer.
void Exhibits::answer_over(Exhibit& exhibit) {
  exhibit.deadline_ns.reset();
  if (!exhibit.asked) return;
  exhibit.asked = false;
  --asks_;
  if (exhibit.subject.how == SKEP_FILE_WRITTEN) --written_asks_;
}

void Exhibits::finish(std::map<uint32_t, Exhibit>::iterator at) {
  if (!at->second.told || !at->second.ready) return;
  wire::FileFound found = std::move(at->second.found);
  std::string why = at->second.subject.why;
  if (!found.why().empty()) append(why, found.why());
  found.set_why(why);
  open_.erase(at);
  tell(std::move(found));
}

void Exhibits::answered(FileAnswer answer) {
  const skep_file_answer& facts = answer.facts;
  const auto found = open_.find(facts.head.ticket);
  if (found == open_.end() || !found->second.asked) return;  // it was given up
  answer_over(found->second);
  if (const std::string words = clue_words(found->second.subject, facts); !words.empty())
    append(found->second.subject.why, words);
  const Identity identity{facts.device, facts.inode, facts.bytes, facts.changed_ns};
  if (facts.outcome == SKEP_FILE_SAME) return same(facts.head.ticket, identity);
  if (facts.outcome != SKEP_FILE_COPIED || !answer.content || facts.copied > wire::kFileBytesMax)
    return lacking(facts.head.ticket, words_for(facts, found->second.subject.how));
  Copy copy{identity, std::move(answer.content), facts.copied, facts.own != 0, 0, Sha256(), {facts.head.ticket}};
  hashing_.push_back(std::move(copy));
}

// As an earlier copy, which may be in the midst of being hashed.
void Exhibits::same(uint32_t ticket, const Identity& identity) {
  for (Copy& copy : hashing_) {
    if (copy.identity == identity) return copy.waiting.push_back(ticket);
  }
  const auto known =
      std::find_if(known_.rbegin(), known_.rend(), [&](const Hashed& h) { return h.identity == identity; });
  if (known != known_.rend()) return fill(ticket, *known);
  lacking(ticket, "unchanged since an earlier alert, whose copy is not remembered any more");
}

void Exhibits::step(int64_t now_ns) {
  hash_slice();
  give_up(now_ns);
  ask_waiting(now_ns);
}

// What watch has not answered in time, and what has not had its turn.
void Exhibits::give_up(int64_t now_ns) {
  if (asks_ == 0) return;
  std::vector<uint32_t> late;
  for (const auto& [ticket, exhibit] : open_) {
    if (exhibit.deadline_ns && *exhibit.deadline_ns <= now_ns) late.push_back(ticket);
  }
  for (const uint32_t ticket : late) {
    Exhibit& exhibit = open_.at(ticket);
    const char* const why = exhibit.asked ? "no copy came in time" : kTooMany;
    answer_over(exhibit);
    lacking(ticket, why);
  }
}

void Exhibits::hash_slice() {
  if (hashing_.empty()) return;
  Copy& copy = hashing_.front();
  Bytes slice(std::min<uint64_t>(kSliceBytes, copy.copied - copy.hashed));
  const ssize_t got =
      slice.empty() ? 0 : ::pread(copy.content.get(), slice.data(), slice.size(), static_cast<off_t>(copy.hashed));
  const bool whole = got == static_cast<ssize_t>(slice.size());
  if (whole) copy.hash.add(slice);
  copy.hashed += slice.size();
  if (whole && copy.hashed < copy.copied) return;
  Copy done = std::move(copy);
  hashing_.pop_front();
  hashed(std::move(done), whole ? "" : "the copy could not be read");
}

void Exhibits::hashed(Copy copy, const std::string& trouble) {
  const std::vector<uint32_t> waiting = copy.waiting;
  if (!trouble.empty()) {
    for (const uint32_t ticket : waiting) lacking(ticket, trouble);
    return;
  }
  Hashed result{copy.identity, std::string(as_text(copy.hash.finish())), copy.copied, copy.own,
                is_script(copy.content.get())};
  if (!copy.own) keep(result.sha256, std::move(copy));
  for (const uint32_t ticket : waiting) fill(ticket, result);
  known_.push_back(std::move(result));
  if (known_.size() > kKnownMax) known_.pop_front();
}

void Exhibits::keep(const std::string& sha256, Copy copy) {
  std::erase_if(kept_, [&](const Kept& kept) { return kept.sha256 == sha256; });
  kept_.push_back({sha256, std::move(copy.content), copy.copied});
  uint64_t bytes = 0;
  for (const Kept& kept : kept_) bytes += kept.copied;
  while (kept_.size() > kKeptMax || bytes > kKeptBytes) {
    bytes -= kept_.front().copied;
    kept_.pop_front();
  }
}

void Exhibits::fill(uint32_t ticket, const Hashed& hashed) {
  const auto at = open_.find(ticket);
  if (at == open_.end()) return;
  const Subject& subject = at->second.subject;
  wire::FileFound& found = at->second.found;
  std::string why;
  const Identity& id = hashed.identity;
  if (subject.inode != 0 && (subject.inode != id.inode || subject.device != id.device))
    append(why, fmt::format("{}: what the kernel opened is inode {} on device {:#x}",
                            hashed.script ? "a script" : "as the caller named it", subject.inode, subject.device));
  if (hashed.own) append(why, "the service's own program: known, so not copied");
  if (id.bytes > hashed.copied) append(why, fmt::format("longer than {} bytes: its beginning", hashed.copied));
  found.set_device(id.device);
  found.set_inode(id.inode);
  found.set_bytes(id.bytes);
  found.set_sha256(hashed.sha256);
  found.set_copied(hashed.copied);
  found.set_offered(!hashed.own);
  found.set_why(why);
  at->second.ready = true;
  finish(at);
}

void Exhibits::lacking(uint32_t ticket, const std::string& why) {
  const auto at = open_.find(ticket);
  if (at == open_.end()) return;
  at->second.found.set_why(why);
  at->second.ready = true;
  finish(at);
}

void Exhibits::wanted(const wire::FileWanted& wanted) {
  if (wanted_.size() < kWantedMax) wanted_.push_back(wanted);
}

std::optional<wire::Frame> Exhibits::next_piece() const {
  if (wanted_.empty()) return std::nullopt;
  const wire::FileWanted& wanted = wanted_.front();
  wire::Frame frame;
  wire::FileChunk& chunk = *frame.mutable_file_chunk();
  chunk.set_sha256(wanted.sha256());
  chunk.set_offset(wanted.offset());
  const auto kept =
      std::find_if(kept_.begin(), kept_.end(), [&](const Kept& each) { return each.sha256 == wanted.sha256(); });
  if (kept == kept_.end() || wanted.offset() >= std::max<uint64_t>(kept->copied, 1)) {
    chunk.set_gone(true);
    return frame;
  }
  std::string content(std::min<uint64_t>(wire::kChunkBytesMax, kept->copied - wanted.offset()), '\0');
  const ssize_t got = ::pread(kept->content.get(), content.data(), content.size(), static_cast<off_t>(wanted.offset()));
  if (got != static_cast<ssize_t>(content.size())) chunk.set_gone(true);
  if (!chunk.gone()) chunk.set_content(std::move(content));
  return frame;
}

void Exhibits::taken(const std::string& sha256) {
  std::erase_if(kept_, [&](const Kept& kept) { return kept.sha256 == sha256; });
}

}  // namespace skep::judge
