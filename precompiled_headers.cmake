# The headers that most files include are read once for each set below instead of once for each compilation. A
# precompiled header hides missing includes: tests/standalone.py compiles each file without it.

# list_targets(DIRECTORY RESULT): the targets of a directory and of those below it.
function(list_targets directory result)
  get_property(targets DIRECTORY ${directory} PROPERTY BUILDSYSTEM_TARGETS)
  get_property(below DIRECTORY ${directory} PROPERTY SUBDIRECTORIES)
  foreach(subdirectory IN LISTS below)
    list_targets(${subdirectory} more)
    list(APPEND targets ${more})
  endforeach()
  set(${result} ${targets} PARENT_SCOPE)
endfunction()

# precompile(NAME HEADERS h... LIBS l... [OPTIONS o...] DIRECTORIES d... [LINKED r]): compiles the headers, with the
# include directories of the libraries, for all targets of the directories, or for those that link a library whose name
# matches r. If there is a `first_header`, every file of every target of the directories includes that before all others.
function(precompile name)
  cmake_parse_arguments(arg "" "LINKED" "HEADERS;LIBS;OPTIONS;DIRECTORIES" ${ARGN})
  set(source ${PROJECT_BINARY_DIR}/${name}.cc)
  file(CONFIGURE OUTPUT ${source} CONTENT "// Only its headers are used.\n")
  add_library(${name} OBJECT ${source})
  target_link_libraries(${name} PRIVATE ${arg_LIBS})
  target_compile_options(${name} PRIVATE ${arg_OPTIONS})
  target_precompile_headers(${name} PRIVATE ${first_header} ${arg_HEADERS})
  foreach(directory IN LISTS arg_DIRECTORIES)
    list_targets(${directory} targets)
    foreach(target IN LISTS targets)
      get_target_property(type ${target} TYPE)
      # Generated code has few headers.
      get_target_property(unity ${target} UNITY_BUILD)
      get_target_property(linked ${target} LINK_LIBRARIES)
      if(NOT type MATCHES "^(STATIC_LIBRARY|EXECUTABLE)$")
        continue()
      elseif(unity AND linked MATCHES "${arg_LINKED}")
        target_precompile_headers(${target} REUSE_FROM ${name})
      elseif(first_header)
        target_compile_options(${target} PRIVATE -include ${first_header})
      endif()
    endforeach()
  endforeach()
endfunction()

set(precompiled_headers
  <algorithm> <atomic> <cstdint> <deque> <functional> <limits> <map> <memory> <optional> <set> <string> <thread>
  <utility> <vector>
  <absl/algorithm/container.h> <absl/container/btree_map.h> <absl/container/flat_hash_map.h>
  <absl/container/flat_hash_set.h> <absl/functional/any_invocable.h> <absl/functional/function_ref.h>
  <absl/status/statusor.h> <absl/strings/escaping.h> <absl/strings/match.h> <absl/strings/numbers.h>
  <absl/strings/str_cat.h> <absl/strings/str_format.h> <absl/strings/str_join.h> <absl/strings/str_split.h>
  <absl/time/clock.h> <absl/time/time.h> <absl/types/span.h>
  <google/protobuf/util/time_util.h>
  <eventhub/v1/admin.pb.h> <eventhub/v1/event.pb.h> <eventhub/v1/hub.pb.h> <eventhub/v1/subscription.pb.h>)
set(with_grpc
  <grpcpp/grpcpp.h> <eventhub/v1/link.pb.h> <eventhub/v1/route.pb.h> <eventhub/v1/topology.pb.h>)

set(precompiled_libraries eventhub_proto absl::btree absl::flat_hash_map absl::status absl::statusor absl::strings absl::time)
precompile(eventhub_core_headers HEADERS ${precompiled_headers} LIBS ${precompiled_libraries}
  DIRECTORIES proto storage server/core server/filter server/lake)
if(NOT EVENTHUB_CORE_ONLY)
  list(APPEND precompiled_headers ${with_grpc})
  list(APPEND precompiled_libraries eventhub_grpc)
  precompile(eventhub_grpc_headers HEADERS ${precompiled_headers} LIBS ${precompiled_libraries} OPTIONS ${unoptimized}
    DIRECTORIES server/link server/rpc server/main server/testing client)
endif()
