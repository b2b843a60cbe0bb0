// Moves one link on: reads the remote topic with the client library, and submits what it gets.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <thread>

#include "absl/container/btree_map.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "eventhub/admin_client.h"
#include "eventhub/connection.h"
#include "eventhub/reader.h"
#include "server/core/link/hub_path.h"
#include "server/core/link/links.h"
#include "storage/base/mutex.h"

namespace eventhub {

// Told when a link begins to flow (OK), and why it does not. From any thread.
using LinkReport = absl::AnyInvocable<void(absl::string_view link, const absl::Status&)>;

// One thread, and one connection, from construction to destruction, for a link in one generation of
// its settings. It works in rounds: look whom it talks to, then read and submit until something
// breaks; then it starts anew from where the link is by what was committed. So nothing that it
// holds in memory matters, and every error has the same way out.
class LinkWorker {
 public:
  // What is given outlives it.
  LinkWorker(Links& links, std::shared_ptr<Link> link, const client::TlsOptions& tls,
             LinkReport& report);
  // Stops, and waits until nothing of it is under way.
  ~LinkWorker();

  LinkWorker(const LinkWorker&) = delete;
  LinkWorker& operator=(const LinkWorker&) = delete;

  // Begins to stop.
  void Stop();

  const Link& link() const { return *link_; }
  uint64_t generation() const { return generation_; }

 private:
  void Run();

  // One round; says why it ended. OK: the next may begin at once.
  absl::Status RunRound();
  // Asks the remote hub and topic who they are; settles what the positions are of.
  absl::Status Meet(LinkOrigin* origin);
  absl::Status Follow(client::Reader& reader);
  // Adds a batch to the step. False if it is of a partition that was added since the round began.
  bool AddBatch(const client::Reader& reader, const client::EventBatch& batch, LinkStep* step);
  // Adds where the reader is in partitions where the step leaves less.
  void AddPassed(const client::Reader& reader, LinkStep* step);
  // How many events before `to` were passed over because they had been here, as far as that is
  // known; `delivered` were not. From where the link is in the partition, or where it began.
  uint64_t LoopedBefore(const client::Reader& reader, uint32_t partition, int64_t to,
                        size_t delivered) const;
  // Goes back to where the link read what the remote topic has now, too, or to its beginning.
  absl::Status LeaveOtherLog(const absl::Status& error);
  // Goes on, if that helps, where the remote topic still has events.
  absl::Status LeaveOutOfRange(const absl::Status& error);
  void AskLag();

  // Submits the step once there is room for it.
  void Submit(LinkStep step, bool caught_up);
  void OnDone(size_t bytes, const absl::Status& status);
  // Waits until nothing is under way; returns why a step was refused, if one was.
  absl::Status AwaitSubmitted();
  LinkStep NewStep() const;

  void ReportFailure(v1::LinkStatus::State state, const absl::Status& status);
  // Whether to go on, after a while.
  bool WaitToRetry();
  bool interrupted() const;

  Links& links_;
  const std::shared_ptr<Link> link_;
  const uint64_t generation_;
  const v1::Link settings_;
  LinkReport& report_;
  const std::shared_ptr<client::Connection> connection_;
  client::AdminClient admin_;

  // The worker's thread only: of the round.
  std::optional<HubPath> path_;
  uint32_t remote_partitions_ = 0;
  size_t max_event_bytes_ = 0;
  bool started_ = false;
  absl::btree_map<uint32_t, int64_t> positions_;  // After what was submitted.

  mutable Mutex mutex_;
  CondVar changed_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  client::Reader* reader_ ABSL_GUARDED_BY(mutex_) = nullptr;  // To be cancelled.
  size_t submitted_ ABSL_GUARDED_BY(mutex_) = 0;              // Steps that are not done,
  size_t submitted_bytes_ ABSL_GUARDED_BY(mutex_) = 0;        // and roughly their memory.
  absl::Status refused_ ABSL_GUARDED_BY(mutex_);              // Of the first step that was.
  bool caught_up_ ABSL_GUARDED_BY(mutex_) = false;            // By what was submitted last.
  bool flowing_ ABSL_GUARDED_BY(mutex_) = false;              // As it was reported.
  int attempts_ ABSL_GUARDED_BY(mutex_) = 0;                  // Since it flowed.

  std::thread thread_;  // Last: it uses what is above.
};

}  // namespace eventhub
