#include "server/core/maintenance/trim_task.h"

#include <algorithm>
#include <utility>

#include "server/core/base/errors.h"
#include "server/core/subscription/subscription.h"
#include "server/core/topic/topic_log.h"

namespace eventhub {

TrimTask::TrimTask(const SubscriptionCatalog& subscriptions, std::shared_ptr<Topic> topic,
                   TrimPlan plan, StatusDone done)
    : subscriptions_(subscriptions),
      topic_(std::move(topic)),
      plan_(std::move(plan)),
      done_(std::move(done)) {}

std::vector<NeededFrom> TrimTask::Needed() const {
  std::vector<NeededFrom> needed;
  for (const TrimPlan::Cut& cut : plan_.cuts) needed.push_back({cut.log->id()});
  if (!plan_.settings->retention().keep_until_acked()) return needed;
  for (const auto& subscription : subscriptions_.PendingOf(*topic_)) subscription->LowerTo(needed);
  return needed;
}

void TrimTask::Prepare(CommitBuilder& commit) {
  if (plan_.cuts.empty() || topic_->closing()) return;
  if (plan_.settings.get() != &topic_->pending()) return;
  const std::vector<NeededFrom> needed = Needed();
  for (size_t i = 0; i < needed.size(); ++i) {
    const TrimPlan::Cut& cut = plan_.cuts[i];
    if (needed[i].first < std::min(cut.needed, cut.start.offset)) continue;
    const Offset unarchived = topic_->archive_hold().Of(cut.log->id());
    if (unarchived < std::min(cut.unarchived, cut.start.offset)) continue;
    // The topic may have been emptied since.
    if (cut.start.offset <= cut.log->next_start().offset) continue;
    TrimLog(*topic_, *cut.log, cut.start, commit, cut.batches);
  }
}

void TrimTask::Done(const absl::Status& status) { std::move(done_)(OutcomeOf({}, status)); }

}  // namespace eventhub
