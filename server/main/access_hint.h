// Explains how to repair the permissions of a data directory that the hub cannot access.
#pragma once

#include <string>

namespace eventhub {

// For the end of an error message: describes what the hub cannot access at or below `directory`,
// and the command that repairs it. Empty if access is not the problem. In containers it usually is:
// a mounted host directory belongs to root.
std::string AccessHint(const std::string& directory);

}  // namespace eventhub
