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
// when the call, or the first of several calls, began. Keeps itself alive until it is done. Pieces
// that were committed before an error stay done.
class LetterClosing : public std::enable_shared_from_this<LetterClosing> {
 public:
  struct Order {
    v1::DeadLetterSelector selector;
    LetterAction action{};
    bool dry_run = false;  // Only count.
    // Ends the call after about this many letters, and where the previous call ended; 0: all.
    size_t max_letters = 0;
    std::string page_token{};
  };
  struct Result {
    LetterCounts counts;
    std::string next;  // Where to continue; empty: all are done.
  };
  using Done = absl::AnyInvocable<void(absl::StatusOr<Result>) &&>;

  // Calls `done` exactly once. Errors: those of Caller::Interruption. INVALID_ARGUMENT: the
  // selector or the page token is invalid. NOT_FOUND: the subscription was deleted; or the selector
  // names a topic that does not exist; or it matches nothing and names a partition that the
  // dead-letter topic does not have.
  static void Start(const SubscriptionContext& context, std::shared_ptr<Subscription> subscription,
                    LongCall call, Order order, Done done);

 private:
  LetterClosing(const SubscriptionContext& context, std::shared_ptr<Subscription> subscription,
                LongCall call, Order order, LetterFilter filter, absl::Time until, Done done);

  void Piece();
  size_t PieceSize() const;
  absl::Status FindPiece(DeadLetterPage* page);
  void Add(const LetterCounts& piece);
  bool AtLimit() const;
  void Finish();
  // Runs after each piece.
  void FinishPiece(const absl::StatusOr<LetterCounts>& piece);
  absl::Status Interruption() const;

  const SubscriptionContext& context_;
  const std::shared_ptr<Subscription> subscription_;
  const LongCall call_;
  const Order order_;
  const LetterFilter filter_;
  const absl::Time until_;
  Done done_;
  LetterBounds bounds_;
  std::string after_;  // Where the last piece ended.
  size_t pieces_ = 0;
  bool limited_ = false;  // The rate limit was set.
  LetterCounts counts_;
};

}  // namespace eventhub
