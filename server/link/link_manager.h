// Runs the links of a hub: a worker for each that is not disabled.
#pragma once

#include <memory>
#include <string>
#include <thread>

#include "absl/container/btree_map.h"
#include "server/core/link/links.h"
#include "server/link/link_worker.h"
#include "storage/base/mutex.h"

namespace eventhub {

// Follows the changes of links, on a thread of its own, so that whoever changes one does not wait
// for what reads it. Thread-safe.
class LinkManager {
 public:
  // Begins at once. `links` outlives it.
  LinkManager(Links& links, client::TlsOptions tls, LinkReport report);
  ~LinkManager() { Stop(); }

  LinkManager(const LinkManager&) = delete;
  LinkManager& operator=(const LinkManager&) = delete;

  // Ends all, and waits for it. Before the log's writer ends.
  void Stop();

 private:
  void Run();
  // Makes the workers those of the links as they are now.
  void Update();

  Links& links_;
  const client::TlsOptions tls_;  // Of links that ask for it.
  LinkReport report_;
  absl::btree_map<std::string, std::unique_ptr<LinkWorker>> workers_;  // The thread's.

  Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;

  std::thread thread_;  // Last: it uses what is above.
};

}  // namespace eventhub
