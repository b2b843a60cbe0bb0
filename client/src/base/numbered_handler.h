// The base of stream handlers whose core opens one stream after another.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>

namespace eventhub::client {

// Passes what happens on one stream to a core; the number tells the core that stream from those
// before and after it. Does nothing once the core is gone. Stream has a Handler; Core derives from
// enable_shared_from_this.
template <typename Core, typename Stream>
class NumberedHandler : public Stream::Handler {
 public:
  NumberedHandler(std::weak_ptr<Core> core, uint64_t number)
      : core_(std::move(core)), number_(number) {}

 protected:
  // Calls a method of the core with the number and the arguments.
  template <typename Method, typename... Arguments>
  void Tell(Method method, Arguments&&... arguments) {
    const std::shared_ptr<Core> core = core_.lock();
    if (core != nullptr) (core.get()->*method)(number_, std::forward<Arguments>(arguments)...);
  }

 private:
  const std::weak_ptr<Core> core_;
  const uint64_t number_;
};

}  // namespace eventhub::client
