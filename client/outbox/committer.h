// Writes the events of an outbox to its directory: one write, and one sync, for everything that
// arrived during the last one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/outbox/request_keeper.h"
#include "client/outbox/spool.h"
#include "client/outbox/state.h"

namespace eventhub::client::outbox {

// The only thread that writes to the spool. It also does the work that must not overlap a write:
// repairs of requests, and the requests of operators.
class Committer final : public RequestKeeper {
 public:
  Committer(State& state, Spool& spool) : state_(state), spool_(spool) {}
  ~Committer() override { Stop(); }

  void Start();
  // Finishes pending writes, then ends the thread.
  void Stop();

  const std::string& producer() const override { return spool_.producer(); }
  absl::StatusOr<std::vector<StoredPart>> ReadParts(TopicNumber topic,
                                                    uint64_t request) const override {
    return spool_.ReadParts(topic, request);
  }
  void SetAside(Topic& topic) override;
  void Salvage(Topic& topic, uint64_t request) override;

  // See Outbox.
  absl::StatusOr<uint64_t> RetryRefused(Topic& topic);
  absl::StatusOr<uint64_t> DropRefused(Topic& topic);
  absl::StatusOr<uint64_t> Drop(Topic& topic);

 private:
  // A part in the change that is being written.
  struct Write {
    Topic* topic;
    uint64_t request;
    PartKey key;
    PartHeader header;
    Bytes events;
    Ticket ticket;
  };
  struct Written {
    Topic* topic;
    TopicRecord record;
    uint64_t deleted_bytes;
  };
  // A change, from its decision to its result.
  struct Change {
    std::vector<Write> writes;
    std::vector<Written> topics;
    SpoolChange spool;
    bool sync = false;
  };

  void Run();
  // Whether there is something to write. Waits until there is, or a deadline passes.
  bool AwaitWork() ABSL_EXCLUSIVE_LOCKS_REQUIRED(state_.mutex);
  void CommitAll() ABSL_EXCLUSIVE_LOCKS_REQUIRED(state_.mutex);

  void Decide(Topic& topic, Change& change) ABSL_EXCLUSIVE_LOCKS_REQUIRED(state_.mutex);
  // Adds the requests of the topic that are only in memory, and the events that are in no request.
  void DecideSpill(Topic& topic, Change& change) ABSL_EXCLUSIVE_LOCKS_REQUIRED(state_.mutex);
  void DecideParts(Topic& topic, Change& change) ABSL_EXCLUSIVE_LOCKS_REQUIRED(state_.mutex);
  // Adds the topic's record, and the deletion of confirmed requests.
  void DecideRecord(Topic& topic, Change& change) ABSL_EXCLUSIVE_LOCKS_REQUIRED(state_.mutex);

  // Writes the change without holding the mutex, then applies the result.
  absl::Status Commit(Change& change, std::vector<Resolved>& resolved)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(state_.mutex);
  void Apply(Write& write, std::vector<Resolved>& resolved)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(state_.mutex);
  void Fail(const absl::Status& status, Change& change, std::vector<Resolved>& resolved)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(state_.mutex);

  // Moves refused events behind all others, in one write.
  absl::Status RetryPiece(Topic& topic, const std::vector<StoredRefused>& piece);

  // Replaces the events of a request; if none are left, the caller removes it.
  void Replace(Topic& topic, uint64_t number, const std::string& events, uint32_t count,
               Change& change) ABSL_EXCLUSIVE_LOCKS_REQUIRED(state_.mutex);

  State& state_;
  Spool& spool_;
  std::thread thread_;
};

}  // namespace eventhub::client::outbox
