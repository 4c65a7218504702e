#include "proxy/session.h"

#include "base/result.h"

namespace skep::proxy {

// Legal rows, event by phase ('-': broken promise; the shard asks for no such event then):
//
//   event            connecting               relaying                         alone                  over
//   connected        → relaying               -                                -                      -
//   connect_failed   → over (reset client)    -                                -                      -
//   received         attacker's side alone    stays                            attacker's side alone  -
//   forwarded        -                        stays, or → over (both FIN)      -                      -
//   finished         attacker's side alone    stays, or → over (both FIN)      → over (FIN)           -
//   was_reset        → over                   → over (reset the other side)    → over                 -
//   hold             stays                    stays, or → over (both FIN)      -                      -
//   suppressed       → over                   → over                           -                      -
//   left_alone       → alone                  → alone                          -                      -
//   diverted         stays                    → connecting                     -                      -
//   end              → over (reset both)      → over (reset both)              → over (reset both)    stays

Commands Session::connected() {
  SKEP_CHECK(phase_ == Phase::connecting);
  phase_ = Phase::relaying;
  return pass_on_ends();
}

Commands Session::connect_failed(bool refused) {
  SKEP_CHECK(phase_ == Phase::connecting);
  return over(refused ? EndReason::bait_refused : EndReason::bait_unreachable, true, false);
}

void Session::received(Side from, uint64_t bytes) {
  SKEP_CHECK(phase_ == Phase::relaying || (phase_ != Phase::over && from == Side::client));
  leg(from).received += bytes;
  if (phase_ != Phase::alone) leg(other(from)).waiting += bytes;
}

Commands Session::forwarded(Side to, uint64_t bytes) {
  SKEP_CHECK(phase_ == Phase::relaying && bytes <= sendable(to));
  leg(to).waiting -= bytes;
  leg(to).forwarded += bytes;
  return pass_on_ends();
}

Commands Session::finished(Side from) {
  SKEP_CHECK(phase_ == Phase::relaying || (phase_ != Phase::over && from == Side::client));
  leg(from).input_over = true;
  if (phase_ == Phase::alone) return over(EndReason::filtered, false, false);
  if (reason_ == EndReason::open) reason_ = from == Side::client ? EndReason::client_closed : EndReason::server_closed;
  return phase_ == Phase::connecting ? Commands{} : pass_on_ends();
}

Commands Session::was_reset(Side from) {
  SKEP_CHECK(phase_ != Phase::over);
  const bool client = from == Side::client;
  if (phase_ == Phase::alone) return over(EndReason::filtered, false, false);
  return over(client ? EndReason::reset_by_client : EndReason::reset_by_server, !client, client);
}

Commands Session::end(EndReason reason) {
  if (phase_ == Phase::over) return {};
  return over(reason, true, true);
}

Commands Session::suppressed(bool quietly) {
  SKEP_CHECK(phase_ == Phase::connecting || phase_ == Phase::relaying);
  return over(EndReason::filtered, !quietly, !quietly);
}

void Session::left_alone() {
  SKEP_CHECK(phase_ == Phase::connecting || phase_ == Phase::relaying);
  phase_ = Phase::alone;
  held_ = 0;
  for (Leg& each : legs_) each.waiting = 0;
}

// What the bait has said by then, and nobody was told, is not this session's any more.
void Session::diverted() {
  SKEP_CHECK(phase_ == Phase::connecting || phase_ == Phase::relaying);
  SKEP_CHECK(leg(Side::client).forwarded == 0 && leg(Side::bait).forwarded == 0);
  phase_ = Phase::connecting;
  held_ = 0;
  leg(Side::client).waiting = 0;
  leg(Side::bait).input_over = false;
  if (!leg(Side::client).input_over) reason_ = EndReason::open;
}

Commands Session::hold(uint64_t bytes) {
  SKEP_CHECK((phase_ == Phase::connecting || phase_ == Phase::relaying) && bytes <= leg(Side::bait).waiting);
  held_ = bytes;
  return phase_ == Phase::connecting ? Commands{} : pass_on_ends();
}

// A FIN goes to the other side once everything before it has gone; when both have, the session is over.
Commands Session::pass_on_ends() {
  Commands commands;
  for (const Side side : {Side::client, Side::bait}) {
    if (!leg(other(side)).input_over || leg(side).waiting > 0 || leg(side).output_over) continue;
    leg(side).output_over = true;
    commands.push_back(side == Side::client ? Command::finish_client : Command::finish_bait);
  }
  if (leg(Side::client).output_over && leg(Side::bait).output_over) {
    phase_ = Phase::over;
    commands.push_back(Command::close);
  }
  return commands;
}

Commands Session::over(EndReason reason, bool reset_client, bool reset_bait) {
  phase_ = Phase::over;
  reason_ = reason;
  Commands commands;
  if (reset_client) commands.push_back(Command::reset_client);
  if (reset_bait) commands.push_back(Command::reset_bait);
  commands.push_back(Command::close);
  return commands;
}

// Back-pressure: a side is not read while bytes wait for the other, but that what the attacker sends meanwhile, up to
// the buffer's bound, is taken in before the bait stands. What is held does not wait for the bait: more of it is
// wanted.
bool Session::wants_read(Side side) const {
  if (phase_ == Phase::over || legs_[index(side)].input_over) return false;
  const uint64_t waiting = legs_[index(other(side))].waiting;
  if (phase_ == Phase::alone) return side == Side::client;
  if (phase_ == Phase::connecting) return side == Side::client && waiting < buffer_bytes_;
  return sendable(other(side)) == 0 && waiting < buffer_bytes_;
}

bool Session::wants_write(Side side) const {
  return phase_ == Phase::relaying && sendable(side) > 0;
}

}  // namespace skep::proxy
