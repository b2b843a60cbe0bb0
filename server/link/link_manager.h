// Runs the links of a hub: one worker for each enabled link.
#pragma once

#include <memory>
#include <string>
#include <thread>

#include "absl/container/btree_map.h"
#include "server/core/link/links.h"
#include "server/link/link_worker.h"
#include "storage/base/mutex.h"

namespace eventhub {

// Follows changes of links on its own thread, so that a call that changes a link does not wait for
// the worker that reads it. Thread-safe.
class LinkManager {
 public:
  // Starts immediately. `links` must outlive it.
  LinkManager(Links& links, client::TlsOptions tls, LinkReport report);
  ~LinkManager() { Stop(); }

  LinkManager(const LinkManager&) = delete;
  LinkManager& operator=(const LinkManager&) = delete;

  // Stops all workers and waits for them. Call before the log's writer ends.
  void Stop();

 private:
  void Run();
  // Starts and stops workers to match the current links.
  void Update();

  Links& links_;
  const client::TlsOptions tls_;  // Of links with `tls`.
  LinkReport report_;
  absl::btree_map<std::string, std::unique_ptr<LinkWorker>> workers_;  // Only for the thread.

  Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;

  std::thread thread_;  // Last: it uses the members above.
};

}  // namespace eventhub
