// skep hids learn …, skep hids profile …: what a service does, learned and held.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>

#include "wire/local.pb.h"

namespace skep::cli {

class ProfileCommands {
 public:
  // Adds both commands to `app`; `socket` and `json` are the options' places.
  ProfileCommands(CLI::App& app, std::string& socket, bool& json);
  // nullopt: neither was asked for; else the exit code.
  std::optional<int> run() const;

 private:
  int learn() const;
  int hold() const;
  int ask(const wire::LocalRequest& request) const;
  int give_out(const wire::LocalReply& reply) const;

  std::string& socket_;
  bool& json_;
  bool start_ = false;
  bool stop_ = false;
  std::string span_;
  std::string output_;
  std::string service_;
  std::string file_;
  CLI::App* learn_;
  CLI::App* set_;
  CLI::App* remove_;
};

}  // namespace skep::cli
