#include "client/cli/output/topology_risks.h"

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "client/cli/frame/command.h"
#include "client/cli/input/json.h"
#include "client/cli/input/units.h"
#include "storage/base/status_macros.h"

namespace eventhub::cli {
namespace {

using Kind = client::TopologyChange::Kind;
using Action = client::TopologyChange::Action;
using client::FieldChange;

Json ParseValue(const std::string& text) {
  return Json::parse(text, nullptr, /*allow_exceptions=*/false);
}

// Infinite, i.e. no limit, if not set.
absl::Duration AgeOf(const std::string& value) {
  const Json json = ParseValue(value);
  absl::Duration age;
  if (!json.is_string() || !absl::ParseDuration(json.get<std::string>(), &age)) {
    return absl::InfiniteDuration();
  }
  return age;
}

// 0 if not set.
uint64_t NumberOf(const std::string& value) {
  const Json json = ParseValue(value);
  uint64_t number = 0;
  if (json.is_number_unsigned()) return json.get<uint64_t>();
  if (json.is_string() && absl::SimpleAtoi(json.get<std::string>(), &number)) return number;
  return 0;
}

bool IsTrue(const std::string& value) {
  const Json json = ParseValue(value);
  return json.is_boolean() && json.get<bool>();
}

// Sets only the settings whose change may be a risk.
void Set(const std::string& path, const std::string& value, client::Topic& topic) {
  if (path == "partitions") topic.partitions = static_cast<uint32_t>(NumberOf(value));
  if (path == "retention.max_age") topic.max_age = AgeOf(value);
  if (path == "retention.max_bytes") topic.max_bytes = NumberOf(value);
  if (path == "retention.keep_until_acked") topic.keep_until_acked = IsTrue(value);
  if (path == "retention.keep_until_acked_max_bytes") {
    topic.keep_until_acked_max_bytes = NumberOf(value);
  }
  if (path == "retention.none") topic.keep_nothing = IsTrue(value);
  if (path == "retention.refuse_when_full") topic.refuse_when_full = IsTrue(value);
  if (path == "archive") topic.archive = value.empty() || IsTrue(value);
}

void Set(const std::string& path, const std::string& value, client::Subscription& subscription) {
  if (path == "expire_after") subscription.expire_after = AgeOf(value);
}

void Set(const std::string& path, const std::string& value, client::Route& route) {
  // Only whether the key changes matters, not which key it is.
  if (absl::StartsWith(path, "partition_key")) {
    route.partition_key = client::RouteKey::Constant(value);
  }
}

// Returns the risks of an update that the hub reported, of one of the `wanted` objects.
template <typename T>
Risks RisksOfUpdate(const client::TopologyChange& change, const std::vector<T>& wanted) {
  const auto found = std::find_if(wanted.begin(), wanted.end(), [&change](const T& object) {
    return object.name == change.name;
  });
  T to = found == wanted.end() ? T{} : *found;
  for (const FieldChange& field : change.fields) Set(field.path, field.new_value, to);
  T from = to;
  for (const FieldChange& field : change.fields) Set(field.path, field.old_value, from);
  return RisksOf(from, to);
}

Risks RisksOfDeletion(Kind kind) {
  switch (kind) {
    case Kind::kTopic:
      return {"deletes the topic with all its events"};
    case Kind::kSubscription:
      return {"deletes its acks, snapshots and dead letters"};
    case Kind::kLink:
      return {"deletes the link's positions"};
    case Kind::kRoute:
    case Kind::kUnknown:
      break;
  }
  return {};
}

// 0 means no limit.
uint64_t LimitOf(uint64_t bytes) {
  return bytes == 0 ? std::numeric_limits<uint64_t>::max() : bytes;
}

}  // namespace

Risks RisksOf(const client::Topic& from, const client::Topic& to) {
  Risks risks;
  if (to.partitions > from.partitions) {
    risks.emplace_back(
        "moves keys: the next events of a key may go to another partition than those before");
  }
  if (to.keep_nothing) {
    if (!from.keep_nothing) risks.emplace_back("deletes all its events");
    return risks;
  }
  if (to.max_age < from.max_age) {
    risks.push_back(
        absl::StrCat("deletes events appended more than ", FormatExactAge(to.max_age), " ago"));
  }
  // A topic that refuses events beyond its limit does not delete any.
  const auto drops_beyond = [](const client::Topic& topic) {
    return topic.refuse_when_full ? LimitOf(0) : LimitOf(topic.max_bytes);
  };
  if (drops_beyond(to) < drops_beyond(from)) {
    risks.push_back(
        absl::StrCat("deletes the oldest events beyond ", FormatExactBytes(to.max_bytes)));
  }
  const bool waits_less = from.keep_until_acked &&
                          (!to.keep_until_acked || LimitOf(to.keep_until_acked_max_bytes) <
                                                       LimitOf(from.keep_until_acked_max_bytes));
  if (waits_less) risks.emplace_back("deletes events that subscriptions have not acked yet");
  if (from.archive && !to.archive) {
    risks.emplace_back("deletes events that the hub's lake, if it has one, does not have yet");
  }
  return risks;
}

Risks RisksOf(const client::Subscription& from, const client::Subscription& to) {
  if (to.expire_after >= from.expire_after) return {};
  return {absl::StrCat("deletes the subscription when no consumer was connected for ",
                       FormatExactAge(to.expire_after))};
}

Risks RisksOf(const client::Route& from, const client::Route& to) {
  if (to.partition_key == from.partition_key) return {};
  return {"moves keys: the next copies may go to other partitions than those before"};
}

absl::Status ConfirmUpdate(const std::string& command, const std::string& what,
                           const Risks& risks) {
  if (risks.empty()) return absl::OkStatus();
  RETURN_IF_ERROR(
      NeedTerminal(absl::StrCat(command, " of ", what, ", which ", absl::StrJoin(risks, "; "))));
  for (const std::string& risk : risks) std::fprintf(stderr, "! it %s\n", risk.c_str());
  return Confirm(absl::StrCat("Change ", what, "?"), absl::StrCat(what, " stays as it is"));
}

PlanRisks::PlanRisks(client::Topology wanted) : wanted_(std::move(wanted)) {}

absl::Status PlanRisks::FindDeadLetters(client::SubscriptionClient& client,
                                        const client::ApplyResult& plan) {
  std::set<Deleted> deleted;
  for (const client::TopologyChange& change : plan.changes) {
    if (change.action == Action::kDelete) deleted.emplace(change.kind, change.name);
  }
  if (deleted.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(const std::vector<client::SubscriptionSummary> all, client.ListSubscriptions());
  for (const client::SubscriptionSummary& summary : all) {
    const Deleted key(Kind::kSubscription, summary.subscription.name);
    if (deleted.count(key) == 0 || summary.stats.open_dead_letters == 0) continue;
    letters_[key] =
        absl::StrCat("discards ", CountOf(summary.stats.open_dead_letters, "open dead letter"));
  }
  return absl::OkStatus();
}

Risks PlanRisks::Of(const client::TopologyChange& change) const {
  if (change.action == Action::kDelete) {
    Risks risks = RisksOfDeletion(change.kind);
    const auto letters = letters_.find({change.kind, change.name});
    if (letters != letters_.end()) risks.push_back(letters->second);
    return risks;
  }
  if (change.action != Action::kUpdate) return {};
  if (change.kind == Kind::kTopic) return RisksOfUpdate(change, wanted_.topics());
  if (change.kind == Kind::kSubscription) return RisksOfUpdate(change, wanted_.subscriptions());
  if (change.kind == Kind::kRoute) return RisksOfUpdate(change, wanted_.routes());
  return {};
}

}  // namespace eventhub::cli
