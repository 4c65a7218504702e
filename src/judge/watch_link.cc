#include "judge/watch_link.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/log.h"
#include "base/passing.h"

namespace skep::judge {
namespace {

constexpr int kAnswerTimeoutMs = 15'000;
constexpr size_t kPacketBytesMax =
    std::max({sizeof(skep_answer), sizeof(skep_snapshot_record), sizeof(skep_counters_answer),
              sizeof(skep_service_state), sizeof(skep_file_answer)});

template <typename Record>
Record copy_of(const char* packet) {
  Record record;
  std::memcpy(&record, packet, sizeof record);
  return record;
}

}  // namespace

template <typename Record>
Result<uint32_t> WatchLink::ask(uint32_t type, Record record) {
  const uint32_t ticket = ++last_ticket_;
  if constexpr (std::is_same_v<Record, skep_watch_head>) {
    record = {type, ticket};
  } else {
    record.head = {type, ticket};
  }
  if (::send(socket_.get(), &record, sizeof record, MSG_NOSIGNAL) < 0) return fail_errno("speak to watch");
  return await(ticket);
}

template <typename Record>
Status WatchLink::order(uint32_t type, const Record& record) {
  const auto answer = ask(type, record);
  if (!answer) return tl::unexpected<Error>(answer.error());
  return {};
}

Result<uint32_t> WatchLink::await(uint32_t ticket) {
  while (true) {
    const auto answer =
        std::find_if(answers_.begin(), answers_.end(), [&](const skep_answer& a) { return a.head.ticket == ticket; });
    if (answer != answers_.end()) {
      const skep_answer found = *answer;
      answers_.erase(answer);
      if (found.head.type == SKEP_DONE) return found.count;
      return tl::unexpected<Error>(
          Error{std::string(found.text, std::min<size_t>(found.text_bytes, sizeof found.text)), found.error});
    }
    if (!receive(kAnswerTimeoutMs)) return fail("{}", gone_ ? "watch is gone" : "watch gives no answer");
  }
}

bool WatchLink::receive(int timeout_ms) {
  if (gone_) return false;
  pollfd wait{socket_.get(), POLLIN, 0};
  if (::poll(&wait, 1, timeout_ms) <= 0) return false;
  alignas(8) char packet[kPacketBytesMax];
  Fd descriptor;
  const ssize_t got = receive_with_descriptor(socket_.get(), packet, sizeof packet, descriptor);
  if (got < 0 && errno == EINTR) return true;
  if (got < static_cast<ssize_t>(sizeof(skep_watch_head))) {
    gone_ = true;
    return false;
  }
  take(packet, std::move(descriptor));
  return true;
}

void WatchLink::take(const char* packet, Fd descriptor) {
  switch (copy_of<skep_watch_head>(packet).type) {
    case SKEP_DONE:
    case SKEP_REFUSED:
      answers_.push_back(copy_of<skep_answer>(packet));
      break;
    case SKEP_SNAPSHOT_RECORD:
      snapshot_.push_back(copy_of<skep_snapshot_record>(packet));
      break;
    case SKEP_SERVICE_STATE:
      states_.push_back(copy_of<skep_service_state>(packet));
      break;
    case SKEP_COUNTERS:
      counters_ = copy_of<skep_counters_answer>(packet);
      break;
    case SKEP_FILE:
      files_.push_back({copy_of<skep_file_answer>(packet), std::move(descriptor)});
      break;
    default:
      break;
  }
}

void WatchLink::pump() {
  while (receive(0)) {
  }
}

Status WatchLink::set_table() {
  return order(SKEP_SET_TABLE, skep_watch_head{});
}
Status WatchLink::set_service(skep_service_order service) {
  return order(SKEP_SET_SERVICE, service);
}
Status WatchLink::set_profile(const skep_profile_order& profile) {
  return order(SKEP_SET_PROFILE, profile);
}
Status WatchLink::seal() {
  return order(SKEP_SEAL, skep_watch_head{});
}

uint32_t WatchLink::ask_file(skep_file_order order) {
  order.head = {SKEP_GET_FILE, ++last_ticket_};
  // A watch that is gone gives no answer, which the asker has a time for.
  [[maybe_unused]] const ssize_t sent = ::send(socket_.get(), &order, sizeof order, MSG_NOSIGNAL);
  return last_ticket_;
}

Status WatchLink::remove_service(const std::string& name) {
  skep_service_order service{};
  std::strncpy(service.name, name.c_str(), sizeof service.name - 1);
  return order(SKEP_REMOVE_SERVICE, service);
}

Result<uint32_t> WatchLink::end_processes(const skep_flow& flow, int signal) {
  skep_end_order order{};
  order.flow = flow;
  order.signal = static_cast<uint32_t>(signal);
  return ask(SKEP_END_PROCESSES, order);
}

Result<skep_counters_answer> WatchLink::counters() {
  if (auto asked = order(SKEP_GET_COUNTERS, skep_watch_head{}); !asked) return tl::unexpected<Error>(asked.error());
  return counters_;
}

Result<std::vector<skep_snapshot_record>> WatchLink::snapshot() {
  snapshot_.clear();
  if (auto asked = order(SKEP_SNAPSHOT, skep_watch_head{}); !asked) return tl::unexpected<Error>(asked.error());
  return std::exchange(snapshot_, {});
}

}  // namespace skep::judge
