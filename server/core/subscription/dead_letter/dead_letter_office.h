// The open dead letters of a subscription: finding, redriving and discarding them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "eventhub/v1/subscription.pb.h"
#include "server/core/subscription/dead_letter/letter_filter.h"
#include "server/core/subscription/subscription.h"
#include "server/core/topic/topic_tasks.h"

namespace eventhub {

// A dead letter as stored. Closed ones exist only for reports.
struct OpenDeadLetter {
  std::string key;  // In the column `cursors`; of a closed letter: in `meta`.
  DeadLetterPlace place;
  stored::DeadLetter record;
  v1::DeadLetter::State state = v1::DeadLetter::STATE_OPEN;
  int64_t close_micros = 0;
  bool removed = false;  // Compaction has removed its event: see NoteRemoved.
};

class LetterBounds;

// What a search may examine and return.
struct SearchBudget {
  size_t letters;  // Examined, matching or not.
  size_t bytes;    // Of those found; the last one may exceed it.

  bool spent() const { return letters == 0 || bytes == 0; }
  void Take(size_t found_bytes) { bytes -= std::min(bytes, found_bytes); }
};

struct DeadLetterQuery {
  const LetterFilter& filter;
  bool with_events = false;
  bool with_data = false;
  size_t limit = 0;
  LetterBounds* bounds = nullptr;  // Null: no bounds.
  SearchBudget* budget = nullptr;  // Reduced by what the search uses. Null: that of a page.
};

// The budget of a page; smaller if the events of letters must be read.
SearchBudget PageBudget(const LetterFilter& filter, bool with_events);

// The dead letters that exist at one time. They bound a redrive, so that it ends even if consumers
// park more events, or the same events again, meanwhile.
class LetterBounds {
 public:
  // The current ends of the topic, if it exists. Letters made at `until` or later are beyond the
  // bounds, too.
  LetterBounds(const TopicCatalog& topics, const std::string& dead_letter_topic,
               absl::Time until = absl::InfiniteFuture());

  // Whether the letter was added later. The bounds of any other topic are its ends when it is first
  // asked for.
  bool Beyond(const DeadLetterPlace& place);
  // The same for the time of a letter.
  bool BeyondTime(const stored::DeadLetter& letter) const {
    return absl::FromUnixMicros(letter.time_micros()) >= until_;
  }

 private:
  void Note(const Topic& topic);

  const TopicCatalog& topics_;
  const absl::Time until_;
  absl::flat_hash_map<TopicId, std::vector<Offset>> ends_;  // Indexed by partition.
};

struct DeadLetterPage {
  std::vector<OpenDeadLetter> found;
  std::vector<v1::DeadLetter> letters;  // One for each letter found, if events were requested.
  std::string next;                     // Where to continue; empty: all were found.
};

// Finds the letters that pass the filter, open ones first, starting after the place where the
// previous page ended. Stops at the limit, or when the budget is used up. Reads from disk.
// INVALID_ARGUMENT: `after` is not such a place. NOT_FOUND: the filter names a topic that does not
// exist.
absl::StatusOr<DeadLetterPage> FindDeadLetters(const SubscriptionContext& context,
                                               const Subscription& subscription,
                                               const DeadLetterQuery& query,
                                               const std::string& after);

// Notes which events of letters compaction has removed, in topics that keep the latest per key:
// they are not redriven, although there are copies. Reads from disk.
void NoteRemoved(const SubscriptionContext& context, const Subscription& subscription,
                 std::vector<OpenDeadLetter>& letters);

// The outcome for the matching letters; for a dry run, the expected outcome.
struct LetterCounts {
  uint64_t closed = 0;
  // Not redriven: the subscription has not reached the event yet, the event no longer exists, or it
  // is in flight to another pipeline.
  uint64_t to_come = 0;
  uint64_t trimmed = 0;
  uint64_t in_flight = 0;

  bool operator==(const LetterCounts&) const = default;
};

// How letters are closed.
struct LetterAction {
  bool redrive = false;                       // Otherwise: discard.
  bool all_pipelines = false;                 // Redrive: not only to the pipeline of the letter.
  std::optional<v1::RateLimit> rate_limit{};  // Of replays and redrives from now on.
};

// Returns the outcome that closing the letters now would have.
LetterCounts CountLetters(const SubscriptionContext& context, const Subscription& subscription,
                          const std::vector<OpenDeadLetter>& letters, const LetterAction& action);

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

// Closes dead letters; a redrive returns their events to the subscription. Skips letters that are
// no longer open.
class CloseLettersTask final : public TopicChange {
 public:
  CloseLettersTask(const SubscriptionContext& context, std::shared_ptr<Subscription> subscription,
                   std::vector<OpenDeadLetter> letters, LetterAction action,
                   absl::AnyInvocable<void(absl::StatusOr<LetterCounts>) &&> done);

  void Prepare(CommitBuilder& commit) override;
  void Done(const absl::Status& status) override;

 private:
  absl::Status Close(CommitBuilder& commit);
  // RESOURCE_EXHAUSTED if memory has no room to redrive all of these letters.
  absl::Status CheckRoom(const std::vector<const OpenDeadLetter*>& letters) const;
  void CloseOne(CommitBuilder& commit, const OpenDeadLetter& letter);

  const SubscriptionContext& context_;
  const std::shared_ptr<Subscription> subscription_;
  const std::vector<OpenDeadLetter> letters_;
  const LetterAction action_;
  absl::AnyInvocable<void(absl::StatusOr<LetterCounts>) &&> done_;
  LetterCounts counts_;
  absl::Status refused_;
};

}  // namespace eventhub
