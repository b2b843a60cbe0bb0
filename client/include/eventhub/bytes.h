// Immutable bytes with shared ownership, which pass between the SDK and a connection without being
// copied.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace eventhub::client {

// A view of bytes and the owner that keeps them alive. Copying it copies no bytes.
// Thread-compatible; copies may be used and dropped on any thread.
struct Bytes {
  std::string_view view;
  std::shared_ptr<const void> owner;

  // Takes ownership of a string.
  static Bytes Of(std::string text) {
    auto owner = std::make_shared<const std::string>(std::move(text));
    const std::string_view view = *owner;
    return Bytes{view, std::move(owner)};
  }
};

}  // namespace eventhub::client
