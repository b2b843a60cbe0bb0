// The real daemon as a process, to test what an in-process server cannot show, such as memory, exit
// codes and crashes.
#pragma once

#include <sys/types.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"

namespace eventhub {

// Starts and stops eventhubd on one data directory, one process at a time. The process dies with
// the thread that started it. Thread-compatible.
class HubProcess {
 public:
  // `directory` holds the data, the log and the port file; it must outlive this object. `flags` are
  // added to the flags for these and to --listen=127.0.0.1:0.
  HubProcess(std::string directory, std::vector<std::string> flags = {});
  ~HubProcess();

  HubProcess(const HubProcess&) = delete;
  HubProcess& operator=(const HubProcess&) = delete;

  // Starts the process in a control group, given the file through which processes join it.
  void JoinCgroup(std::string procs_file) { procs_file_ = std::move(procs_file); }

  // Starts the daemon and waits until it serves; returns how long that took. Fails the test if it
  // does not serve.
  absl::Duration Start();

  // Sends SIGTERM and returns immediately.
  void Terminate();
  // Waits for the process to end; returns its exit code, or minus the signal that killed it.
  int Wait();
  // Kills the process, as a crash would, and waits for it to end.
  void Kill();

  bool running() const { return pid_ > 0; }
  pid_t pid() const { return pid_; }
  // The address of the latest start.
  const std::string& address() const { return address_; }
  // The process's log, over all starts.
  std::string Log() const;
  // The resident memory, in bytes.
  size_t ResidentBytes() const;
  // The part of it that is not backed by a file.
  size_t AnonymousBytes() const;

 private:
  const std::string directory_;
  const std::vector<std::string> flags_;
  std::string procs_file_;
  pid_t pid_ = 0;
  std::string address_;
};

}  // namespace eventhub
