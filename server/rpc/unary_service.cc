#include "server/rpc/unary_service.h"

#include <string>

#include "storage/base/check.h"

namespace eventhub {

int IndexOfMethod(absl::string_view service, const google::protobuf::Descriptor& request,
                  const google::protobuf::Descriptor& response) {
  const google::protobuf::ServiceDescriptor* const descriptor =
      request.file()->pool()->FindServiceByName(std::string(service));
  EVENTHUB_CHECK(descriptor != nullptr, "the messages of a service are in its pool");
  int found = -1;
  for (int i = 0; i < descriptor->method_count(); ++i) {
    const google::protobuf::MethodDescriptor& method = *descriptor->method(i);
    if (method.client_streaming() || method.server_streaming()) continue;
    if (method.input_type() != &request || method.output_type() != &response) continue;
    EVENTHUB_CHECK(found < 0, "each unary method has its own types");
    found = i;
  }
  EVENTHUB_CHECK(found >= 0, "a service serves methods that it has");
  return found;
}

}  // namespace eventhub
