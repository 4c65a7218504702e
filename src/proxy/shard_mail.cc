// What others tell the shard: words on its sessions, which it records, and errands of the proxy.
#include "base/clock.h"
#include "base/log.h"
#include "proxy/shard.h"

namespace skep::proxy {

void Shard::take_mail() {
  std::deque<Mail> mails = mailbox_.take_all();
  for (Mail& mail : mails) {
    if (auto* word = std::get_if<Word>(&mail)) {
      std::visit([&](auto& what) { take_word(word->session, std::move(what)); }, word->what);
    } else {
      std::get<Errand>(mail)(*this);
    }
  }
  mailbox_.done(mails.size());
}

void Shard::take_word(SessionId session, const formats::NoteEvent& event) {
  writer_->note(session, now_realtime_ns(), event);
}
void Shard::take_word(SessionId session, const formats::ServedEvent& event) {
  writer_->served(session, now_realtime_ns(), event);
}
void Shard::take_word(SessionId session, const formats::ProcessEvent& event) {
  writer_->process(session, now_realtime_ns(), event);
}
void Shard::take_word(SessionId session, const formats::FileEvent& event) {
  writer_->file(session, now_realtime_ns(), event);
}

void Shard::take_word(SessionId session, Alert alert) {
  const auto found = live_.find(session.value);
  const bool cut = alert.raises_to() == SessionClass::attack && found != live_.end() &&
                   service(slots_[found->second].service).options.on_alert == formats::OnAlert::cut;
  const AlertAction done = alert.action;
  if (cut) alert.action = AlertAction::cut;
  const SessionClass before = writer_->class_of(session);
  writer_->alert(session, now_realtime_ns(), alert);
  counters_.alert(alert.rule);
  if (start_ns(session) >= started_ns_)
    counters_.raised(writer_->service_of(session), before, writer_->class_of(session));
  if (alert.crash_state) writer_->crash(session, now_realtime_ns(), {alert.id, *alert.crash_state});
  log::write_repeated({"alerts", 200}, log::Level::warning,
                      fmt::format("{} {} {} by pid {}, {} ({})", alert.rule, alert.syscall, alert.arguments, alert.pid,
                                  to_string(alert.action), to_string(alert.confidence)),
                      to_string(session));
  if (!cut) return;
  writer_->note(
      session, now_realtime_ns(),
      {formats::NoteKind::cut, fmt::format("cut on the alert; on the honeypot host the call was {}", to_string(done))});
  end(found->second, EndReason::cut);
}

bool Shard::cut_by_operator(SessionId session) {
  const auto found = live_.find(session.value);
  if (found == live_.end()) return false;
  writer_->note(session, now_realtime_ns(), {formats::NoteKind::cut, "cut by the operator"});
  end(found->second, EndReason::cut);
  return true;
}

void Shard::stop(int64_t deadline_ns) {
  stop_deadline_ns_ = deadline_ns;
  if (std::exchange(stopping_, true)) return;
  for (Listener& listener : listeners_) {
    listener.taking = false;
    if (listener.door.protocol == Protocol::tcp) listener.socket.reset();
  }
  headers_->end_all(EndReason::shutdown, [this](HeaderIntake::Outcome outcome) { header_taken(std::move(outcome)); });
  count_headers();
}

Status Shard::take_settings(std::shared_ptr<const Settings> settings, const std::vector<Listening>& all,
                            const Fresh& fresh) {
  settings_ = std::move(settings);
  return point_listeners(all, *fresh);
}

void Shard::add_to(Picture& picture) {
  picture.counters += counters_;
  for (const auto& [id, index] : live_) {
    const Slot& slot = slots_[index];
    ServiceCounters& of = picture.counters.services[service_name(slot.service)];
    const formats::ClosedEvent so_far = slot.relay.figures();
    of.bytes_in += so_far.bytes_in;
    of.bytes_out += so_far.bytes_out;
    picture.descriptors_of_sessions += slot.relay.descriptors();
  }
  picture.ring_bytes += writer_->ring_bytes();
  picture.ring_bytes_used += writer_->ring_bytes_used();
  picture.waiting_for_port += waiting_for_port_.size();
}

}  // namespace skep::proxy
