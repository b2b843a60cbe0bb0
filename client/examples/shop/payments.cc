// Charges each order at the bank, and refunds it if the order is not shipped.
//
//   payments HUB BANK
//
// The bank is an HTTP service that is at times slow, failing or unreachable. It identifies an order
// by its id, and charges it once, however often it is asked.

#include <iostream>
#include <optional>
#include <string>
#include <utility>

#include "client/examples/shop/http_client.h"
#include "client/examples/shop/shop.h"

using eventhub::client::Connect;
using eventhub::processor::HttpStatus;
using eventhub::processor::Pipeline;
using eventhub::processor::Reply;
using shop::Event;
using shop::HttpClient;
using shop::HttpResponse;

namespace {

constexpr absl::Duration kTimeout = absl::Milliseconds(500);

// The result of a request to the bank: the type of the fact to publish, if any.
struct Answer {
  const char* fact = nullptr;
};

absl::StatusOr<Answer> AnswerOf(const absl::StatusOr<HttpResponse>& response) {
  if (!response.ok()) return response.status();
  switch (response->code) {
    case 201:
      return Answer{shop::kCharged};
    case 402:  // The customer's bank declined.
    case 409:  // It was cancelled before.
      return Answer{shop::kDeclined};
    case 200:
      return Answer{shop::kRefunded};
    case 204:  // There was nothing to refund.
      return Answer{};
    default:
      return HttpStatus(response->code, response->body);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: payments HUB BANK\n";
    return 2;
  }
  const std::string bank = argv[2];
  HttpClient http(kTimeout);
  const auto rule =
      Pipeline("payments")
          .On({shop::kPlaced, shop::kRejected, shop::kExpired})
          .Map(shop::OrderOf)
          .Call(
              "bank",
              [&](const Event& event, Reply<Answer> reply) {
                const bool charge = event.type() == shop::kPlaced;
                http.Post(bank + (charge ? "/charges" : "/cancellations"), event.data(),
                          [reply = std::move(reply)](const auto& response) mutable {
                            reply(AnswerOf(response));
                          });
              },
              {.parallel = 32,
               .timeout = 2 * kTimeout,
               .breaker = {.open_for = absl::Milliseconds(200), .max_open_for = absl::Seconds(1)}})
          .Publish(shop::kOrders,
                   [](const Event& cause, const Answer& answer) -> std::optional<Event> {
                     if (answer.fact == nullptr) return std::nullopt;
                     return shop::Fact(answer.fact, cause);
                   });
  return shop::Serve(Connect(argv[1]),
                     {.subscription = "payments", .source = "/shop/payments", .pipelines = {rule}});
}
