// Runs changes of subscriptions as calls: submits them to the commit thread and answers when they
// are visible.
#pragma once

#include <functional>
#include <memory>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/core/subscription/subscription.h"
#include "server/core/subscription/subscription_changes.h"
#include "storage/log_writer.h"

namespace eventhub {

template <typename Response>
using ResponseDone = absl::AnyInvocable<void(absl::StatusOr<Response>) &&>;

// Submits a change, which fills in the response on the commit thread. NOT_FOUND: the subscription
// was deleted first.
template <typename Response>
void SubmitChange(LogWriter& writer, std::shared_ptr<Subscription> subscription,
                  absl::AnyInvocable<absl::Status(CommitBuilder&, Response*)> change,
                  ResponseDone<Response> done) {
  auto response = std::make_shared<Response>();
  writer.Submit(std::make_unique<ChangeSubscriptionTask>(
      std::move(subscription),
      [response, change = std::move(change)](CommitBuilder& commit) mutable {
        return change(commit, response.get());
      },
      [response, done = std::move(done)](const absl::Status& status) mutable {
        if (status.ok()) {
          std::move(done)(std::move(*response));
        } else {
          std::move(done)(status);
        }
      }));
}

// Submits a change that may take several commits: calls `change` in each until `done` returns true
// or it refuses; the response is that of the last commit. Calls `interrupted` between commits; any
// status but OK ends the change with that status.
template <typename Response>
struct LongChangeCall {
  std::shared_ptr<Subscription> subscription;
  std::function<bool()> done;
  std::function<absl::Status()> interrupted;
  std::function<absl::Status(CommitBuilder&, Response*)> change;
};

template <typename Response>
void SubmitLongChange(LogWriter& writer, LongChangeCall<Response> call,
                      ResponseDone<Response> done) {
  std::shared_ptr<Subscription> subscription = call.subscription;
  const auto change = call.change;
  SubmitChange<Response>(
      writer, std::move(subscription),
      [change](CommitBuilder& commit, Response* response) { return change(commit, response); },
      [&writer, call = std::move(call),
       done = std::move(done)](absl::StatusOr<Response> response) mutable {
        if (!response.ok() || call.done()) return std::move(done)(std::move(response));
        if (absl::Status status = call.interrupted(); !status.ok()) {
          return std::move(done)(std::move(status));
        }
        SubmitLongChange(writer, std::move(call), std::move(done));
      });
}

}  // namespace eventhub
