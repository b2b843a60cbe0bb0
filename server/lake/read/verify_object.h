// Compares one object with what the manifest says of it.
#pragma once

#include "absl/status/status.h"
#include "server/lake/object/object.pb.h"
#include "server/lake/object/object_plan.h"
#include "server/lake/store/object_store.h"

namespace eventhub::lake {

// Reads all of the object once. DATA_LOSS or NOT_FOUND, naming it, says what is wrong with it;
// other errors leave that open.
absl::Status VerifyObject(const ObjectStore& store, const LakeTopic& topic,
                          const ObjectRecord& object);

}  // namespace eventhub::lake
