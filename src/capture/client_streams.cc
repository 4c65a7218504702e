#include "capture/client_streams.h"

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

}  // namespace

ClientStreams::ClientStreams(StreamEvents& events, const StreamLimits& limits) : events_(events), limits_(limits) {
  SKEP_CHECK(limits.connections > 0);
}
ClientStreams::~ClientStreams() = default;

void ClientStreams::take(const TcpSegment& segment) {
  if (segment.source == segment.destination) {
    ++counts_.stray_segments;
    return;
  }
  const Ends ends = std::minmax(segment.source, segment.destination);
  auto found = flows_.find(ends);
  if (found != flows_.end() && begins_another(found->second, segment)) {
    close(found->second);
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
  if (flow.ended) return;
  segment.source == flow.connection.client ? from_client(flow, segment) : from_server(flow, segment);
}

// Whether these ends speak of a new connection: a port is free again at once.
bool ClientStreams::begins_another(const Flow& flow, const TcpSegment& segment) {
  if (!segment.is_syn) return false;
  const Endpoint& client = segment.is_ack ? segment.destination : segment.source;
  if (client != flow.connection.client) return true;
  const uint32_t first_seq = segment.is_ack ? segment.ack : segment.seq + 1;
  // A server may confirm bytes of the SYN with it (RFC 7413).
  if (flow.known_start) return first_seq - flow.first_seq > (segment.is_ack ? kLateSyn : 0);
  return flow.ended || flow.first_seq - first_seq > kLateSyn;
}

ClientStreams::Flows::iterator ClientStreams::open(const Ends& ends, const TcpSegment& first) {
  while (flows_.size() >= limits_.connections) put_out_one();
  // The lower port serves, where nobody has said who does.
  const bool from_server = first.is_syn ? first.is_ack : first.source.port < first.destination.port;
  const auto made = flows_.emplace(ends, Flow{}).first;
  Flow& flow = made->second;
  flow.connection = {++counts_.connections, from_server ? first.destination : first.source,
                     from_server ? first.source : first.destination, first.time_ns};
  flow.known_start = first.is_syn;
  flow.first_seq = from_server ? first.ack : first.seq + (first.is_syn ? 1 : 0);
  flow.place = by_silence_.insert(by_silence_.end(), &made->first);
  counts_.midstream += flow.known_start ? 0 : 1;
  return made;
}

void ClientStreams::put_out_one() {
  const auto longest_silent = flows_.find(*by_silence_.front());
  if (!longest_silent->second.ended) {
    ++counts_.put_out;
    close(longest_silent->second);
  }
  by_silence_.pop_front();
  flows_.erase(longest_silent);
}

void ClientStreams::from_client(Flow& flow, const TcpSegment& segment) {
  const uint32_t expected = flow.first_seq + static_cast<uint32_t>(flow.next);
  const int32_t ahead = distance(segment.seq + (segment.is_syn ? 1 : 0), expected);
  if (ahead > kWindowMax || ahead < -kWindowMax) {
    ++counts_.stray_segments;
    return;
  }
  if (segment.is_rst) return reset(flow, ahead);
  const int64_t offset = static_cast<int64_t>(flow.next) + ahead;
  const int64_t end = offset + segment.bytes;
  if (segment.is_fin && end >= static_cast<int64_t>(flow.next))
    flow.fin_at = std::min(flow.fin_at, static_cast<uint64_t>(end));
  // What stands before the first byte that was captured of the connection is no more of it than what came twice.
  const auto known = static_cast<size_t>(
      std::clamp<int64_t>(static_cast<int64_t>(flow.next) - offset, 0, static_cast<int64_t>(segment.payload.size())));
  counts_.again_bytes += known;
  take_bytes(flow, static_cast<uint64_t>(std::max<int64_t>(offset + static_cast<int64_t>(known), 0)),
             segment.payload.subspan(known));
  if (flow.next >= flow.fin_at) close(flow);
}

void ClientStreams::from_server(Flow& flow, const TcpSegment& segment) {
  const int32_t ahead = flow.server_known ? distance(segment.seq, flow.server_next) : 0;
  if (ahead > kWindowMax || ahead < -kWindowMax) {
    ++counts_.stray_segments;
    return;
  }
  if (segment.is_rst) return reset(flow, ahead);
  if (segment.is_ack) {
    const int32_t more = distance(segment.ack, flow.first_seq + static_cast<uint32_t>(flow.next));
    const uint64_t acked = more > 0 && more <= kWindowMax ? flow.next + static_cast<uint64_t>(more) : flow.next;
    // The server has what the capture does not have: it will not come any more.
    while (!flow.early.empty() && flow.early.begin()->first <= acked) skip(flow);
    if (flow.next >= flow.fin_at) return close(flow);
  }
  const uint32_t end = segment.seq + segment.bytes + (segment.is_syn ? 1 : 0);
  const bool is_new = !flow.server_known || distance(end, flow.server_next) > 0;
  if (is_new && segment.bytes > 0) events_.answered(flow.connection);
  if (is_new && (segment.bytes > 0 || segment.is_syn)) {
    flow.server_known = true;
    flow.server_next = end;
  }
}

void ClientStreams::reset(Flow& flow, int32_t ahead) {
  if (ahead < 0 || ahead > kResetWindow) {
    ++counts_.stray_segments;
    return;
  }
  close(flow);
}

void ClientStreams::take_bytes(Flow& flow, uint64_t offset, ByteView bytes) {
  if (bytes.empty() || offset >= flow.fin_at) return;
  if (flow.early.empty() && offset == flow.next) return give(flow, bytes);
  hold(flow, offset, bytes);
  give_early(flow);
  while (!flow.early.empty() && (flow.early_cost > limits_.early_bytes || all_early_cost_ > limits_.all_early_bytes))
    skip(flow);
}

// Puts in what no piece that is held has.
void ClientStreams::hold(Flow& flow, uint64_t offset, ByteView bytes) {
  const auto put = [&](auto before, uint64_t at, ByteView piece) {
    const auto made = flow.early.emplace_hint(before, at, Bytes(piece.begin(), piece.end()));
    flow.early_cost += cost(made->second);
    all_early_cost_ += cost(made->second);
  };
  auto next = flow.early.upper_bound(offset);
  if (next != flow.early.begin()) {
    const auto& [at, piece] = *std::prev(next);
    const auto covered = static_cast<size_t>(
        std::min<uint64_t>(bytes.size(), at + piece.size() > offset ? at + piece.size() - offset : 0));
    counts_.again_bytes += covered;
    offset += covered;
    bytes = bytes.subspan(covered);
  }
  while (!bytes.empty()) {
    const uint64_t room = next == flow.early.end() ? bytes.size() : next->first - offset;
    const ByteView piece = bytes.first(static_cast<size_t>(std::min<uint64_t>(bytes.size(), room)));
    if (!piece.empty()) put(next, offset, piece);
    offset += piece.size();
    bytes = bytes.subspan(piece.size());
    if (bytes.empty() || next == flow.early.end()) return;
    const size_t covered = std::min(bytes.size(), next->second.size());
    counts_.again_bytes += covered;
    offset += covered;
    bytes = bytes.subspan(covered);
    ++next;
  }
}

void ClientStreams::give(Flow& flow, ByteView bytes) {
  bytes = bytes.first(static_cast<size_t>(std::min<uint64_t>(bytes.size(), flow.fin_at - flow.next)));
  if (bytes.empty()) return;
  counts_.bytes += bytes.size();
  events_.sent(flow.connection, flow.next, bytes);
  flow.next += bytes.size();
}

// The first piece that is held.
Bytes ClientStreams::take_out(Flow& flow) {
  Bytes piece = std::move(flow.early.extract(flow.early.begin()).mapped());
  flow.early_cost -= cost(piece);
  all_early_cost_ -= cost(piece);
  return piece;
}

void ClientStreams::give_early(Flow& flow) {
  while (!flow.early.empty() && flow.early.begin()->first == flow.next) {
    give(flow, take_out(flow));
  }
}

void ClientStreams::lose(Flow& flow, uint64_t up_to) {
  ++counts_.gaps;
  counts_.lost_bytes += up_to - flow.next;
  events_.lost(flow.connection, flow.next, up_to - flow.next);
  flow.next = up_to;
}

// Waits no longer for what stands before the first piece that is held.
void ClientStreams::skip(Flow& flow) {
  lose(flow, flow.early.begin()->first);
  give_early(flow);
}

void ClientStreams::close(Flow& flow) {
  if (flow.ended) return;
  while (!flow.early.empty() && flow.early.begin()->first < flow.fin_at) skip(flow);
  while (!flow.early.empty()) take_out(flow);  // behind its end
  if (flow.fin_at != UINT64_MAX && flow.fin_at > flow.next) lose(flow, flow.fin_at);
  flow.ended = true;
  events_.ended(flow.connection);
}

void ClientStreams::finish() {
  std::vector<Flow*> all;
  for (auto& [ends, flow] : flows_) all.push_back(&flow);
  std::ranges::sort(all, {}, [](const Flow* flow) { return flow->connection.number; });
  for (Flow* const flow : all) close(*flow);
  flows_.clear();
  by_silence_.clear();
}

}  // namespace skep::capture
