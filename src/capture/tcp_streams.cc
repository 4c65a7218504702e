#include "capture/tcp_streams.h"

#include <algorithm>
#include <vector>

#include "base/result.h"

namespace skep::capture {
namespace {

// Further off than a window can be (RFC 7323) nothing is of this connection.
constexpr int32_t kWindowMax = 1 << 30;
// A RST counts where its sender stands, or as far before it as a capture may have lost of it.
constexpr int32_t kResetWindow = 1 << 20;
// A SYN may come after the first bytes where the capture has mixed its packets up.
constexpr uint32_t kLateSyn = 1 << 20;
// What a piece that waits costs beside its bytes.
constexpr size_t kPieceCost = 96;

// How far `a` is behind `b`, in sequence numbers.
int32_t distance(uint32_t a, uint32_t b) {
  return static_cast<int32_t>(a - b);
}

size_t cost(const Bytes& piece) {
  return piece.size() + kPieceCost;
}

Direction opposite(Direction direction) {
  return direction == Direction::to_bait ? Direction::to_client : Direction::to_bait;
}

}  // namespace

TcpStreams::TcpStreams(StreamEvents& events, const StreamLimits& limits) : events_(events), limits_(limits) {
  SKEP_CHECK(limits.connections > 0);
}
TcpStreams::~TcpStreams() = default;

void TcpStreams::take(const TcpSegment& segment) {
  if (segment.source == segment.destination) {
    ++counts_.stray_segments;
    return;
  }
  const Ends ends = std::minmax(segment.source, segment.destination);
  auto found = flows_.find(ends);
  if (found != flows_.end() && begins_another(found->second, segment)) {
    end(found->second, found->second.reason);
    by_silence_.erase(found->second.place);
    flows_.erase(found);
    found = flows_.end();
  }
  if (found == flows_.end()) {
    const bool opens = segment.is_syn || segment.bytes > 0;
    if (!opens || segment.is_rst) return;
    found = open(ends, segment);
  }
  Flow& flow = found->second;
  by_silence_.splice(by_silence_.end(), by_silence_, flow.place);
  flow.connection.now_ns = segment.time_ns;
  if (flow.ended) return;
  take(flow, segment.source == flow.connection.client ? Direction::to_bait : Direction::to_client, segment);
}

// Whether these ends speak of a new connection: a port is free again at once.
bool TcpStreams::begins_another(const Flow& flow, const TcpSegment& segment) {
  if (!segment.is_syn) return false;
  const Endpoint& client = segment.is_ack ? segment.destination : segment.source;
  if (client != flow.connection.client) return true;
  const Half& sent = flow.half(Direction::to_bait);
  const uint32_t first_seq = segment.is_ack ? segment.ack : segment.seq + 1;
  // A server may confirm bytes of the SYN with it (RFC 7413).
  if (flow.known_start) return first_seq - sent.first_seq > (segment.is_ack ? kLateSyn : 0);
  return flow.ended || sent.over || sent.first_seq - first_seq > kLateSyn;
}

TcpStreams::Flows::iterator TcpStreams::open(const Ends& ends, const TcpSegment& first) {
  while (flows_.size() >= limits_.connections) put_out_one();
  // The lower port serves, where nobody has said who does.
  const bool from_server = first.is_syn ? first.is_ack : first.source.port < first.destination.port;
  const auto made = flows_.emplace(ends, Flow{}).first;
  Flow& flow = made->second;
  flow.connection.number = ++counts_.connections;
  flow.connection.client = from_server ? first.destination : first.source;
  flow.connection.server = from_server ? first.source : first.destination;
  flow.connection.begun_ns = first.time_ns;
  flow.known_start = first.is_syn;
  Half& sent = flow.half(Direction::to_bait);
  sent.begun = true;
  sent.first_seq = from_server ? first.ack : first.seq + (first.is_syn ? 1 : 0);
  flow.place = by_silence_.insert(by_silence_.end(), &made->first);
  counts_.midstream += flow.known_start ? 0 : 1;
  return made;
}

void TcpStreams::put_out_one() {
  const auto longest_silent = flows_.find(*by_silence_.front());
  if (!longest_silent->second.ended) {
    // Of one whose client had said its last nothing is missing but an answer.
    if (!longest_silent->second.half(Direction::to_bait).over) ++counts_.put_out;
    end(longest_silent->second, longest_silent->second.reason);
  }
  by_silence_.pop_front();
  flows_.erase(longest_silent);
}

void TcpStreams::take(Flow& flow, Direction direction, const TcpSegment& segment) {
  Half& half = flow.half(direction);
  if (!half.begun) {
    half.begun = true;
    half.first_seq = segment.seq + (segment.is_syn ? 1 : 0);
  }
  const int32_t ahead = distance(segment.seq + (segment.is_syn ? 1 : 0), half.next_seq());
  if (ahead > kWindowMax || ahead < -kWindowMax) {
    counts_.stray_segments += half.over ? 0 : 1;
    return;
  }
  if (segment.is_rst) return reset(flow, direction, ahead);
  if (segment.is_ack) confirm(flow, opposite(direction), segment);
  if (flow.ended || half.over) return;
  const int64_t offset = static_cast<int64_t>(half.next) + ahead;
  const int64_t behind = offset + segment.bytes;
  if (segment.is_fin && behind >= static_cast<int64_t>(half.next))
    half.fin_at = std::min(half.fin_at, static_cast<uint64_t>(behind));
  // What stands before the first byte that was captured of the connection is no more of it than what came twice.
  const auto known = static_cast<size_t>(
      std::clamp<int64_t>(static_cast<int64_t>(half.next) - offset, 0, static_cast<int64_t>(segment.payload.size())));
  counts_of(direction).again_bytes += known;
  take_bytes(flow, direction, static_cast<uint64_t>(std::max<int64_t>(offset + static_cast<int64_t>(known), 0)),
             segment.payload.subspan(known));
  finish_if_whole(flow, direction);
}

// The other end has what the capture does not have: it will not come any more.
void TcpStreams::confirm(Flow& flow, Direction direction, const TcpSegment& segment) {
  Half& half = flow.half(direction);
  if (!half.begun || half.over) return;
  const int32_t more = distance(segment.ack, half.next_seq());
  const uint64_t acked = more > 0 && more <= kWindowMax ? half.next + static_cast<uint64_t>(more) : half.next;
  while (!half.early.empty() && half.early.begin()->first <= acked) skip(flow, direction);
  finish_if_whole(flow, direction);
}

void TcpStreams::reset(Flow& flow, Direction direction, int32_t ahead) {
  if (ahead < 0 || ahead > kResetWindow) {
    counts_.stray_segments += flow.half(direction).over ? 0 : 1;
    return;
  }
  const EndReason by = direction == Direction::to_bait ? EndReason::reset_by_client : EndReason::reset_by_server;
  end(flow, flow.half(direction).over ? flow.reason : by);  // who has said its last only sweeps up
}

void TcpStreams::take_bytes(Flow& flow, Direction direction, uint64_t offset, ByteView bytes) {
  Half& half = flow.half(direction);
  if (bytes.empty() || offset >= half.fin_at) return;
  if (half.early.empty() && offset == half.next) return give(flow, direction, bytes);
  hold(half, counts_of(direction), offset, bytes);
  give_early(flow, direction);
  while (!half.early.empty() && (half.early_cost > limits_.early_bytes || all_early_cost_ > limits_.all_early_bytes))
    skip(flow, direction);
}

// Puts in what no piece that is held has.
void TcpStreams::hold(Half& half, DirectionCounts& counts, uint64_t offset, ByteView bytes) {
  const auto put = [&](auto before, uint64_t at, ByteView piece) {
    const auto made = half.early.emplace_hint(before, at, Bytes(piece.begin(), piece.end()));
    half.early_cost += cost(made->second);
    all_early_cost_ += cost(made->second);
  };
  auto next = half.early.upper_bound(offset);
  if (next != half.early.begin()) {
    const auto& [at, piece] = *std::prev(next);
    const auto covered = static_cast<size_t>(
        std::min<uint64_t>(bytes.size(), at + piece.size() > offset ? at + piece.size() - offset : 0));
    counts.again_bytes += covered;
    offset += covered;
    bytes = bytes.subspan(covered);
  }
  while (!bytes.empty()) {
    const uint64_t room = next == half.early.end() ? bytes.size() : next->first - offset;
    const ByteView piece = bytes.first(static_cast<size_t>(std::min<uint64_t>(bytes.size(), room)));
    if (!piece.empty()) put(next, offset, piece);
    offset += piece.size();
    bytes = bytes.subspan(piece.size());
    if (bytes.empty() || next == half.early.end()) return;
    const size_t covered = std::min(bytes.size(), next->second.size());
    counts.again_bytes += covered;
    offset += covered;
    bytes = bytes.subspan(covered);
    ++next;
  }
}

void TcpStreams::give(Flow& flow, Direction direction, ByteView bytes) {
  Half& half = flow.half(direction);
  bytes = bytes.first(static_cast<size_t>(std::min<uint64_t>(bytes.size(), half.fin_at - half.next)));
  if (bytes.empty()) return;
  counts_of(direction).bytes += bytes.size();
  events_.sent(flow.connection, direction, half.next, bytes);
  half.next += bytes.size();
}

// The first piece that is held.
Bytes TcpStreams::take_out(Half& half) {
  Bytes piece = std::move(half.early.extract(half.early.begin()).mapped());
  half.early_cost -= cost(piece);
  all_early_cost_ -= cost(piece);
  return piece;
}

void TcpStreams::give_early(Flow& flow, Direction direction) {
  Half& half = flow.half(direction);
  while (!half.early.empty() && half.early.begin()->first == half.next) {
    give(flow, direction, take_out(half));
  }
}

void TcpStreams::lose(Flow& flow, Direction direction, uint64_t up_to) {
  Half& half = flow.half(direction);
  DirectionCounts& counts = counts_of(direction);
  ++counts.gaps;
  counts.lost_bytes += up_to - half.next;
  events_.lost(flow.connection, direction, half.next, up_to - half.next);
  half.next = up_to;
}

// Waits no longer for what stands before the first piece that is held.
void TcpStreams::skip(Flow& flow, Direction direction) {
  lose(flow, direction, flow.half(direction).early.begin()->first);
  give_early(flow, direction);
}

// Nothing more comes of the direction.
void TcpStreams::let_go(Flow& flow, Direction direction) {
  Half& half = flow.half(direction);
  while (!half.early.empty() && half.early.begin()->first < half.fin_at) skip(flow, direction);
  while (!half.early.empty()) take_out(half);  // behind its end
  if (half.fin_at != UINT64_MAX && half.fin_at > half.next) lose(flow, direction, half.fin_at);
}

void TcpStreams::finish_if_whole(Flow& flow, Direction direction) {
  Half& half = flow.half(direction);
  if (half.over || half.next < half.fin_at) return;
  let_go(flow, direction);
  half.over = true;
  // Who says its last first has ended it.
  if (flow.reason == EndReason::open)
    flow.reason = direction == Direction::to_bait ? EndReason::client_closed : EndReason::server_closed;
  events_.finished(flow.connection, direction);
  if (flow.half(opposite(direction)).over) end(flow, flow.reason);
}

void TcpStreams::end(Flow& flow, EndReason reason) {
  if (flow.ended) return;
  for (const Direction direction : {Direction::to_bait, Direction::to_client}) {
    Half& half = flow.half(direction);
    if (half.over) continue;
    let_go(flow, direction);
    if (half.next != half.fin_at) continue;
    half.over = true;
    events_.finished(flow.connection, direction);
  }
  flow.ended = true;
  events_.ended(flow.connection, reason);
}

void TcpStreams::finish() {
  std::vector<Flow*> all;
  for (auto& [ends, flow] : flows_) all.push_back(&flow);
  std::ranges::sort(all, {}, [](const Flow* flow) { return flow->connection.number; });
  for (Flow* const flow : all) end(*flow, flow->reason);
  flows_.clear();
  by_silence_.clear();
}

}  // namespace skep::capture
