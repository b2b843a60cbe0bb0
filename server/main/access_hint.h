// What to do about a data directory that the hub may not use.
#pragma once

#include <string>

namespace eventhub {

// Who may not use what at or below `directory`, and the command that changes it, for the end of an
// error message; empty if the reason is another one. With containers it is the usual one: a
// directory of the host, mounted, belongs to root.
std::string AccessHint(const std::string& directory);

}  // namespace eventhub
