#include "client/processor/commit_queue.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/random/random.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/src/base/failure.h"
#include "eventhub/error.h"
#include "eventhub/partition.h"

namespace eventhub::processor::internal {
namespace {

using Kind = PipelineState::Kind;

std::string RandomPrefix() {
  absl::BitGen random;
  return absl::StrCat(absl::Hex(absl::Uniform<uint64_t>(random), absl::kZeroPad16),
                      absl::Hex(absl::Uniform<uint64_t>(random), absl::kZeroPad16), "-");
}

// Whether the same transaction should be repeated: its outcome is unknown, or the hub asks to retry
// later. A full topic does not concern the other topics in the transaction.
bool ShouldRepeat(const absl::Status& status) {
  return client::MayPass(status) &&
         client::GetErrorReason(status) != client::ErrorReason::kTopicFull;
}

// Whether the hub refuses the events themselves.
bool IsAboutEvents(const absl::Status& status) {
  return absl::IsInvalidArgument(status) ||
         client::GetErrorReason(status) == client::ErrorReason::kRequestTooLarge;
}

struct AckedOffset {
  uint32_t partition;
  uint64_t lease_epoch;
  int64_t offset;

  friend auto operator<=>(const AckedOffset&, const AckedOffset&) = default;
};

void AddAcks(std::vector<AckedOffset> offsets, client::Transaction& transaction) {
  std::sort(offsets.begin(), offsets.end());
  for (const AckedOffset& at : offsets) {
    auto& acks = transaction.acks;
    if (acks.empty() || acks.back().partition != at.partition ||
        acks.back().lease_epoch != at.lease_epoch) {
      acks.push_back({.partition = at.partition, .lease_epoch = at.lease_epoch});
    }
    auto& ranges = acks.back().ranges;
    if (!ranges.empty() && ranges.back().end == at.offset) {
      ++ranges.back().end;
    } else if (ranges.empty() || ranges.back().end < at.offset) {
      ranges.push_back({.start = at.offset, .end = at.offset + 1});
    }
  }
}

client::TransactionAppend& AppendFor(const Emission& emission, client::Transaction& transaction) {
  for (client::TransactionAppend& append : transaction.appends) {
    if (append.topic == *emission.topic && append.partition == emission.partition) return append;
  }
  return transaction.appends.emplace_back(
      client::TransactionAppend{.topic = *emission.topic, .partition = emission.partition});
}

}  // namespace

CommitQueue::CommitQueue(Owner& owner, Strand& strand, const Clock& clock, std::string subscription,
                         const CommitWindow& window)
    : owner_(owner),
      strand_(strand),
      clock_(clock),
      subscription_(std::move(subscription)),
      window_(window),
      id_prefix_(RandomPrefix()),
      backoff_(client::RetryOptions{}) {}

void CommitQueue::Add(Bundle bundle) {
  if (!stalls_.empty()) {
    const auto stall = stalls_.find(TopicsOf(bundle));
    if (stall != stalls_.end()) {
      stall->second.bundles.push_back(std::move(bundle));
      return;
    }
  }
  if (waiting_.empty() && window_.interval > absl::ZeroDuration()) since_ = clock_.Monotonic();
  events_ += bundle.events;
  bytes_ += bundle.bytes;
  waiting_.push_back(std::move(bundle));
}

bool CommitQueue::WindowIsFull() const {
  return draining_ || window_.interval <= absl::ZeroDuration() || events_ >= window_.max_events ||
         bytes_ >= window_.max_bytes || clock_.Monotonic() >= since_ + window_.interval;
}

void CommitQueue::OnIdle() {
  // Loops until a transaction is in progress: lost bundles start none.
  while (!in_progress_ && !owner_.closing()) {
    if (ready_.empty()) {
      if (waiting_.empty()) return;
      if (!WindowIsFull()) {
        ArmTimer();
        return;
      }
      GatherGroup();
    }
    Group group = std::move(ready_.front());
    ready_.pop_front();
    Start(std::move(group));
  }
}

void CommitQueue::ArmTimer() {
  if (timer_armed_) return;
  timer_armed_ = true;
  strand_.At(since_ + window_.interval, [this] { timer_armed_ = false; });
}

void CommitQueue::GatherGroup() {
  Group group;
  size_t events = 0;
  size_t bytes = 0;
  while (!waiting_.empty()) {
    Bundle& next = waiting_.front();
    const bool first = group.bundles.empty();
    if (!first && (next.piecewise || events + next.events > window_.max_events ||
                   bytes + next.bytes > window_.max_bytes ||
                   next.triggers[0]->session != group.bundles[0].triggers[0]->session)) {
      break;
    }
    events += next.events;
    bytes += next.bytes;
    Bundle bundle = std::move(next);
    waiting_.pop_front();
    if (bundle.piecewise) {
      AddPieces(std::move(bundle));
      break;
    }
    group.bundles.push_back(std::move(bundle));
  }
  events_ -= events;
  bytes_ -= bytes;
  if (!waiting_.empty()) since_ = clock_.Monotonic();
  if (!group.bundles.empty()) ready_.push_back(std::move(group));
}

void CommitQueue::AddPieces(Bundle bundle) {
  ForEachEmitter(bundle, [&](Task& task) {
    ++task.trigger->pieces;
    ready_.push_back({.bundles = {bundle}, .piece = &task, .id = PieceId(task)});
  });
}

void CommitQueue::Start(Group group) {
  std::vector<Bundle> leased;
  for (Bundle& bundle : group.bundles) {
    if (IsLost(bundle)) {
      Lose(bundle);
    } else {
      leased.push_back(std::move(bundle));
    }
  }
  if (leased.empty()) return;
  group.bundles = std::move(leased);
  group.session = group.bundles[0].triggers[0]->session;
  if (group.id.empty()) group.id = NewId();
  in_progress_ = std::move(group);
  owner_.Commit(Build(*in_progress_));
}

bool CommitQueue::IsLost(const Bundle& bundle) const {
  return std::any_of(bundle.triggers.begin(), bundle.triggers.end(),
                     [this](const Trigger* trigger) { return owner_.IsLost(*trigger); });
}

void CommitQueue::Lose(Bundle& bundle) {
  if (!stalls_.empty()) Release(TopicsOf(bundle));
  DropPieces(bundle);
  owner_.OnLost(bundle);
}

void CommitQueue::OnAnswer(const absl::Status& status) {
  if (!status.ok() && ShouldRepeat(status)) {
    RetryLater(status);
    return;
  }
  backoff_.Reset();
  if (std::exchange(retrying_, false)) TellState(Kind::kRunning, "");
  Group group = *std::exchange(in_progress_, std::nullopt);
  if (status.ok()) {
    OnCommitted(std::move(group));
  } else {
    OnRefused(std::move(group), status);
  }
}

void CommitQueue::RetryLater(const absl::Status& status) {
  retrying_ = true;
  TellState(Kind::kWaiting, std::string(status.message()));
  strand_.At(clock_.Monotonic() + backoff_.DelayAfter(status), [this] {
    if (owner_.closing()) return;
    if (in_progress_->piece != nullptr && IsLost(in_progress_->bundles[0])) {
      // It acks nothing, so the hub would not notice that it is lost. The next delivery of the
      // event repeats it under the same id.
      TellState(Kind::kRunning, "");
      Group group = *std::exchange(in_progress_, std::nullopt);
      Lose(group.bundles[0]);
    } else {
      owner_.Commit(Build(*in_progress_));
    }
  });
}

void CommitQueue::TellState(Kind kind, const std::string& because) {
  for (const Bundle& bundle : in_progress_->bundles)
    owner_.OnState(bundle, kind, "commit", because);
}

void CommitQueue::OnCommitted(Group group) {
  for (Bundle& bundle : group.bundles) {
    if (!stalls_.empty()) Release(TopicsOf(bundle));
    if (group.piece == nullptr) {
      owner_.OnCommitted(bundle, /*acked=*/true);
    } else {
      group.piece->emissions.clear();
      FinishPiece(bundle);
    }
  }
}

void CommitQueue::FinishPiece(Bundle& bundle) {
  if (--bundle.triggers[0]->pieces == 0) owner_.OnCommitted(bundle, /*acked=*/false);
}

void CommitQueue::OnRefused(Group group, const absl::Status& status) {
  // Events of a former session cannot be acked.
  if (group.session != owner_.session()) {
    for (Bundle& bundle : group.bundles) Lose(bundle);
    return;
  }
  if (group.bundles.size() > 1) {
    Divide(std::move(group));
    return;
  }
  Bundle& bundle = group.bundles[0];
  if (absl::IsAborted(status)) {
    Lose(bundle);
  } else if (IsAboutEvents(status)) {
    if (!stalls_.empty()) Release(TopicsOf(bundle));
    owner_.OnRefused(bundle, group.piece, status);
    if (group.piece != nullptr) FinishPiece(bundle);
  } else {
    DropPieces(bundle);
    Hold(std::move(bundle), status);
  }
}

void CommitQueue::DropPieces(const Bundle& bundle) {
  Trigger* const trigger = bundle.triggers[0];
  if (trigger->pieces == 0) return;
  std::erase_if(ready_, [&](const Group& group) {
    return group.piece != nullptr && group.piece->trigger == trigger;
  });
  trigger->pieces = 0;
}

void CommitQueue::Divide(Group group) {
  const size_t half = group.bundles.size() / 2;
  Group second;
  second.bundles.assign(
      std::make_move_iterator(group.bundles.begin() + static_cast<ptrdiff_t>(half)),
      std::make_move_iterator(group.bundles.end()));
  Group first;
  group.bundles.resize(half);
  first.bundles = std::move(group.bundles);
  ready_.push_front(std::move(second));
  ready_.push_front(std::move(first));
}

void CommitQueue::Hold(Bundle bundle, const absl::Status& status) {
  const std::string topics = TopicsOf(bundle);
  Stall& stall = stalls_[topics];
  owner_.OnState(bundle, Kind::kBroken, absl::StrCat("commit to ", topics),
                 std::string(status.message()));
  stall.bundles.push_front(std::move(bundle));
  strand_.At(clock_.Monotonic() + stall.backoff.DelayAfter(status), [this, topics] {
    const auto it = stalls_.find(topics);
    if (it == stalls_.end() || it->second.bundles.empty()) return;
    Bundle first = std::move(it->second.bundles.front());
    it->second.bundles.pop_front();
    if (first.piecewise) {
      AddPieces(std::move(first));
    } else {
      Group group;
      group.bundles.push_back(std::move(first));
      ready_.push_back(std::move(group));
    }
  });
}

void CommitQueue::Release(const std::string& topics) {
  const auto it = stalls_.find(topics);
  if (it == stalls_.end()) return;
  std::deque<Bundle> bundles = std::move(it->second.bundles);
  stalls_.erase(it);
  for (Bundle& bundle : bundles) {
    owner_.OnState(bundle, Kind::kRunning, absl::StrCat("commit to ", topics), "");
    Add(std::move(bundle));
  }
}

std::string CommitQueue::NewId() { return absl::StrCat(id_prefix_, next_id_++); }

std::string CommitQueue::PieceId(const Task& task) {
  const Trigger& trigger = *task.trigger;
  // A replay is meant to publish again.
  if (trigger.arrival.replayed) return NewId();
  std::string text;
  for (const std::string& part :
       {subscription_, task.pipeline->id(), trigger.event.source(), trigger.event.id()}) {
    absl::StrAppend(&text, part.size(), ":", part);
  }
  absl::StrAppend(&text, trigger.arrival.partition, "/", trigger.arrival.offset);
  const uint64_t first = client::KeyHash(text);
  return absl::StrCat("piece-", absl::Hex(first, absl::kZeroPad16),
                      absl::Hex(client::KeyHash(text + "2"), absl::kZeroPad16));
}

client::Transaction CommitQueue::Build(const Group& group) const {
  client::Transaction transaction(group.id);
  std::vector<AckedOffset> acks;
  for (const Bundle& bundle : group.bundles) {
    ForEachEmitter(bundle, [&](const Task& task) {
      if (group.piece != nullptr && &task != group.piece) return;
      for (const Emission& emission : task.emissions) {
        AppendFor(emission, transaction).encoded_events += emission.encoded;
      }
    });
    if (group.piece != nullptr) continue;
    for (const Trigger* const trigger : bundle.triggers) {
      if (HasFault(*trigger) || trigger->arrival.restored) continue;
      acks.push_back({trigger->arrival.partition, trigger->lease_epoch, trigger->arrival.offset});
    }
  }
  if (!acks.empty()) {
    transaction.subscription = subscription_;
    transaction.session = group.session;
  }
  AddAcks(std::move(acks), transaction);
  return transaction;
}

std::string CommitQueue::TopicsOf(const Bundle& bundle) {
  std::set<std::string> topics;
  ForEachEmitter(bundle, [&](Task& task) {
    for (const Emission& emission : task.emissions) topics.insert(*emission.topic);
  });
  return absl::StrJoin(topics, ", ");
}

}  // namespace eventhub::processor::internal
