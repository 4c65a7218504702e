#include "proxy/session.h"

#include "base/result.h"

namespace skep::proxy {

// Legal rows, event by phase ('-': broken promise; the shard asks for no such event then):
//
//   event            connecting               relaying                         over
//   connected        → relaying               -                                -
//   connect_failed   → over (reset client)    -                                -
//   received         attacker's side alone    stays                            -
//   forwarded        -                        stays, or → over (both FIN)      -
//   finished         attacker's side alone    stays, or → over (both FIN)      -
//   was_reset        → over                   → over (reset the other side)    -
//   end              → over (reset both)      → over (reset both)              stays

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
  SKEP_CHECK(phase_ == Phase::relaying || (phase_ == Phase::connecting && from == Side::client));
  leg(from).received += bytes;
  leg(other(from)).waiting += bytes;
}

Commands Session::forwarded(Side to, uint64_t bytes) {
  SKEP_CHECK(phase_ == Phase::relaying && bytes <= leg(to).waiting);
  leg(to).waiting -= bytes;
  leg(to).forwarded += bytes;
  return pass_on_ends();
}

Commands Session::finished(Side from) {
  SKEP_CHECK(phase_ == Phase::relaying || (phase_ == Phase::connecting && from == Side::client));
  leg(from).input_over = true;
  if (reason_ == EndReason::open) reason_ = from == Side::client ? EndReason::client_closed : EndReason::server_closed;
  return phase_ == Phase::connecting ? Commands{} : pass_on_ends();
}

Commands Session::was_reset(Side from) {
  SKEP_CHECK(phase_ != Phase::over);
  const bool client = from == Side::client;
  return over(client ? EndReason::reset_by_client : EndReason::reset_by_server, !client, client);
}

Commands Session::end(EndReason reason) {
  if (phase_ == Phase::over) return {};
  return over(reason, true, true);
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
// the buffer's bound, is taken in before the bait stands.
bool Session::wants_read(Side side) const {
  if (phase_ == Phase::over || legs_[index(side)].input_over) return false;
  const uint64_t waiting = legs_[index(other(side))].waiting;
  if (phase_ == Phase::connecting) return side == Side::client && waiting < buffer_bytes_;
  return waiting == 0;
}

bool Session::wants_write(Side side) const {
  return phase_ == Phase::relaying && legs_[index(side)].waiting > 0;
}

}  // namespace skep::proxy
