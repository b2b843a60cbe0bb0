// The open dead letters of a subscription: finding, redriving and discarding them.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "eventhub/v1/subscription.pb.h"
#include "server/core/subscription/subscription.h"
#include "server/core/topic_changes.h"

namespace eventhub {

// A dead letter as the store has it.
struct OpenDeadLetter {
  std::string key;  // In the column `cursors`.
  DeadLetterPlace place;
  stored::DeadLetter record;
};

struct DeadLetterQuery {
  const v1::DeadLetterSelector& selector;
  bool with_events = false;
  bool with_data = false;
  size_t limit = 0;
};

struct DeadLetterPage {
  std::vector<OpenDeadLetter> found;
  std::vector<v1::DeadLetter> letters;  // Of each found, if events were asked for.
  std::string next;                     // Where to go on; empty: that was all.
};

// Those that the selector picks, after the place where an earlier page ended. Stops at the limit,
// or when a good many were looked at. Reads from the disk. INVALID_ARGUMENT: `after` is no such
// place.
absl::StatusOr<DeadLetterPage> FindDeadLetters(const SubscriptionContext& context,
                                               const Subscription& subscription,
                                               const DeadLetterQuery& query,
                                               const std::string& after);

// Closes dead letters, and returns their events to the subscription or not. Those that are not open
// any more are passed over.
class CloseLettersTask final : public TopicChange {
 public:
  // `done` gets the number of those that were closed.
  CloseLettersTask(const SubscriptionContext& context, std::shared_ptr<Subscription> subscription,
                   std::vector<OpenDeadLetter> letters, bool redrive,
                   absl::AnyInvocable<void(absl::StatusOr<int64_t>) &&> done);

  void Prepare(CommitBuilder& commit) override;
  void Done(const absl::Status& status) override;

 private:
  absl::Status Close(CommitBuilder& commit);

  const SubscriptionContext& context_;
  const std::shared_ptr<Subscription> subscription_;
  const std::vector<OpenDeadLetter> letters_;
  const bool redrive_;
  absl::AnyInvocable<void(absl::StatusOr<int64_t>) &&> done_;
  int64_t closed_ = 0;
  absl::Status refused_;
};

}  // namespace eventhub
