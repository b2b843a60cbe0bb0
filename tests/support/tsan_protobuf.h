// Included before all else where gcc's ThreadSanitizer is on. protobuf then gives its map fields
// two more members, which the packaged library, built without, does not know of.
#pragma once

#pragma push_macro("__SANITIZE_THREAD__")
#undef __SANITIZE_THREAD__
#include <google/protobuf/map_field.h>
#pragma pop_macro("__SANITIZE_THREAD__")
