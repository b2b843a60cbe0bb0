#include "server/core/subscription/dead_letter/letter_closing.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "server/core/base/errors.h"
#include "storage/base/status_macros.h"

namespace eventhub {
namespace {

// The number of letters that one commit closes: each costs the commit thread a lookup in the store.
constexpr size_t kLettersAtOnce = 256;

}  // namespace

LetterClosing::LetterClosing(const SubscriptionContext& context,
                             std::shared_ptr<Subscription> subscription, LongCall call, Order order,
                             Done done)
    : context_(context),
      subscription_(std::move(subscription)),
      call_(std::move(call)),
      order_(std::move(order)),
      done_(std::move(done)),
      bounds_(context.topics, subscription_->settings().dead_letter_topic()) {}

void LetterClosing::Start(const SubscriptionContext& context,
                          std::shared_ptr<Subscription> subscription, LongCall call, Order order,
                          Done done) {
  std::shared_ptr<LetterClosing>(new LetterClosing(context, std::move(subscription),
                                                   std::move(call), std::move(order),
                                                   std::move(done)))
      ->Piece();
}

void LetterClosing::Piece() {
  if (absl::Status ended = Interruption(); !ended.ok()) return std::move(done_)(std::move(ended));
  DeadLetterPage page;
  if (absl::Status found = FindPiece(&page); !found.ok()) return std::move(done_)(std::move(found));
  after_ = page.next;
  if (order_.dry_run) {
    Add(CountLetters(context_, *subscription_, page.found, order_.redrive));
    page.found.clear();
  }
  if (page.found.empty() && !after_.empty()) return FinishPiece(LetterCounts());
  // The last task is submitted even without letters: letters that were not found may have been
  // closed by a commit that is not visible. Done runs on a thread that must not block: it posts the
  // next piece.
  context_.writer.Submit(std::make_unique<CloseLettersTask>(
      context_, subscription_, std::move(page.found), order_.redrive,
      [self = shared_from_this()](const absl::StatusOr<LetterCounts>& piece) {
        self->FinishPiece(piece);
      }));
}

void LetterClosing::Add(const LetterCounts& piece) {
  counts_.closed += piece.closed;
  counts_.to_come += piece.to_come;
  counts_.trimmed += piece.trimmed;
}

absl::Status LetterClosing::FindPiece(DeadLetterPage* page) {
  const DeadLetterQuery query{order_.selector, false, false, kLettersAtOnce, &bounds_};
  ASSIGN_OR_RETURN(*page, FindDeadLetters(context_, *subscription_, query, after_));
  return absl::OkStatus();
}

void LetterClosing::FinishPiece(const absl::StatusOr<LetterCounts>& piece) {
  if (!piece.ok()) {
    const absl::Status& why = piece.status();
    if (counts_.closed == 0) return std::move(done_)(why);
    return std::move(done_)(
        WithMessage(why, absl::StrCat(why.message(), "; before that ", counts_.closed,
                                      order_.redrive ? " dead letters were redriven"
                                                     : " dead letters were discarded")));
  }
  Add(*piece);
  if (!after_.empty()) return call_.Next([self = shared_from_this()] { self->Piece(); });
  if (counts_ == LetterCounts()) {
    const absl::Status sound = CheckPartitions(context_.topics, *subscription_, order_.selector);
    if (!sound.ok()) return std::move(done_)(sound);
  }
  std::move(done_)(counts_);
}

absl::Status LetterClosing::Interruption() const {
  const char* const what = order_.dry_run ? "counted" : order_.redrive ? "redriven" : "discarded";
  return call_.Interruption(absl::StrCat(counts_.closed, " dead letters were ", what));
}

}  // namespace eventhub
