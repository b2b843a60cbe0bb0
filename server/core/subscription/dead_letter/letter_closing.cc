#include "server/core/subscription/dead_letter/letter_closing.h"

#include <algorithm>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "server/core/base/errors.h"
#include "storage/base/status_macros.h"

namespace eventhub {
namespace {

// The number of letters that one commit closes: each costs the commit thread a lookup in the store.
constexpr size_t kLettersAtOnce = 256;

// The limit for one of several calls: each piece examines a page.
constexpr size_t kMaxLetters = 10'000;
constexpr size_t kMaxPieces = kMaxLetters / kLettersAtOnce;

// The token of a later call: the time of the first one, and where the previous one ended.
constexpr char kAfterTime = '.';

std::string MakeToken(absl::Time until, const std::string& after) {
  return absl::StrCat(absl::ToUnixMicros(until), std::string(1, kAfterTime), after);
}

bool ParseToken(const std::string& token, absl::Time* until, std::string* after) {
  const size_t dot = token.find(kAfterTime);
  int64_t micros = 0;
  if (dot == std::string::npos || !absl::SimpleAtoi(token.substr(0, dot), &micros)) return false;
  *until = absl::FromUnixMicros(micros);
  *after = token.substr(dot + 1);
  return !after->empty();
}

uint64_t Selected(const LetterCounts& counts) {
  return counts.closed + counts.to_come + counts.trimmed + counts.in_flight;
}

}  // namespace

LetterClosing::LetterClosing(const SubscriptionContext& context,
                             std::shared_ptr<Subscription> subscription, LongCall call, Order order,
                             LetterFilter filter, absl::Time until, Done done)
    : context_(context),
      subscription_(std::move(subscription)),
      call_(std::move(call)),
      order_(std::move(order)),
      filter_(std::move(filter)),
      until_(until),
      done_(std::move(done)),
      bounds_(context.topics, subscription_->settings().dead_letter_topic(), until) {}

void LetterClosing::Start(const SubscriptionContext& context,
                          std::shared_ptr<Subscription> subscription, LongCall call, Order order,
                          Done done) {
  absl::StatusOr<LetterFilter> filter =
      LetterFilter::Create(order.selector, /*may_be_closed=*/false);
  if (!filter.ok()) return std::move(done)(filter.status());
  if (order.max_letters > kMaxLetters) {
    return std::move(done)(
        InvalidField("max_events", absl::StrCat("must be at most ", kMaxLetters)));
  }
  std::string after;
  absl::Time until = absl::InfiniteFuture();
  if (order.max_letters > 0) until = context.clock.Now();
  const bool valid = order.page_token.empty() ||
                     (order.max_letters > 0 && ParseToken(order.page_token, &until, &after));
  if (!valid) {
    return std::move(done)(InvalidField("page_token", "was not returned by this call"));
  }
  const std::shared_ptr<LetterClosing> closing(
      new LetterClosing(context, std::move(subscription), std::move(call), std::move(order),
                        *std::move(filter), until, std::move(done)));
  closing->after_ = std::move(after);
  closing->Piece();
}

void LetterClosing::Piece() {
  if (absl::Status ended = Interruption(); !ended.ok()) return std::move(done_)(std::move(ended));
  DeadLetterPage page;
  if (absl::Status found = FindPiece(&page); !found.ok()) return std::move(done_)(std::move(found));
  after_ = page.next;
  ++pieces_;
  if (order_.dry_run) {
    Add(CountLetters(context_, *subscription_, page.found, order_.action));
    page.found.clear();
  }
  if (page.found.empty() && !after_.empty()) return FinishPiece(LetterCounts());
  // The last task is submitted even without letters: letters that were not found may have been
  // closed by a commit that is not visible. Done runs on a thread that must not block: it posts the
  // next piece.
  LetterAction action = order_.action;
  if (order_.dry_run || std::exchange(limited_, true)) action.rate_limit.reset();
  context_.writer.Submit(std::make_unique<CloseLettersTask>(
      context_, subscription_, std::move(page.found), std::move(action),
      [self = shared_from_this()](const absl::StatusOr<LetterCounts>& piece) {
        self->FinishPiece(piece);
      }));
}

void LetterClosing::Add(const LetterCounts& piece) {
  counts_.closed += piece.closed;
  counts_.to_come += piece.to_come;
  counts_.trimmed += piece.trimmed;
  counts_.in_flight += piece.in_flight;
}

size_t LetterClosing::PieceSize() const {
  if (order_.max_letters == 0) return kLettersAtOnce;
  return std::min<size_t>(kLettersAtOnce, order_.max_letters - Selected(counts_));
}

absl::Status LetterClosing::FindPiece(DeadLetterPage* page) {
  const DeadLetterQuery query{filter_, false, false, PieceSize(), &bounds_};
  ASSIGN_OR_RETURN(*page, FindDeadLetters(context_, *subscription_, query, after_));
  if (order_.action.redrive) NoteRemoved(context_, *subscription_, page->found);
  return absl::OkStatus();
}

bool LetterClosing::AtLimit() const {
  return order_.max_letters > 0 &&
         (Selected(counts_) >= order_.max_letters || pieces_ >= kMaxPieces);
}

void LetterClosing::FinishPiece(const absl::StatusOr<LetterCounts>& piece) {
  if (!piece.ok()) {
    const absl::Status& why = piece.status();
    if (counts_.closed == 0) return std::move(done_)(why);
    return std::move(done_)(
        WithMessage(why, absl::StrCat(why.message(), "; before that ", counts_.closed,
                                      order_.action.redrive ? " dead letters were redriven"
                                                            : " dead letters were discarded")));
  }
  Add(*piece);
  if (after_.empty() || AtLimit()) return Finish();
  call_.Next([self = shared_from_this()] { self->Piece(); });
}

void LetterClosing::Finish() {
  if (counts_ == LetterCounts() && after_.empty() && order_.page_token.empty()) {
    const absl::Status sound = CheckPartitions(context_.topics, *subscription_, order_.selector);
    if (!sound.ok()) return std::move(done_)(sound);
  }
  std::move(done_)(Result{counts_, after_.empty() ? "" : MakeToken(until_, after_)});
}

absl::Status LetterClosing::Interruption() const {
  const char* const what = order_.dry_run          ? "counted"
                           : order_.action.redrive ? "redriven"
                                                   : "discarded";
  return call_.Interruption(absl::StrCat(counts_.closed, " dead letters were ", what));
}

}  // namespace eventhub
