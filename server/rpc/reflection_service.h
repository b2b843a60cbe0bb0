// gRPC server reflection, which tells tools such as grpcurl which services the hub has.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "google/protobuf/descriptor.h"
#include "grpcpp/impl/service_type.h"
#include "server/rpc/calls.h"
#include "server/rpc/publish_limits.h"
#include "server/rpc/stream_registry.h"

namespace eventhub {

// gRPC's own implementation takes a thread for each stream, and parses requests before the hub
// knows of them. This one serves streams like those of all other services. Requests and responses
// are so simple that they are read and written field by field: the generated code of the protocol
// would collide with gRPC's in a process that has both.
//
// Thread-safe, once all services are added.
class ReflectionService final : public grpc::Service {
 public:
  // The arguments outlive the service.
  ReflectionService(PublishLimits& limits, StreamRegistry& registry, const Calls& calls);

  // Adds a service of the server to those that are listed. Called before the server starts.
  void AddService(absl::string_view name) { services_.emplace_back(name); }

  // Answers an encoded ServerReflectionRequest with an encoded ServerReflectionResponse.
  std::string Answer(absl::string_view request) const;

 private:
  // Serves one version of the protocol; all have the same messages.
  void AddVersion(absl::string_view version);

  // What the pool has on the subject of a request, as a field of the response; empty if nothing.
  std::string Find(uint32_t kind, absl::string_view subject) const;

  PublishLimits& limits_;
  StreamRegistry& registry_;
  const Calls& calls_;
  google::protobuf::DescriptorPool pool_;  // Generated files, and the protocol itself.
  std::deque<std::string> paths_;          // Of the methods.
  std::vector<std::string> services_;
};

}  // namespace eventhub
