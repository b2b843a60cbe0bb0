// A task of the commit thread that consists of functions.
#pragma once

#include <cstddef>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "storage/base/await.h"
#include "storage/commit_builder.h"
#include "storage/log_writer.h"

namespace eventhub {

class TestTask final : public CommitTask {
 public:
  using PrepareFn = absl::AnyInvocable<void(CommitBuilder&)>;

  explicit TestTask(
      PrepareFn prepare, StatusDone done = [](const absl::Status&) {}, bool synced = true,
      size_t bytes = 0)
      : prepare_(std::move(prepare)), done_(std::move(done)), synced_(synced), bytes_(bytes) {}

  void Prepare(CommitBuilder& commit) override { prepare_(commit); }
  void Done(const absl::Status& status) override { std::move(done_)(status); }
  size_t bytes() const override { return bytes_; }
  bool synced() const override { return synced_; }

 private:
  PrepareFn prepare_;
  StatusDone done_;
  const bool synced_;
  const size_t bytes_;
};

}  // namespace eventhub
