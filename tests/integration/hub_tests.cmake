# The hub over the network, through the plain generated stubs: the server in the test's own process,
# or, where memory, signals and exit codes matter, the daemon.
eventhub_test(hub_test
  SOURCES
    admin_test.cc
    cancel_test.cc
    consume_cancel_test.cc
    consume_failover_test.cc
    consume_flow_test.cc
    consume_log_test.cc
    consume_settle_test.cc
    consume_test.cc
    delayed_event_test.cc
    drain_test.cc
    error_detail_test.cc
    health_test.cc
    history_test.cc
    limits_test.cc
    link_test.cc
    listener_test.cc
    publish_stream_test.cc
    publish_test.cc
    read_test.cc
    request_bounds_test.cc
    route_service_test.cc
    subscription_service_test.cc
    topology_service_test.cc
    transact_stream_test.cc
    wire_test.cc
  LIBS eventhub_test_hub
  LABELS integration)

eventhub_test(hub_tls_test
  SOURCES tls_test.cc
  LIBS eventhub_test_hub
  LABELS integration)
target_compile_definitions(hub_tls_test PRIVATE
  EVENTHUB_MAKE_CERTIFICATES="${PROJECT_SOURCE_DIR}/deploy/make-certificates.sh")

if(TARGET eventhubd)
  eventhub_test(hub_abuse_test
    SOURCES abuse_test.cc
    LIBS eventhub_test_hub eventhub_hub_process
    LABELS integration)
endif()

if(TARGET eventhubd)
  find_package(Python3 REQUIRED COMPONENTS Interpreter)
  find_program(GRPC_PYTHON_PLUGIN grpc_python_plugin REQUIRED)
  set(hub_environment
    "EVENTHUBD=$<TARGET_FILE:eventhubd>;PROTO_DIR=${PROJECT_SOURCE_DIR}/proto"
    "PROTOC=$<TARGET_FILE:protobuf::protoc>;GRPC_PYTHON_PLUGIN=${GRPC_PYTHON_PLUGIN}")
  foreach(suite IN ITEMS Flags Start Log)
    add_test(NAME Daemon.${suite}
      COMMAND Python3::Interpreter -B ${CMAKE_CURRENT_SOURCE_DIR}/daemon_test.py -v ${suite}Test)
    set_tests_properties(Daemon.${suite}
      PROPERTIES TIMEOUT 300 LABELS integration ENVIRONMENT "${hub_environment}")
  endforeach()
  # With the interpreter that has Debian's python3-grpcio.
  add_test(NAME PythonClient
    COMMAND /usr/bin/python3 -B ${CMAKE_CURRENT_SOURCE_DIR}/python_client_test.py -v)
  set_tests_properties(PythonClient
    PROPERTIES TIMEOUT 300 LABELS integration ENVIRONMENT "${hub_environment}")
endif()
