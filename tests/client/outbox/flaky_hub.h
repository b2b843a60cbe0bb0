// A hub in the test's process that handles publish streams like the real one (epochs, sequences, a
// window of 64 requests), on a thread of its own, and fails as the test says.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "eventhub/connection.h"
#include "eventhub/error.h"
#include "eventhub/v1/hub.pb.h"
#include "storage/base/mutex.h"

namespace eventhub::client {

// Thread-safe.
class FlakyHub : public Connection, private PublishStreams {
 public:
  explicit FlakyHub(uint64_t seed = 1);
  ~FlakyHub() override;

  PublishStreams& publish_streams() override { return *this; }

  // The chance, of 1000, that the connection breaks before a request is handled, or after it.
  void SetFaults(int before, int after);
  // While down, new streams fail, and open ones break.
  void SetDown(bool down);
  // While held, requests are not handled.
  void SetHeld(bool held);
  // Refuses requests for the topic with this error; OK: takes them.
  void Refuse(const std::string& topic, absl::Status error);
  // Refuses requests with events of this type, naming the first.
  void RefuseType(std::string type);
  // Ends streams that send a request with more bytes of events.
  void SetMaxRequestBytes(size_t bytes);
  // Forgets all producers.
  void ForgetProducers();

  // Takes a request, as from a stream.
  PublishReply Take(const v1::PublishStreamRequest& request);

  // The ids of the events of a topic, in order.
  std::vector<std::string> Ids(const std::string& topic) const;
  size_t requests() const;
  size_t duplicates() const;
  // Of the latest request.
  v1::PublishStreamRequest last_request() const;

 private:
  class Stream;
  struct Producer {
    uint64_t epoch = 0;
    uint64_t next = 0;
  };

  std::shared_ptr<PublishStream> OpenPublishStream(
      std::shared_ptr<PublishStream::Handler> handler) override;
  void Written(std::shared_ptr<Stream> stream, v1::PublishStreamRequest request, size_t bytes);
  void Close(const std::shared_ptr<Stream>& stream, absl::Status status);
  void Run();
  void Handle(const std::shared_ptr<Stream>& stream, const v1::PublishStreamRequest& request,
              size_t bytes);
  PublishReply Process(const v1::PublishStreamRequest& request)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Add(absl::AnyInvocable<void()> work) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  mutable Mutex mutex_;
  CondVar changed_;
  std::deque<absl::AnyInvocable<void()>> work_ ABSL_GUARDED_BY(mutex_);
  std::set<std::shared_ptr<Stream>> streams_ ABSL_GUARDED_BY(mutex_);
  std::mt19937_64 random_ ABSL_GUARDED_BY(mutex_);
  int before_ ABSL_GUARDED_BY(mutex_) = 0;
  int after_ ABSL_GUARDED_BY(mutex_) = 0;
  bool down_ ABSL_GUARDED_BY(mutex_) = false;
  bool held_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::map<std::string, absl::Status> refused_ ABSL_GUARDED_BY(mutex_);
  std::string refused_type_ ABSL_GUARDED_BY(mutex_);
  size_t max_request_bytes_ ABSL_GUARDED_BY(mutex_) = SIZE_MAX;
  // By topic and producer.
  std::map<std::pair<std::string, std::string>, Producer> producers_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, std::vector<std::string>> logs_ ABSL_GUARDED_BY(mutex_);
  size_t requests_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t duplicates_ ABSL_GUARDED_BY(mutex_) = 0;
  v1::PublishStreamRequest last_request_ ABSL_GUARDED_BY(mutex_);
  // For the thread, which outlives the hub if a handler has its last reference.
  const std::shared_ptr<bool> gone_ = std::make_shared<bool>(false);
  std::thread thread_;
};

// An error as a hub raises it.
absl::Status HubRefusal(absl::StatusCode code, ErrorInfo info, std::string_view message);

}  // namespace eventhub::client
