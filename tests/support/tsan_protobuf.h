// Must be included before everything else under gcc's ThreadSanitizer, where protobuf would add two
// members to its map fields; the packaged library is built without them.
#pragma once

#pragma push_macro("__SANITIZE_THREAD__")
#undef __SANITIZE_THREAD__
#include <google/protobuf/map_field.h>
#pragma pop_macro("__SANITIZE_THREAD__")
