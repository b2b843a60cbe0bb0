// The open dead letters of a subscription: finding, redriving and discarding them.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "eventhub/v1/subscription.pb.h"
#include "server/core/subscription/subscription.h"
#include "server/core/topic/topic_tasks.h"

namespace eventhub {

// A dead letter as stored.
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

// The dead letters that exist at some time. They bound a redrive, which ends even if consumers park
// further events, or the same ones again, meanwhile.
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
// or when a good many were looked at; fewer, if their events have to be read. Reads from the disk.
// INVALID_ARGUMENT: `after` is no such place. NOT_FOUND: the selector names a topic that does not
// exist.
absl::StatusOr<DeadLetterPage> FindDeadLetters(const SubscriptionContext& context,
                                               const Subscription& subscription,
                                               const DeadLetterQuery& query,
                                               const std::string& after);

// The outcome for the letters that matched; for a dry run, the outcome that there would be.
struct LetterCounts {
  uint64_t closed = 0;
  // Left by a redrive: the subscription has yet to come to the event, or the event is gone.
  uint64_t to_come = 0;
  uint64_t trimmed = 0;

  bool operator==(const LetterCounts&) const = default;
};

// The outcome of closing the letters now.
LetterCounts CountLetters(const SubscriptionContext& context, const Subscription& subscription,
                          const std::vector<OpenDeadLetter>& letters, bool redrive);

// NOT_FOUND if the selector names a partition that the dead-letter topic does not have. For one
// that picked nothing: letters may be in a topic that took the subscription's once.
absl::Status CheckPartitions(const TopicCatalog& topics, const Subscription& subscription,
                             const v1::DeadLetterSelector& selector);

// The topics that open dead letters of a subscription are in. Reads a key of each from the disk.
absl::StatusOr<std::vector<TopicId>> TopicsOfOpenLetters(const LogStore& store,
                                                         SubscriptionId subscription);

// The first open dead letter of a subscription in a partition of a topic; nullopt if there is none.
// Reads from the disk, one key.
absl::StatusOr<std::optional<Offset>> FirstOpenLetter(const LogStore& store,
                                                      SubscriptionId subscription, TopicId topic,
                                                      PartitionId partition);

// Whether a subscription has an open dead letter in any partition of the topic. As above.
absl::StatusOr<bool> HasOpenLetters(const LogStore& store, SubscriptionId subscription,
                                    TopicId topic);

// Closes dead letters, and with `redrive` returns their events to the subscription. Letters that
// are no longer open are skipped.
class CloseLettersTask final : public TopicChange {
 public:
  CloseLettersTask(const SubscriptionContext& context, std::shared_ptr<Subscription> subscription,
                   std::vector<OpenDeadLetter> letters, bool redrive,
                   absl::AnyInvocable<void(absl::StatusOr<LetterCounts>) &&> done);

  void Prepare(CommitBuilder& commit) override;
  void Done(const absl::Status& status) override;

 private:
  absl::Status Close(CommitBuilder& commit);
  const SubscriptionContext& context_;
  const std::shared_ptr<Subscription> subscription_;
  const std::vector<OpenDeadLetter> letters_;
  const bool redrive_;
  absl::AnyInvocable<void(absl::StatusOr<LetterCounts>) &&> done_;
  LetterCounts counts_;
  absl::Status refused_;
};

}  // namespace eventhub
