#include "server/core/subscription/dead_letter/letter_counts.h"

#include "google/protobuf/util/time_util.h"

namespace eventhub {

using google::protobuf::util::TimeUtil;

void LetterGroups::Add(const std::string& subscription, const OpenDeadLetter& letter) {
  const v1::FaultDetail& detail = letter.record.detail();
  v1::DeadLetterGroup& group =
      groups_[{subscription, detail.processor(), detail.pipeline(), detail.step(), detail.error()}];
  group.set_events(group.events() + 1);
  if (letter.record.failures() > 1) group.set_failed_again(group.failed_again() + 1);
  const auto time = TimeUtil::MicrosecondsToTimestamp(letter.record.time_micros());
  if (group.events() == 1 || time < group.first_time()) *group.mutable_first_time() = time;
  if (group.events() == 1 || time >= group.last_time()) {
    *group.mutable_last_time() = time;
    group.set_message(detail.message().empty() ? letter.record.reason() : detail.message());
  }
}

void LetterGroups::AddTo(v1::CountDeadLettersResponse& response) const {
  for (const auto& [key, counted] : groups_) {
    v1::DeadLetterGroup& group = *response.add_groups();
    group = counted;
    std::string* const names[] = {group.mutable_subscription(), group.mutable_processor(),
                                  group.mutable_pipeline(), group.mutable_step(),
                                  group.mutable_error()};
    std::tie(*names[0], *names[1], *names[2], *names[3], *names[4]) = key;
  }
}

}  // namespace eventhub
