// The real daemon, as a process: for what a server inside the test's process cannot show, such as
// its memory, its exit code, and its death.
#pragma once

#include <sys/types.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"

namespace eventhub {

// Starts and ends eventhubd on one data directory. At most one process at a time; it dies with the
// thread that started it. Thread-compatible.
class HubProcess {
 public:
  // `directory` is for the data, the log and the port file; it outlives this object. `flags` are
  // added to those that say where these are, and to --listen=127.0.0.1:0.
  HubProcess(std::string directory, std::vector<std::string> flags = {});
  ~HubProcess();

  HubProcess(const HubProcess&) = delete;
  HubProcess& operator=(const HubProcess&) = delete;

  // Has it start in a control group: the file that processes join it by.
  void JoinCgroup(std::string procs_file) { procs_file_ = std::move(procs_file); }

  // Starts the daemon and waits until it serves; returns how long that took. Fails the test if it
  // does not.
  absl::Duration Start();

  // Sends SIGTERM; returns at once.
  void Terminate();
  // Waits for the end; returns the exit code, or minus the signal that killed the process.
  int Wait();
  // Kills it, as a crash would, and waits for the end.
  void Kill();

  bool running() const { return pid_ > 0; }
  pid_t pid() const { return pid_; }
  // Of the newest start.
  const std::string& address() const { return address_; }
  // What it logged, over all starts.
  std::string Log() const;
  // The memory that it takes, in bytes.
  size_t ResidentBytes() const;
  // Of that, what is in no file.
  size_t AnonymousBytes() const;

 private:
  const std::string directory_;
  const std::vector<std::string> flags_;
  std::string procs_file_;
  pid_t pid_ = 0;
  std::string address_;
};

}  // namespace eventhub
