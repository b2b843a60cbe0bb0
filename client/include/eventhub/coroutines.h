// Handlers of a subscriber as C++20 coroutines, which wait for answers without blocking a thread.
//
// Example: exactly once into the log, with as many events in flight as the credit allows.
//
//     options.on_event_async = AsCoroutine([&](ReceivedEvent received) -> Handling {
//       Transaction transaction;
//       transaction.Ack("orders.billing", received).Append("invoices", MakeInvoice(received));
//       const auto result = co_await Commit(*committer, std::move(transaction));
//       if (!result.ok()) co_return Outcome::Retry(std::string(result.status().message()));
//       co_return Outcome::Settled();
//     });
#pragma once

#include <coroutine>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "eventhub/committer.h"
#include "eventhub/latest_reader.h"
#include "eventhub/publisher.h"
#include "eventhub/settler.h"
#include "eventhub/subscriber.h"
#include "eventhub/transaction.h"

namespace eventhub::client {

// The return type of a coroutine handler; see AsCoroutine. It co_returns the event's Outcome.
// An exception that leaves it counts as a Retry with what() as its reason. If its frame is
// destroyed before it is done, the event is retried, too.
class Handling {
 public:
  class promise_type {
   public:
    Handling get_return_object() {
      return Handling(std::coroutine_handle<promise_type>::from_promise(*this));
    }
    std::suspend_always initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_value(Outcome outcome) { settler_.Settle(std::move(outcome)); }
    void unhandled_exception() {
      try {
        throw;
      } catch (const std::exception& exception) {
        settler_.Retry(exception.what());
      } catch (...) {
        settler_.Retry("the handler threw something other than a std::exception");
      }
    }

   private:
    friend class Handling;
    std::shared_ptr<const void> handler_;  // Its captures are used until the coroutine is done.
    Settler settler_;
  };

  Handling(Handling&& other) noexcept : coroutine_(std::exchange(other.coroutine_, nullptr)) {}
  Handling& operator=(Handling&&) = delete;
  ~Handling() {
    if (coroutine_) coroutine_.destroy();
  }

  // Runs the coroutine until it first waits; from then on it resumes by itself.
  void Start(std::shared_ptr<const void> handler, Settler settler) && {
    promise_type& promise = coroutine_.promise();
    promise.handler_ = std::move(handler);
    promise.settler_ = std::move(settler);
    std::exchange(coroutine_, nullptr).resume();
  }

 private:
  explicit Handling(std::coroutine_handle<promise_type> coroutine) : coroutine_(coroutine) {}

  std::coroutine_handle<promise_type> coroutine_;
};

// For SubscriberOptions::on_event_async: calls `handler`, a `Handling(ReceivedEvent)`, for each
// event. The coroutine has to take the event by value; it is valid until the coroutine is done.
template <typename Handler>
auto AsCoroutine(Handler handler) {
  return [handler = std::make_shared<const Handler>(std::move(handler))](ReceivedEvent received,
                                                                         Settler settler) {
    (*handler)(received).Start(handler, std::move(settler));
  };
}

// A call that takes a callback for a T, to be awaited. The coroutine continues where callbacks run,
// under the same restrictions, until it next waits.
template <typename T, typename Call>
class Awaited {
 public:
  // `call(callback)` returns a status; if that is not OK, it does not call back.
  explicit Awaited(Call call) : call_(std::move(call)) {}

  bool await_ready() const noexcept { return false; }
  bool await_suspend(std::coroutine_handle<> coroutine) {
    absl::Status taken = std::move(call_)([this, coroutine](absl::StatusOr<T> result) {
      result_ = std::move(result);
      coroutine.resume();
    });
    // If it was taken, the coroutine may be done, and this object gone.
    if (taken.ok()) return true;
    result_ = std::move(taken);
    return false;
  }
  absl::StatusOr<T> await_resume() { return *std::move(result_); }

 private:
  Call call_;
  std::optional<absl::StatusOr<T>> result_;
};

// Committer::Commit, to be awaited. An error also means that the transaction was not taken.
inline auto Commit(Committer& committer, Transaction transaction) {
  auto call = [&committer, transaction = std::move(transaction)](Committer::Callback done) mutable {
    return committer.Commit(std::move(transaction), std::move(done));
  };
  return Awaited<TransactionResult, decltype(call)>(std::move(call));
}

// Publisher::Publish, likewise. `event` must live until the result is there.
inline auto Publish(Publisher& publisher, const v1::Event& event) {
  auto call = [&publisher, &event](Publisher::Callback done) {
    return publisher.Publish(event, std::move(done));
  };
  return Awaited<PublishedEvent, decltype(call)>(std::move(call));
}

// LatestReader::GetAsync, likewise.
inline auto GetLatest(LatestReader& reader, const std::string& key,
                      std::optional<uint32_t> partition = std::nullopt) {
  auto call = [&reader, key, partition](LatestReader::Callback done) {
    reader.GetAsync(key, std::move(done), partition);
    return absl::OkStatus();
  };
  return Awaited<LatestEvent, decltype(call)>(std::move(call));
}

}  // namespace eventhub::client
