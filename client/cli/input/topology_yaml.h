// Topologies in YAML, as `eventhub apply` reads them and `eventhub export` writes them.
//
// Keys are the field names of eventhub/v1/topology.proto and what it is made of; values are written
// as people write them: `7d`, `10GiB`, `queue`, `true`. A filter is an expression or has the form
// of the CloudEvents Subscriptions API.
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

// `FILE:LINE:COLUMN`, by what is there.
using Places = std::map<std::vector<std::string>, std::string>;

// Gathers one topology from several files. Not thread-safe.
class TopologyReader {
 public:
  // Adds what the file says; `name` is for messages.
  void Read(const std::string& name, const std::string& text);

  // All that is wrong, in the order of the files: `FILE:LINE:COLUMN: WHAT`.
  const std::vector<std::string>& faults() const { return faults_; }

  // Of use only if nothing is wrong.
  const v1::Topology& topology() const { return topology_; }

  // Where a field of an object is, e.g. `retention.max_age` of `orders` in `topics`; else what it
  // is in; empty if no file has the object.
  std::string PlaceOf(const std::string& list, const std::string& name, std::string path) const;

 private:
  v1::Topology topology_;
  std::vector<std::string> faults_;
  // Of each object, by its list and name, and of its fields, by their paths; that of the object
  // itself is empty.
  Places places_;
};

// What ReadTopology takes back. Fields that are not set are left out.
std::string WriteTopology(const v1::Topology& topology);

}  // namespace eventhub::cli
