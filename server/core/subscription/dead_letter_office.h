// The open dead letters of a subscription: finding, redriving and discarding them.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
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

class LetterBounds;

struct DeadLetterQuery {
  const v1::DeadLetterSelector& selector;
  bool with_events = false;
  bool with_data = false;
  size_t limit = 0;
  LetterBounds* bounds = nullptr;  // Null: none.
};

// The dead letters that there were at some time: a redrive of them ends, although consumers park
// further ones meanwhile, or the same anew.
class LetterBounds {
 public:
  // As of now: the ends of the topic, if there is one.
  LetterBounds(const TopicCatalog& topics, const std::string& dead_letter_topic);

  // Whether the letter came later. Of a topic that is asked for the first time, all that is there
  // at that moment is within.
  bool Beyond(const DeadLetterPlace& place);

 private:
  void Note(const Topic& topic);

  const TopicCatalog& topics_;
  absl::flat_hash_map<TopicId, std::vector<Offset>> ends_;  // By partition.
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

// The first open dead letter of a subscription in a partition of a topic; nullopt if there is none.
// Reads from the disk, one key.
absl::StatusOr<std::optional<Offset>> FirstOpenLetter(const LogStore& store,
                                                      SubscriptionId subscription, TopicId topic,
                                                      PartitionId partition);

// Whether a subscription has an open dead letter in any partition of the topic. As above.
absl::StatusOr<bool> HasOpenLetters(const LogStore& store, SubscriptionId subscription,
                                    TopicId topic);

// Closes dead letters, and returns their events to the subscription or not. Those that are not open
// any more are passed over; and so are, by a redrive, those whose event is nowhere any more.
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
  bool IsGone(const OpenDeadLetter& letter) const;

  const SubscriptionContext& context_;
  const std::shared_ptr<Subscription> subscription_;
  const std::vector<OpenDeadLetter> letters_;
  const bool redrive_;
  absl::AnyInvocable<void(absl::StatusOr<int64_t>) &&> done_;
  int64_t closed_ = 0;
  absl::Status refused_;
};

}  // namespace eventhub
