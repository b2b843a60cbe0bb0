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
  LetterBounds* bounds = nullptr;  // Null: no bounds.
};

// The dead letters that exist at one time. They bound a redrive, so that it ends even if consumers
// park more events, or the same events again, meanwhile.
class LetterBounds {
 public:
  // The current ends of the topic, if it exists.
  LetterBounds(const TopicCatalog& topics, const std::string& dead_letter_topic);

  // Whether the letter was added later. The bounds of any other topic are its ends when it is first
  // asked for.
  bool Beyond(const DeadLetterPlace& place);

 private:
  void Note(const Topic& topic);

  const TopicCatalog& topics_;
  absl::flat_hash_map<TopicId, std::vector<Offset>> ends_;  // Indexed by partition.
};

struct DeadLetterPage {
  std::vector<OpenDeadLetter> found;
  std::vector<v1::DeadLetter> letters;  // One for each letter found, if events were requested.
  std::string next;                     // Where to continue; empty: all were found.
};

// Finds the letters that match the selector, starting after the place where the previous page
// ended. Stops at the limit, or after examining a fixed number of letters, fewer if their events
// must be read. Reads from disk. INVALID_ARGUMENT: `after` is not such a place. NOT_FOUND: the
// selector names a topic that does not exist.
absl::StatusOr<DeadLetterPage> FindDeadLetters(const SubscriptionContext& context,
                                               const Subscription& subscription,
                                               const DeadLetterQuery& query,
                                               const std::string& after);

// The outcome for the matching letters; for a dry run, the expected outcome.
struct LetterCounts {
  uint64_t closed = 0;
  // Not redriven: the subscription has not reached the event yet, or the event no longer exists.
  uint64_t to_come = 0;
  uint64_t trimmed = 0;

  bool operator==(const LetterCounts&) const = default;
};

// Returns the outcome that closing the letters now would have.
LetterCounts CountLetters(const SubscriptionContext& context, const Subscription& subscription,
                          const std::vector<OpenDeadLetter>& letters, bool redrive);

// NOT_FOUND if the selector names a partition that the dead-letter topic does not have. Call it for
// a selector without matches: letters may be in a former dead-letter topic with more partitions.
absl::Status CheckPartitions(const TopicCatalog& topics, const Subscription& subscription,
                             const v1::DeadLetterSelector& selector);

// Returns the topics that hold open dead letters of a subscription. Reads one key per topic from
// disk.
absl::StatusOr<std::vector<TopicId>> TopicsOfOpenLetters(const LogStore& store,
                                                         SubscriptionId subscription);

// Returns the first open dead letter of a subscription in a partition of a topic; nullopt if there
// is none. Reads one key from disk.
absl::StatusOr<std::optional<Offset>> FirstOpenLetter(const LogStore& store,
                                                      SubscriptionId subscription, TopicId topic,
                                                      PartitionId partition);

// Whether a subscription has an open dead letter in any partition of the topic. Reads one key from
// disk.
absl::StatusOr<bool> HasOpenLetters(const LogStore& store, SubscriptionId subscription,
                                    TopicId topic);

// Closes dead letters; with `redrive`, returns their events to the subscription. Skips letters that
// are no longer open.
class CloseLettersTask final : public TopicChange {
 public:
  CloseLettersTask(const SubscriptionContext& context, std::shared_ptr<Subscription> subscription,
                   std::vector<OpenDeadLetter> letters, bool redrive,
                   absl::AnyInvocable<void(absl::StatusOr<LetterCounts>) &&> done);

  void Prepare(CommitBuilder& commit) override;
  void Done(const absl::Status& status) override;

 private:
  absl::Status Close(CommitBuilder& commit);
  // RESOURCE_EXHAUSTED if memory has no room to redrive all of these letters.
  absl::Status CheckRoom(const std::vector<const OpenDeadLetter*>& letters) const;

  const SubscriptionContext& context_;
  const std::shared_ptr<Subscription> subscription_;
  const std::vector<OpenDeadLetter> letters_;
  const bool redrive_;
  absl::AnyInvocable<void(absl::StatusOr<LetterCounts>) &&> done_;
  LetterCounts counts_;
  absl::Status refused_;
};

}  // namespace eventhub
