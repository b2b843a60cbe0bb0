// Redriving and discarding any number of dead letters that match a selector.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "eventhub/v1/subscription.pb.h"
#include "server/core/base/long_call.h"
#include "server/core/subscription/dead_letter/dead_letter_office.h"
#include "server/core/subscription/subscription.h"

namespace eventhub {

// One call: finds and closes letters, in pieces with a commit each, up to the last one that existed
// when the call began. Keeps itself alive until it is done. Pieces that were committed before an
// error stay done.
class LetterClosing : public std::enable_shared_from_this<LetterClosing> {
 public:
  struct Order {
    v1::DeadLetterSelector selector;
    bool redrive = false;  // Otherwise: discard.
    bool dry_run = false;  // Only count.
  };
  using Done = absl::AnyInvocable<void(absl::StatusOr<LetterCounts>) &&>;

  // Calls `done` exactly once. Errors: those of Caller::Interruption. NOT_FOUND: the subscription
  // was deleted; or the selector names a topic that does not exist; or it matches nothing and names
  // a partition that the dead-letter topic does not have.
  static void Start(const SubscriptionContext& context, std::shared_ptr<Subscription> subscription,
                    LongCall call, Order order, Done done);

 private:
  LetterClosing(const SubscriptionContext& context, std::shared_ptr<Subscription> subscription,
                LongCall call, Order order, Done done);

  void Piece();
  absl::Status FindPiece(DeadLetterPage* page);
  void Add(const LetterCounts& piece);
  // Runs after each piece.
  void FinishPiece(const absl::StatusOr<LetterCounts>& piece);
  absl::Status Interruption() const;

  const SubscriptionContext& context_;
  const std::shared_ptr<Subscription> subscription_;
  const LongCall call_;
  const Order order_;
  Done done_;
  LetterBounds bounds_;
  std::string after_;  // Where the last piece ended.
  LetterCounts counts_;
};

}  // namespace eventhub
