// Publishes to a hub that is not there, and is told so in time.

#include <iostream>

#include "eventhub/admin_client.h"
#include "eventhub/error.h"
#include "eventhub/partition.h"
#include "eventhub/publisher.h"
#include "eventhub/reader.h"

namespace client = eventhub::client;

int main() {
  const auto hub = client::Connect("unix:/nonexistent/hub.sock");
  auto publisher =
      client::Publisher::Create(hub, {.topic = "orders", .deadline = absl::Milliseconds(200)});
  if (!publisher.ok()) return 1;

  eventhub::v1::Event event;
  event.set_id("1");
  event.set_source("/outside");
  event.set_type("test");
  if (!(*publisher)->Publish(event).ok()) return 1;
  const absl::Status published = (*publisher)->Flush();
  std::cout << "publish: " << published << "\n";
  if (published.code() != absl::StatusCode::kDeadlineExceeded) return 1;

  client::AdminClient admin(hub);
  const absl::Status health = admin.CheckHealth().status();
  std::cout << "health: " << health << "\n";
  if (health.code() != absl::StatusCode::kUnavailable) return 1;

  auto reader = client::Reader::Create(hub, {.topic = "orders"});
  if (!reader.ok()) return 1;
  const absl::Status read = (*reader)->Next(absl::Milliseconds(100)).status();
  std::cout << "read: " << read << "\n";
  if (read.code() != absl::StatusCode::kDeadlineExceeded) return 1;

  return client::PartitionFor("ord-81", 16) < 16 ? 0 : 1;
}
