// Events whose data is JSON as services write it, for what depends on how well events compress.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <random>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "eventhub/v1/event.pb.h"

namespace eventhub::benchmark {

// Orders with lines of items: words repeat, numbers and ids do not. The same ones in each process.
class Orders {
 public:
  // `event_bytes`: the encoded size of an event, about.
  explicit Orders(size_t event_bytes) : event_bytes_(event_bytes) {}

  v1::Event Next() {
    v1::Event event;
    event.set_id(absl::StrFormat("%016x%016x", random_(), random_()));
    event.set_source("/shop/orders");
    event.set_type(Pick({"shop.order.placed", "shop.order.paid", "shop.order.shipped"}));
    event.set_subject(absl::StrCat("order/", random_() % 1'000'000));
    event.set_data_content_type("application/json");
    (*event.mutable_attributes())["correlationid"].set_string(absl::StrFormat("%016x", random_()));
    event.set_data(NextData());
    return event;
  }

  std::string NextData() {
    std::string data = absl::StrCat(R"({"customer":)", random_() % 100'000, R"(,"items":[)");
    while (data.size() + 250 < event_bytes_) {
      absl::StrAppend(&data, R"({"sku":"SKU-)", random_() % 10'000, R"(","name":")",
                      Pick({"blue cotton shirt", "coffee beans, dark roast", "usb cable 2m"}),
                      R"(","quantity":)", random_() % 9, R"(,"price":")", random_() % 100, ".",
                      random_() % 100, R"("},)");
    }
    if (data.back() == ',') data.pop_back();
    return data + "]}";
  }

 private:
  const char* Pick(std::initializer_list<const char*> words) {
    return *(words.begin() + random_() % words.size());
  }

  const size_t event_bytes_;
  std::mt19937_64 random_{42};
};

}  // namespace eventhub::benchmark
