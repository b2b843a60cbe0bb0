// Reads and writes topologies in YAML, for `eventhub apply` and `eventhub export`.
//
// Keys are the field names of eventhub/v1/topology.proto and its messages. Values are written as
// `7d`, `10GiB`, `queue` or `true`. A filter is an expression, or has the form of the CloudEvents
// Subscriptions API.
//
//     topics:
//       - name: orders
//         partitions: 8
//         retention: {max_age: 7d, max_bytes: 10GiB}
//     routes:
//       - name: eu
//         source_topic: orders
//         target_topics: [orders.eu]
//         filter: {prefix: {subject: eu/}}
#pragma once

#include <map>
#include <string>
#include <vector>

#include "eventhub/v1/topology.pb.h"

namespace eventhub::cli {

// `FILE:LINE:COLUMN` by list, object name and field path.
using Places = std::map<std::vector<std::string>, std::string>;

// Reads one topology from several files. Not thread-safe.
class TopologyReader {
 public:
  // Adds the objects in `text`; `name` is the file name in messages.
  void Read(const std::string& name, const std::string& text);

  // All faults in the order of the files, as `FILE:LINE:COLUMN: PROBLEM`.
  const std::vector<std::string>& faults() const { return faults_; }

  // Valid only if faults() is empty.
  const v1::Topology& topology() const { return topology_; }

  // Returns the place of a field of an object, e.g. `retention.max_age` of `orders` in `topics`; if
  // no file has the field, that of the nearest enclosing field or of the object; empty if no file
  // has the object.
  std::string PlaceOf(const std::string& list, const std::string& name, std::string path) const;

 private:
  v1::Topology topology_;
  std::vector<std::string> faults_;
  // The places of objects and of their fields. The path of an object itself is empty.
  Places places_;
};

// Writes YAML that TopologyReader reads. Omits fields that are not set.
std::string WriteTopology(const v1::Topology& topology);

}  // namespace eventhub::cli
