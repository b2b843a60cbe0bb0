// Options of the step RateLimit.
#pragma once

namespace eventhub::processor {

// The maximum rate of units. It applies to each process: divide a total by the number of processes.
struct Rate {
  double per_second = 0;  // More than 0.
  // How many units may pass at once after a pause; at least 1.
  double burst = 1;
};

}  // namespace eventhub::processor
