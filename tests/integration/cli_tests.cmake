# The command line: its parts, and the program itself against a hub.
eventhub_test(cli_test
  SOURCES cli_command_test.cc cli_events_test.cc cli_filter_json_test.cc cli_output_test.cc
          cli_topology_test.cc cli_trace_test.cc cli_units_test.cc cli_usage_test.cc
  LIBS eventhub_cli)
# Debian's own interpreter, which has Debian's gRPC.
find_program(SYSTEM_PYTHON python3 PATHS /usr/bin NO_DEFAULT_PATH REQUIRED)
set(cli_environment "EVENTHUB=$<TARGET_FILE:eventhub>;EVENTHUBD=$<TARGET_FILE:eventhubd>"
    "OUTBOX_PROCESS=$<TARGET_FILE:outbox_process>" "LAKE_PROCESS=$<TARGET_FILE:lake_process>")
# Each suite has its own hub. With sanitizers, those run that reach code of the program which no test of
# its parts does; the others start the programs hundreds of times, or wait, which takes minutes.
function(cli_suites program)
  foreach(suite IN LISTS ARGN)
    add_test(NAME Cli.${suite}
      COMMAND ${SYSTEM_PYTHON} -B ${CMAKE_CURRENT_SOURCE_DIR}/${program} -v ${suite}Test)
    set_tests_properties(Cli.${suite} PROPERTIES TIMEOUT 300 COST 10 ENVIRONMENT "${cli_environment}")
  endforeach()
endfunction()
cli_suites(cli_test.py Topics PublishRead Health Bench)
cli_suites(cli_delayed_test.py Delayed)
cli_suites(cli_faults_test.py Faults)
cli_suites(cli_filter_test.py FilterEval)
cli_suites(cli_lake_test.py Lake)
cli_suites(cli_lake_replay_test.py LakeReplay)
cli_suites(cli_outbox_test.py Outbox)
cli_suites(cli_tls_test.py Tls)
cli_suites(cli_trace_test.py Trace)
cli_suites(cli_subscriptions_test.py Subscriptions Consume DeadLetters)
if(NOT EVENTHUB_SANITIZE)
  cli_suites(cli_test.py Usage Wait Follow)
  cli_suites(cli_archive_test.py Archive)
  cli_suites(cli_erase_test.py Erase)
  cli_suites(cli_lake_restore_test.py LakeRestore)
  cli_suites(cli_subscriptions_test.py Seek Exec)
  cli_suites(cli_apply_test.py Apply Export)
  cli_suites(cli_links_test.py Links LinksRestart)
  cli_suites(cli_routes_test.py Routes RoutesTest RoutesRestart Unkept)
  cli_suites(cli_topologies_test.py Topologies)
  cli_suites(cli_recipes_test.py Recipes)
endif()

# The examples that are programs to run, and not only to read.
if(NOT EVENTHUB_SANITIZE)
  add_test(NAME Example.Capture
    COMMAND ${SYSTEM_PYTHON} -B ${CMAKE_CURRENT_SOURCE_DIR}/example_capture_test.py -v)
  set_tests_properties(Example.Capture PROPERTIES TIMEOUT 300
    ENVIRONMENT "${cli_environment};CAPTURE=$<TARGET_FILE:example_capture>")
endif()

# On a disk that is really full; mounting one needs privileges. They wait most of the time, so the longest start first,
# and there are never more than two of them beside what uses the processors. With sanitizers, the tests of storage whose
# file system says that it is full run alone.
set(full_disk_tests)
if(NOT EVENTHUB_SANITIZE)
  set(full_disk_tests KilledTest.test_many_partitions KilledTest.test_medium_disk
      FullDiskTest.test_recovers_without_a_restart KilledTest.test_batches KilledTest.test_large_events
      KilledTest.test_compacted_and_deduplicated KilledTest.test_small_disk KilledTest.test_too_small_disk
      FullDiskTest.test_start_on_a_full_disk)
endif()
set(lock full_disk_1)
set(other_lock full_disk_2)
set(cost 100)
foreach(test IN LISTS full_disk_tests)
  string(REGEX REPLACE ".*[.]test_" "" name ${test})
  add_test(NAME FullDisk.${name}
    COMMAND ${SYSTEM_PYTHON} -B ${CMAKE_CURRENT_SOURCE_DIR}/full_disk_test.py -v ${test})
  set_tests_properties(FullDisk.${name} PROPERTIES
    TIMEOUT 300 COST ${cost} RESOURCE_LOCK ${lock} SKIP_RETURN_CODE 77 ENVIRONMENT "${cli_environment}")
  math(EXPR cost "${cost} - 5")
  # Swaps the locks.
  list(APPEND lock ${other_lock})
  list(POP_FRONT lock other_lock)
endforeach()

# On damaged files.
add_test(NAME Damage
  COMMAND ${SYSTEM_PYTHON} -B ${CMAKE_CURRENT_SOURCE_DIR}/damage_test.py -v)
set_tests_properties(Damage PROPERTIES TIMEOUT 300 ENVIRONMENT "${cli_environment}")

# The programs in README.md are compiled and run unchanged.
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/README.md)
file(READ ${PROJECT_SOURCE_DIR}/README.md readme)
string(REGEX MATCH "```cpp\n([^`]*)```" snippet "${readme}")
file(CONFIGURE OUTPUT readme_snippet.cc CONTENT "${CMAKE_MATCH_1}" @ONLY)
add_executable(readme_snippet ${CMAKE_CURRENT_BINARY_DIR}/readme_snippet.cc)
target_link_libraries(readme_snippet PRIVATE eventhub_client eventhub_warnings)
string(REGEX MATCH "## Test your services[^#]*```cpp\n([^`]*)```" test "${readme}")
file(CONFIGURE OUTPUT readme_test.cc CONTENT "${CMAKE_MATCH_1}" @ONLY)
eventhub_test(readme_test
  SOURCES ${CMAKE_CURRENT_BINARY_DIR}/readme_test.cc
  LIBS eventhub_testing nlohmann_json::nlohmann_json)
set(readme_programs Shell Topology Cpp Python)
if(EXISTS ${PROJECT_SOURCE_DIR}/build/tools/node_modules/@grpc/grpc-js)
  list(APPEND readme_programs Node)
endif()
foreach(program IN LISTS readme_programs)
  add_test(NAME Readme.${program}
    COMMAND ${SYSTEM_PYTHON} -B ${CMAKE_CURRENT_SOURCE_DIR}/cli_readme_test.py -v
            ReadmeTest.test_${program})
  set_tests_properties(Readme.${program} PROPERTIES TIMEOUT 120 ENVIRONMENT
    "${cli_environment};SNIPPET=$<TARGET_FILE:readme_snippet>;PROTOC=$<TARGET_FILE:protobuf::protoc>")
endforeach()
