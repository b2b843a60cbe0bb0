#include "server/core/base/long_call.h"

#include <algorithm>
#include <memory>

namespace eventhub {
namespace {

// The state of a loop between two pieces.
class Loop : public std::enable_shared_from_this<Loop> {
 public:
  Loop(LongCall call, size_t count, size_t at_once, absl::AnyInvocable<absl::Status(size_t)> one,
       absl::AnyInvocable<void(absl::Status) &&> done)
      : call_(std::move(call)),
        count_(count),
        at_once_(at_once),
        one_(std::move(one)),
        done_(std::move(done)) {}

  void Piece() {
    if (absl::Status ended = call_.Interruption(""); !ended.ok()) {
      return std::move(done_)(std::move(ended));
    }
    for (const size_t end = std::min(count_, next_ + at_once_); next_ < end; ++next_) {
      if (absl::Status status = one_(next_); !status.ok()) {
        return std::move(done_)(std::move(status));
      }
    }
    if (next_ == count_) return std::move(done_)(absl::OkStatus());
    call_.Next([self = shared_from_this()] { self->Piece(); });
  }

 private:
  const LongCall call_;
  const size_t count_;
  const size_t at_once_;
  absl::AnyInvocable<absl::Status(size_t)> one_;
  absl::AnyInvocable<void(absl::Status) &&> done_;
  size_t next_ = 0;
};

}  // namespace

void LongCall::ForEach(size_t count, size_t at_once, absl::AnyInvocable<absl::Status(size_t)> one,
                       absl::AnyInvocable<void(absl::Status) &&> done) const {
  std::make_shared<Loop>(*this, count, at_once, std::move(one), std::move(done))->Piece();
}

}  // namespace eventhub
