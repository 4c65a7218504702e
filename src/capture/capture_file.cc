#include "capture/capture_file.h"

#include <pcap/pcap.h>

#include <memory>

namespace skep::capture {
namespace {

struct PcapClose {
  void operator()(pcap_t* file) const { ::pcap_close(file); }
};
constexpr uint64_t kPacketsBetween = 10'000;  // two words on progress
using Pcap = std::unique_ptr<pcap_t, PcapClose>;

void count(const Frame& frame, CaptureCounts& counts) {
  ++counts.packets;
  switch (frame.kind) {
    case Frame::Kind::tcp:
      ++counts.tcp;
      counts.cut_short += frame.segment.payload.size() < frame.segment.bytes ? 1 : 0;
      break;
    case Frame::Kind::udp:
      ++counts.udp;
      counts.cut_short += frame.datagram.payload.size() < frame.datagram.bytes ? 1 : 0;
      break;
    case Frame::Kind::fragment:
      ++counts.fragments;
      break;
    case Frame::Kind::other:
      ++counts.other;
      break;
    case Frame::Kind::damaged:
      ++counts.damaged;
      break;
  }
}

}  // namespace

Result<CaptureRead> read_capture(std::FILE* opened, TcpStreams& streams, DatagramSessions* datagrams,
                                 const std::function<void(uint64_t bytes)>& progress) {
  char error[PCAP_ERRBUF_SIZE] = {};
  const Pcap file(::pcap_fopen_offline_with_tstamp_precision(opened, PCAP_TSTAMP_PRECISION_NANO, error));
  if (!file) {
    std::fclose(opened);
    return fail("{}", error);
  }
  const int link_type = ::pcap_datalink(file.get());
  if (!knows_link_type(link_type)) {
    const char* const name = ::pcap_datalink_val_to_name(link_type);
    return fail("link type {} ({}) is not known", link_type, name == nullptr ? "without a name" : name);
  }
  CaptureRead read;
  pcap_pkthdr* header = nullptr;
  const u_char* bytes = nullptr;
  int outcome = 0;
  while ((outcome = ::pcap_next_ex(file.get(), &header, &bytes)) == 1) {
    Frame frame = read_frame(link_type, {bytes, header->caplen});
    count(frame, read.counts);
    if (progress && read.counts.packets % kPacketsBetween == 0) {
      if (const long at = std::ftell(::pcap_file(file.get())); at > 0) progress(static_cast<uint64_t>(at));
    }
    const int64_t time_ns = header->ts.tv_sec * int64_t{1'000'000'000} + header->ts.tv_usec;  // they are nanoseconds
    if (frame.kind == Frame::Kind::tcp) {
      frame.segment.time_ns = time_ns;
      streams.take(frame.segment);
    } else if (frame.kind == Frame::Kind::udp && datagrams != nullptr) {
      frame.datagram.time_ns = time_ns;
      datagrams->take(frame.datagram);
    }
  }
  if (outcome == PCAP_ERROR) read.damage = ::pcap_geterr(file.get());
  streams.finish();
  if (datagrams != nullptr) datagrams->finish();
  return read;
}

}  // namespace skep::capture
