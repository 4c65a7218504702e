// The sessions of a honeytrap sensor, 2025: nearly all that have bytes become sessions, and what is given out of the
// archive again, as bistream and as pcapng, has the same bytes in the same order.
#include "replay/recordings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <iostream>

#include "base/file.h"
#include "base/folder.h"
#include "cli/session_export.h"
#include "harness/real_data.h"
#include "replay/import.h"

namespace skep {
namespace {

namespace fs = std::filesystem;

constexpr size_t kTarBlock = 512;

// The first file of an archive of tar's.
std::string first_of_tar(const std::string& tar) {
  if (tar.size() < kTarBlock) return "";
  return tar.substr(kTarBlock, std::stoull(tar.substr(124, 11), nullptr, 8));
}

class RecordingsTest : public testing::Test {
 protected:
  // False: the data are not at hand.
  bool given() {
    const fs::path folder = harness::real_data("sessions");
    const fs::path packed = folder / "honeytrap_5k.json.tar.gz";
    pcap_ = (folder / "honeytrap_5k.pcap").string();
    if (!fs::exists(packed) || !fs::exists(pcap_)) {
      std::cout << "SKIPPED: " << folder << " is not there\n";
      return false;
    }
    json_ = folder_.path() + "/honeytrap.json";
    EXPECT_TRUE(write_file(json_, first_of_tar(harness::unpacked(packed))));
    return true;
  }
  static std::vector<replay::Recording> with_bytes(const std::string& path) {
    auto all = replay::read_recordings(path);
    EXPECT_TRUE(all) << all.error().message;
    if (!all) return {};
    std::erase_if(*all, [](const replay::Recording& recording) { return recording.empty(); });
    return std::move(*all);
  }
  static std::vector<std::pair<Direction, Bytes>> dialogue(const replay::Recording& recording) {
    std::vector<std::pair<Direction, Bytes>> all;
    for (const replay::Message& message : recording.messages) all.emplace_back(message.direction, message.bytes);
    return all;
  }
  // Into an archive, and out of it in either format.
  void go_round(const std::vector<replay::Recording>& recordings) {
    const std::string archive = folder_.path() + "/archive";
    std::vector<SessionId> ids;
    {
      auto importer = replay::Importer::open(archive);
      ASSERT_TRUE(importer) << importer.error().message;
      for (const replay::Recording& recording : recordings) {
        const auto id = importer->add(recording, "", "here");
        ASSERT_TRUE(id) << id.error().message;
        ids.push_back(*id);
      }
      ASSERT_TRUE(importer->finish());
    }
    auto reader = archive::Reader::open(archive);
    ASSERT_TRUE(reader);
    const std::string bistream = folder_.path() + "/one.bistream";
    const std::string pcapng = folder_.path() + "/one.pcapng";
    for (size_t i = 0; i < recordings.size(); ++i) {
      const auto session = reader->find(ids[i]);
      ASSERT_TRUE(session && *session) << recordings[i].name;
      const auto wanted = dialogue(recordings[i]);
      const auto kept = replay::recording_of(*reader, **session);
      ASSERT_TRUE(kept) << kept.error().message;
      ASSERT_EQ(dialogue(*kept), wanted) << recordings[i].name;
      ASSERT_TRUE(cli::export_bistream(*reader, **session, bistream));
      ASSERT_TRUE(cli::export_pcapng(*reader, **session, pcapng));
      for (const std::string& path : {bistream, pcapng}) {
        const auto again = replay::read_recordings(path);
        ASSERT_TRUE(again && again->size() == 1) << path;
        ASSERT_EQ(dialogue(again->front()), wanted) << recordings[i].name << " " << path;
        ASSERT_EQ(again->front().connections[0].client, recordings[i].connections[0].client);
        ASSERT_EQ(again->front().connections[0].server, recordings[i].connections[0].server);
      }
    }
  }
  const Folder folder_ = std::move(Folder::make().value());
  std::string json_, pcap_;
};

TEST_F(RecordingsTest, HoneytrapsAttacksComeAndGoToTheByte) {
  if (!given()) return;
  const auto recordings = with_bytes(json_);
  EXPECT_EQ(recordings.size(), 3906U) << "of 4,999, all that have a payload";
  go_round(recordings);
}

TEST_F(RecordingsTest, ItsCaptureToo) {
  if (!given()) return;
  const auto recordings = with_bytes(pcap_);
  EXPECT_EQ(recordings.size(), 291U) << "of 375 packets, each the SYN of a connection; the others have no bytes";
  go_round(recordings);
}

}  // namespace
}  // namespace skep
