#include "watch/orders.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

#include "base/log.h"
#include "base/passing.h"
#include "match/automaton.h"
#include "model/watch_records.h"
#include "watch/end_processes.h"

namespace skep::watch {
namespace {

template <typename Record>
void send_record(int socket, const Record& record, size_t bytes = sizeof(Record)) {
  // The socket blocks: a judge that does not read holds up its own orders, nobody else's verdicts.
  if (::send(socket, &record, bytes, MSG_NOSIGNAL) < 0 && errno != EPIPE && errno != ECONNRESET) {
    log::warning("a record to the judge could not be sent: {}", std::strerror(errno));
  }
}

void send_file_answer(int socket, const skep_file_answer& answer, const Fd& content) {
  if (!content) return send_record(socket, answer);
  if (send_with_descriptor(socket, &answer, sizeof answer, content.get()) < 0 && errno != EPIPE && errno != ECONNRESET)
    log::warning("a copy for the judge could not be sent: {}", std::strerror(errno));
}

// `done`: what came of it, a number where it has one.
skep_answer answer_of(uint32_t ticket, const Result<uint32_t>& done) {
  skep_answer answer{};
  answer.head = {done ? uint32_t{SKEP_DONE} : uint32_t{SKEP_REFUSED}, ticket};
  answer.count = done.value_or(0);
  if (done) return answer;
  answer.error = done.error().code;
  const std::string& words = done.error().message;
  answer.text_bytes = static_cast<uint32_t>(std::min(words.size(), sizeof answer.text));
  std::memcpy(answer.text, words.data(), answer.text_bytes);
  return answer;
}

}  // namespace

Orders::Outcome Orders::take_one(int socket) {
  static_assert(sizeof(skep_profile_order) <= sizeof(skep_service_order), "a packet is no longer than this");
  alignas(skep_service_order) char packet[sizeof(skep_service_order)];
  const ssize_t got = ::recv(socket, packet, sizeof packet, MSG_TRUNC);
  if (got < 0 && (errno == EINTR || errno == EAGAIN)) return Outcome::done;
  if (got <= 0) return Outcome::closed;
  const auto bytes = static_cast<size_t>(got);
  skep_watch_head head{};
  if (bytes < sizeof head || bytes > sizeof packet) {
    log::warning("an order of {} bytes is none: left aside", bytes);
    return Outcome::done;
  }
  std::memcpy(&head, packet, sizeof head);
  if (head.type == SKEP_STOP) return Outcome::stop;
  if (head.type == SKEP_GET_FILE && bytes == sizeof(skep_file_order)) {
    const auto& order = *reinterpret_cast<const skep_file_order*>(packet);
    copier_.copy(order, leave_for(order));
    return Outcome::done;  // tell_copies has the answer, once there is one
  }
  send_record(socket, answer_of(head.ticket, answered(head, packet, bytes, socket)));
  tell_changes(socket);
  return Outcome::done;
}

// The key says which file was written; the generation of its inode, in the upper half, is the kernel's to know.
Leave Orders::leave_for(const skep_file_order& order) const {
  const uint64_t file = skep_file_id(order.device, order.inode);
  Leave leave;
  leave.own = order.service < SKEP_SERVICES_MAX && kernel_.is_allowed(order.service, file);
  leave.written = static_cast<uint32_t>(order.key ^ file) == 0 && kernel_.is_written(order.key);
  return leave;
}

Result<uint32_t> Orders::answered(const skep_watch_head& head, const char* packet, size_t bytes, int socket) {
  if (head.type == SKEP_END_PROCESSES && bytes == sizeof(skep_end_order))
    return end_processes(kernel_, *reinterpret_cast<const skep_end_order*>(packet));
  const Status obeyed = obey(head, packet, bytes, socket);
  if (!obeyed) return tl::unexpected<Error>(obeyed.error());
  return 0;
}

Status Orders::obey(const skep_watch_head& head, const char* packet, size_t bytes, int socket) {
  switch (head.type) {
    case SKEP_SET_TABLE:
      return set_table();
    case SKEP_SET_SERVICE:
    case SKEP_REMOVE_SERVICE: {
      if (bytes != sizeof(skep_service_order))
        return fail("a service order has {} bytes, not {}", sizeof(skep_service_order), bytes);
      const auto& order = *reinterpret_cast<const skep_service_order*>(packet);
      if (head.type == SKEP_SET_SERVICE) return services_.set(order);
      return services_.remove(std::string(order.name, ::strnlen(order.name, sizeof order.name)));
    }
    case SKEP_SET_PROFILE:
      if (bytes != sizeof(skep_profile_order))
        return fail("a profile order has {} bytes, not {}", sizeof(skep_profile_order), bytes);
      return profiles_.take(*reinterpret_cast<const skep_profile_order*>(packet));
    case SKEP_SNAPSHOT:
      return send_snapshot(socket, head.ticket);
    case SKEP_GET_COUNTERS:
      return send_counters(socket, head.ticket);
    case SKEP_SEAL:
      sealed_ = true;
      services_.seal();
      return {};
    default:
      return fail("no order of type {}", head.type);
  }
}

Status Orders::set_table() {
  // Copied once, then checked: what the judge writes to its memory afterwards changes nothing.
  const auto table = std::make_unique<skep_table>();
  const ssize_t got = ::pread(table_memory_, table.get(), sizeof *table, 0);
  if (got != static_cast<ssize_t>(sizeof *table)) return fail("the signature table's memory has {} bytes", got);
  if (!skep_table_valid(table.get())) return fail("the signature table points outside itself");
  return kernel_.set_table(*table);
}

Status Orders::send_snapshot(int socket, uint32_t ticket) {
  auto told = kernel_.snapshot([&](const skep_record* record) {
    skep_snapshot_record packet{};
    packet.head = {SKEP_SNAPSHOT_RECORD, ticket};
    std::memcpy(&packet.kernel, record, std::min<size_t>(record->size, sizeof packet.kernel));
    send_record(socket, packet);
  });
  for (const skep_service_state& state : services_.all_states()) {
    skep_service_state packet = state;
    packet.head = {SKEP_SERVICE_STATE, ticket};
    send_record(socket, packet);
  }
  send_record(socket, skep_watch_head{SKEP_SNAPSHOT_END, ticket});
  return told;
}

Status Orders::send_counters(int socket, uint32_t ticket) {
  const auto counters = kernel_.counters();
  if (!counters) return tl::unexpected<Error>(counters.error());
  skep_counters_answer packet{};
  packet.head = {SKEP_COUNTERS, ticket};
  packet.counters = *counters;
  packet.notices = notifier_.answered();
  packet.notices_denied = notifier_.refused();
  packet.programs_missed = copier_.missed();
  send_record(socket, packet);
  return {};
}

void Orders::tell_copies(int socket) {
  for (FileCopy& copy : copier_.take_done()) {
    copy.answer.head.type = SKEP_FILE;
    if (copy.answer.inode != 0)
      copy.answer.own = kernel_.is_allowed(copy.service, skep_file_id(copy.answer.device, copy.answer.inode)) ? 1 : 0;
    if (socket >= 0) send_file_answer(socket, copy.answer, copy.content);
  }
}

void Orders::tell_changes(int socket) {
  for (skep_service_state& state : services_.take_changes()) {
    state.head = {SKEP_SERVICE_STATE, 0};
    send_record(socket, state);
  }
}

}  // namespace skep::watch
