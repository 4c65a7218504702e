// What is in force: signature sets and services, changed together and as a whole. A change is parsed, compiled, handed
// to watch; only when watch has said that it holds does it become what is in force here. One thread.
#pragma once

#include <string>
#include <vector>

#include "formats/signature_file.h"
#include "judge/service_book.h"
#include "judge/watch_link.h"
#include "match/compile.h"

namespace skep::judge {

class Enforcement {
 public:
  Enforcement(WatchLink& watch, Fd table_memory, ServiceBook services)
      : watch_(watch), table_memory_(std::move(table_memory)), services_(std::move(services)) {}

  struct FileText {
    std::string path;
    std::string content;
  };

  // The start: the table first, so that no service runs a call before it is in force.
  Status begin(std::vector<formats::SignatureSet> sets, const std::vector<formats::MonitoredService>& services);

  Status add_signatures(const std::vector<FileText>& files);  // a file of the same path takes its former self's place
  Status set_signatures(const std::vector<FileText>& files);
  Status remove_signatures(
      const std::vector<std::string>& names);  // of signatures, or of files with all that is in them
  Status add_services(const std::vector<FileText>& files);
  Status remove_services(const std::vector<std::string>& names);

  // The signature that an alert of that table generation and index means; nullptr: of a table that is forgotten.
  const match::SignatureInfo* signature(uint32_t generation, uint32_t index) const;
  const std::vector<match::SignatureInfo>& signatures() const { return current_; }
  const std::vector<formats::SignatureSet>& sets() const { return sets_; }
  ServiceBook& services() { return services_; }
  const ServiceBook& services() const { return services_; }

 private:
  Status apply(const std::vector<formats::SignatureSet>& sets, const ServiceBook& services);

  WatchLink& watch_;
  Fd table_memory_;
  ServiceBook services_;
  std::vector<formats::SignatureSet> sets_;
  std::vector<match::SignatureInfo> current_;
  std::vector<match::SignatureInfo> former_;  // alerts of the table before may still be on their way
  uint32_t generation_ = 0;
};

}  // namespace skep::judge
