// Runs one link: reads the remote topic with the client library and submits the events.
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

// Called when events begin to flow through a link (OK), and with the reason when they do not. From
// any thread.
using LinkReport = absl::AnyInvocable<void(absl::string_view link, const absl::Status&)>;

// One thread and one connection, from construction to destruction, for a link with one generation
// of its settings. It works in rounds: verify the remote hub's identity, then read and submit until
// an error occurs; then start again at the committed position of the link. So its state in memory
// is disposable, and all errors are handled alike.
class LinkWorker {
 public:
  // The arguments must outlive it.
  LinkWorker(Links& links, std::shared_ptr<Link> link, const client::TlsOptions& tls,
             LinkReport& report);
  // Stops, and waits until none of its steps is in progress.
  ~LinkWorker();

  LinkWorker(const LinkWorker&) = delete;
  LinkWorker& operator=(const LinkWorker&) = delete;

  // Begins to stop; does not wait.
  void Stop();

  const Link& link() const { return *link_; }
  uint64_t generation() const { return generation_; }

 private:
  void Run();

  // Runs one round; returns why it ended. OK: the next may begin at once.
  absl::Status RunRound();
  // Verifies the identity of the remote hub and topic; records to which log the positions belong.
  absl::Status VerifyRemote(LinkOrigin* origin);
  absl::Status Follow(client::Reader& reader);
  // Adds a batch to the step. Returns false if its partition was added since the round began.
  bool AddBatch(const client::Reader& reader, const client::EventBatch& batch, LinkStep* step);
  // Adds the reader's position in each partition where it is ahead of the step.
  void AddPassed(const client::Reader& reader, LinkStep* step);
  // Returns how many events before `to` the remote hub left out because they had been at this hub,
  // as far as that is known, given that it delivered `delivered` of them. Counts from the link's
  // position in the partition, or from the reader's start.
  uint64_t CountLoopedEvents(const client::Reader& reader, uint32_t partition, int64_t to,
                             size_t delivered) const;
  // Moves back to an offset up to which the remote log is the one that the link read, or to the
  // log's beginning.
  absl::Status RewindToAgreedOffset(const absl::Status& error);
  // Continues where the remote topic still has events, if that helps.
  absl::Status LeaveOutOfRange(const absl::Status& error);
  void AskLag();

  // Submits the step once there is room for it.
  void Submit(LinkStep step, bool caught_up);
  void OnDone(size_t bytes, const absl::Status& status);
  // Waits until no step is in progress; returns the reason if one was refused.
  absl::Status AwaitSubmitted();
  LinkStep NewStep() const;

  void ReportFailure(v1::LinkStatus::State state, const absl::Status& status);
  // Waits before the next round; returns whether to run it.
  bool WaitToRetry();
  bool interrupted() const;

  Links& links_;
  const std::shared_ptr<Link> link_;
  const uint64_t generation_;
  const v1::Link settings_;
  const Caller caller_;
  LinkReport& report_;
  const size_t buffer_bytes_;  // What the connection may receive before it is read.
  const MemoryMeter::Lease buffer_;
  const std::shared_ptr<client::Connection> connection_;
  client::AdminClient admin_;

  // Only for the worker's thread; state of the current round.
  std::optional<HubPath> path_;
  uint32_t remote_partitions_ = 0;
  bool remote_removes_events_ = false;  // It keeps the latest event per key.
  size_t max_event_bytes_ = 0;
  size_t step_limit_ = 0;  // The size of a step with its copies by routes,
  size_t step_bytes_ = 0;  // and without.
  bool started_ = false;
  absl::btree_map<uint32_t, int64_t> positions_;  // After the submitted steps.

  mutable Mutex mutex_;
  CondVar changed_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  client::Reader* reader_ ABSL_GUARDED_BY(mutex_) = nullptr;  // For cancellation.
  size_t submitted_ ABSL_GUARDED_BY(mutex_) = 0;              // Steps in progress,
  size_t submitted_bytes_ ABSL_GUARDED_BY(mutex_) = 0;        // and their approximate memory.
  absl::Status refused_ ABSL_GUARDED_BY(mutex_);              // Of the first refused step.
  bool caught_up_ ABSL_GUARDED_BY(mutex_) = false;            // As of the last submitted step.
  bool flowing_ ABSL_GUARDED_BY(mutex_) = false;              // As last reported.
  int attempts_ ABSL_GUARDED_BY(mutex_) = 0;                  // Failures since events last flowed.

  std::thread thread_;  // Last: it uses the members above.
};

}  // namespace eventhub
