// The time during which a relay is the active one of its table.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/outbox/relay/row_store.h"
#include "client/outbox/request_keeper.h"
#include "client/outbox/sender.h"
#include "client/outbox/state.h"
#include "client/src/publish/batch.h"

namespace eventhub::client::outbox {

// Reads rows, records them as requests, and deletes them when the hub has confirmed the requests to
// the sender. One pass writes one transaction, which is short, because rows are read before it.
// After an error of the database the session ends, since the outcome of a transaction may be
// unknown; the next session begins with the recorded requests.
//
// One thread calls Load, then Run. Stop, Wake and WhenDrained are thread-safe. RequestKeeper is for
// the sender.
class RelaySession final : public RequestKeeper {
 public:
  // `store` has taken over the table, and must outlive the session. `state` is new.
  RelaySession(std::shared_ptr<State> state, RowStore& store, std::string producer,
               absl::Duration poll_interval);
  ~RelaySession() override;

  // Loads the recorded requests.
  absl::Status Load(std::vector<RecordedTopic> topics);

  // Works until Stop (then OK), or an error of the database.
  absl::Status Run();
  void Stop();
  // Called when rows may have been added.
  void Wake();
  // Runs `done` on the session's thread once all rows that are committed now are in the hub or set
  // aside. Not run if the session ends before.
  void WhenDrained(std::function<void()> done);

  const std::string& producer() const override { return producer_; }
  absl::StatusOr<std::vector<StoredPart>> ReadParts(TopicNumber topic,
                                                    uint64_t request) const override;
  void SetAside(Topic& topic) override;
  void Salvage(Topic& topic, uint64_t request) override;

 private:
  // The recorded state of a topic.
  struct OnRecord {
    RecordedTopic topic{};                // Without requests.
    std::map<uint64_t, RowIds> requests;  // By number.
    bool more = false;                    // There may be rows that are in no request.
  };
  // The limits on reading a topic at present.
  struct Budget {
    size_t requests = 0;
    size_t rows = 0;
    size_t bytes = 0;
  };
  struct NewRequest {
    explicit NewRequest(size_t expected_bytes) : batch(0, std::nullopt, expected_bytes) {}
    Batch batch;
    RowIds ids;
    absl::Time created{};
  };
  struct BadRow {
    int64_t id;
    absl::Status error;
  };
  struct NewRows {
    std::vector<std::unique_ptr<NewRequest>> requests;
    std::vector<BadRow> bad;
  };
  using NewRowsByTopic = std::map<std::string, NewRows>;
  // The changes of one topic in a pass.
  struct Change {
    Topic* topic;
    OnRecord* on_record;
    bool changed = false;  // Epoch, base or next.
    std::vector<RecordedRequest> added{};
    std::vector<RecordedRequest> confirmed{};
    std::vector<BadRow> bad{};

    bool empty() const { return !changed && added.empty() && confirmed.empty() && bad.empty(); }
  };
  struct Drain {
    bool begun = false;  // A pass began after the call.
    std::function<void()> done;
  };
  enum class Next { kStop, kPoll, kPass };

  Next AwaitWork();
  // Whether there are rows to read, and room for them.
  bool CanRead() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(state_.mutex);
  Budget BudgetOf(std::string_view topic) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(state_.mutex);
  absl::Status DoWork();

  absl::Status Pass();
  absl::StatusOr<NewRowsByTopic> Read(bool scan);
  absl::Status ReadTopic(const std::string& topic, const Budget& budget, NewRows& rows);
  std::vector<Change> Decide(NewRowsByTopic& rows) ABSL_EXCLUSIVE_LOCKS_REQUIRED(state_.mutex);
  void AddRequest(NewRequest& request, Change& change) ABSL_EXCLUSIVE_LOCKS_REQUIRED(state_.mutex);
  absl::Status Write(const std::vector<Change>& changes);
  void Apply(const std::vector<Change>& changes, std::vector<std::string>& lines)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(state_.mutex);
  void FinishDrains();

  // Copies the state of the lane to the state to be recorded; returns whether that changed it.
  static bool UpdateRecord(const Topic& topic, RecordedTopic& record);
  static void ConfirmRecord(Topic& topic, const RecordedTopic& record);
  absl::Status TryToSetAside(Topic& topic);

  const std::shared_ptr<State> shared_;
  State& state_;
  RowStore& store_;
  const std::string producer_;
  const absl::Duration poll_interval_;

  // Used by the session's thread.
  std::map<std::string, OnRecord, std::less<>> on_record_;
  absl::Status failed_;
  absl::Duration poll_at_;

  bool stopping_ ABSL_GUARDED_BY(state_.mutex) = false;
  bool scan_ ABSL_GUARDED_BY(state_.mutex) = true;  // Any topic may have new rows.
  std::vector<Drain> drains_ ABSL_GUARDED_BY(state_.mutex);

  Sender sender_;
};

}  // namespace eventhub::client::outbox
