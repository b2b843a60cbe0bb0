#include "client/cli/run/open_letters.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/cli/input/units.h"
#include "storage/base/status_macros.h"

namespace eventhub::cli {

absl::StatusOr<std::vector<OpenLetters>> FindOpenLetters(
    client::SubscriptionClient& client,
    const std::vector<client::SubscriptionSummary>& subscriptions, const std::string& topic) {
  constexpr uint64_t kMostCounted = 10'000;
  std::vector<OpenLetters> found;
  for (const client::SubscriptionSummary& summary : subscriptions) {
    if (summary.stats.open_dead_letters == 0) continue;
    OpenLetters letters{.subscription = summary.subscription.name};
    RETURN_IF_ERROR(client.ListDeadLetters(letters.subscription, {.topic = topic},
                                           /*with_data=*/false, [&](const client::DeadLetter&) {
                                             letters.more = letters.count == kMostCounted;
                                             if (!letters.more) ++letters.count;
                                             return !letters.more;
                                           }));
    if (letters.count > 0) found.push_back(std::move(letters));
  }
  return found;
}

std::string LettersText(const std::vector<OpenLetters>& letters) {
  return absl::StrJoin(letters, " and ", [](std::string* out, const OpenLetters& of) {
    absl::StrAppend(out, of.more ? "more than " : "", CountOf(of.count, "open dead letter"),
                    " of subscription '", of.subscription, "'");
  });
}

}  // namespace eventhub::cli
