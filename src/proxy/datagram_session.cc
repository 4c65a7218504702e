#include "proxy/datagram_session.h"

#include "base/result.h"

namespace skep::proxy {

// Legal rows, event by phase ('-': broken promise; the relay asks for no such event then):
//
//   event            connecting               relaying                   over
//   connected        → relaying               -                          -
//   connect_failed   → over                   -                          -
//   received         attacker's side alone    stays, or → over (bytes)   -
//   forwarded        -                        stays                      -
//   dropped          stays                    stays                      stays
//   refused          -                        → over                     -
//   end              → over                   → over                     stays

void DatagramSession::connected() {
  SKEP_CHECK(phase_ == Phase::connecting);
  phase_ = Phase::relaying;
}

void DatagramSession::connect_failed(bool refused) {
  SKEP_CHECK(phase_ == Phase::connecting);
  over(refused ? EndReason::bait_refused : EndReason::bait_unreachable);
}

bool DatagramSession::received(Side from, uint64_t bytes) {
  SKEP_CHECK(phase_ == Phase::relaying || (phase_ == Phase::connecting && from == Side::client));
  legs_[index(from)].received += bytes;
  answered_ |= from == Side::bait;
  const uint64_t both = received_from(Side::client) + received_from(Side::bait);
  if (bytes_max_ == 0 || both < bytes_max_) return true;
  end(EndReason::limit);
  return false;
}

void DatagramSession::forwarded(Side to, uint64_t bytes) {
  SKEP_CHECK(phase_ == Phase::relaying);
  legs_[index(to)].forwarded += bytes;
}

void DatagramSession::dropped(Side to, uint64_t datagrams) {
  legs_[index(to)].dropped += datagrams;
}

void DatagramSession::refused() {
  SKEP_CHECK(phase_ == Phase::relaying);
  over(EndReason::bait_refused);
}

void DatagramSession::end(EndReason reason) {
  if (phase_ != Phase::over) over(reason);
}

void DatagramSession::over(EndReason reason) {
  phase_ = Phase::over;
  reason_ = reason;
}

}  // namespace skep::proxy
