#include "server/core/admin/topic_users.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "server/core/base/errors.h"
#include "server/core/route/route_settings.h"

namespace eventhub {

std::string TopicUsers::KeepEvents() const {
  if (!subscriptions.empty()) return absl::StrCat("has subscriptions: ", JoinNames(subscriptions));
  if (dead_letters_of.empty()) return "";
  return absl::StrCat("takes the dead letters of subscriptions: ", JoinNames(dead_letters_of));
}

absl::Status TopicUsers::CheckNoLetters(absl::string_view topic) const {
  return open_letters_of.empty() ? absl::OkStatus() : TopicHasOpenLetters(topic, open_letters_of);
}

absl::Status TopicUsers::CheckDelete(absl::string_view topic) const {
  std::string use = KeepEvents();
  if (use.empty() && !links.empty()) {
    use = absl::StrCat("is the target of links: ", JoinNames(links));
  } else if (use.empty() && !routes.empty()) {
    use = absl::StrCat("is the source of routes: ", JoinNames(routes));
  } else if (use.empty() && !failing_routes.empty()) {
    use = absl::StrCat("is a target of routes that fail without it: ", JoinNames(failing_routes));
  }
  if (!use.empty()) return TopicInUse(topic, use);
  return CheckNoLetters(topic);
}

bool FailsWithout(const v1::Route& route, absl::string_view topic) {
  const auto& targets = route.target_topics();
  return !SkipsUnavailable(route) &&
         std::find(targets.begin(), targets.end(), topic) != targets.end();
}

}  // namespace eventhub
