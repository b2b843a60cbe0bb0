#include "client/src/subscribe/settlements.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "absl/status/status.h"

namespace eventhub::client {
namespace {

bool ComesBefore(const SentOutcome& a, const SentOutcome& b) {
  return std::tie(a.at.partition, a.at.range.start) < std::tie(b.at.partition, b.at.range.start);
}

// Subtracts a refused range from the sent outcomes, which are sorted, and adds its events to
// `count`.
void Subtract(const v1::RefusedRange& refused, std::vector<SentOutcome>& sent, uint64_t& count) {
  const OffsetRange range{refused.range().start(), refused.range().end()};
  const SentOutcome from{.at = {.partition = refused.partition(), .range = range}};
  auto it = std::upper_bound(sent.begin(), sent.end(), from, ComesBefore);
  while (it != sent.begin() && std::prev(it)->at.partition == refused.partition() &&
         std::prev(it)->at.range.end > range.start) {
    --it;
  }
  for (; it != sent.end() && it->at.partition == refused.partition() &&
         it->at.range.start < range.end;
       ++it) {
    const int64_t overlap =
        std::min(range.end, it->at.range.end) - std::max(range.start, it->at.range.start);
    const uint64_t events = std::min<uint64_t>(it->events, std::max<int64_t>(overlap, 0));
    it->events -= events;
    count += events;
  }
}

}  // namespace

void Settlements::Add(uint64_t correlation_id, std::vector<SentOutcome> outcomes) {
  for (const SentOutcome& outcome : outcomes) events_ += outcome.events;
  sent_.emplace(correlation_id, std::move(outcomes));
}

Settlements::Result Settlements::Settle(const v1::Settlement& settlement) {
  Result result;
  const auto it = sent_.find(settlement.correlation_id());
  if (it == sent_.end()) return result;
  std::vector<SentOutcome> sent = std::move(it->second);
  sent_.erase(it);
  for (const SentOutcome& outcome : sent) events_ -= outcome.events;
  if (settlement.refused_size() > 0) std::sort(sent.begin(), sent.end(), ComesBefore);
  for (const v1::RefusedRange& refused : settlement.refused()) {
    const bool lost = refused.error().code() == static_cast<int>(absl::StatusCode::kAborted);
    Subtract(refused, sent, lost ? result.lease_lost : result.failed);
  }
  for (const SentOutcome& outcome : sent) {
    (outcome.kind == Outcome::Kind::kAck ? result.acked : result.nacked) += outcome.events;
    if (outcome.kind == Outcome::Kind::kPark) result.parked += outcome.events;
    if (outcome.kind == Outcome::Kind::kSkip) result.skipped += outcome.events;
  }
  return result;
}

uint64_t Settlements::Lose() {
  sent_.clear();
  return std::exchange(events_, 0);
}

}  // namespace eventhub::client
