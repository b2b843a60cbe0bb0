#include "server/core/publish/publishing.h"

#include <memory>
#include <optional>
#include <utility>

namespace eventhub {

Publishing::Publishing(LogWriter& writer, const TopicCatalog& topics, DelayedTable& delayed,
                       std::function<absl::Status(size_t)> admit)
    : writer_(writer), topics_(topics), delayed_(delayed), admit_(std::move(admit)) {}

MemoryBudget* Publishing::Publish(const Caller& caller, const PublishRequest& request,
                                  PublishDone done) {
  absl::StatusOr<std::shared_ptr<Topic>> topic = topics_.Require("topic", request.head.topic());
  if (!topic.ok()) {
    std::move(done)(topic.status());
    return nullptr;
  }
  const absl::Status refusal = admit_(request.events.size());
  size_t budget = kMaxWorkOnReceipt;
  absl::StatusOr<CheckedPublish> publish =
      refusal.ok() ? CheckPublish(request, **topic, delayed_, &budget) : refusal;
  if (!publish.ok()) {
    (*topic)->counters().refused_requests.Add();
    std::move(done)(publish.status());
    return nullptr;
  }
  MemoryBudget* const flow = FlowOf(**topic, *publish);
  std::optional<Offset> expected;
  if (request.head.has_expected_offset()) expected = Offset(request.head.expected_offset());
  writer_.Submit(
      std::make_unique<AppendTask>(request.head,
                                   TopicAppend{*std::move(topic), expected,
                                               request.head.expected_run(), *std::move(publish)},
                                   std::move(done)),
      caller.flow());
  return flow;
}

}  // namespace eventhub
