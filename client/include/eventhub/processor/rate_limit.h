// Options of the step that limits a rate.
#pragma once

namespace eventhub::processor {

// How many units pass. For each process: divide it by the number of those that share the work.
struct Rate {
  double per_second = 0;  // More than 0.
  // How many may pass at once after a pause; at least 1.
  double burst = 1;
};

}  // namespace eventhub::processor
