# What a program outside needs to use the SDK: libraries, headers, the contract, and how to find them
# (CMake package `eventhub`, targets eventhub::client and eventhub::processor; pkg-config module `eventhub`). Component `sdk`.
include(CMakePackageConfigHelpers)

# What component `sdk` installs has to be built, all of it.
add_custom_target(eventhub_sdk DEPENDS
  eventhub_processor eventhub_processor_postgres eventhub_processor_prometheus eventhub_processor_rocksdb eventhub_processor_sqlite
  eventhub_outbox eventhub_outbox_postgres eventhub_outbox_sqlite)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/eventhub)
set(generated ${PROJECT_BINARY_DIR}/proto)

install(TARGETS eventhub_processor eventhub_client eventhub_outbox_engine eventhub_filter eventhub_grpc eventhub_json eventhub_wire eventhub_proto eventhub_tls eventhub_base
  EXPORT eventhub-targets
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT sdk)
install(DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR}/include/eventhub
  DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT sdk FILES_MATCHING PATTERN *.h)
# What the SDK's own headers include: events, filters, and topologies with all that is part of one.
set(messages event filter hub admin subscription route link topology)
list(TRANSFORM messages REPLACE "(.+)" "${generated}/eventhub/v1/\\1.pb.h")
install(FILES ${messages}
  DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/eventhub/v1 COMPONENT sdk)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/proto/eventhub
  DESTINATION ${CMAKE_INSTALL_DATADIR}/eventhub/proto COMPONENT sdk
  FILES_MATCHING PATTERN *.proto)

install(EXPORT eventhub-targets NAMESPACE eventhub:: DESTINATION ${package_dir} COMPONENT sdk)
# A component of the package, which alone needs RocksDB and ISA-L: eventhub::outbox, pkg-config module `eventhub-outbox`.
install(TARGETS eventhub_outbox eventhub_crc32c
  EXPORT eventhub-outbox-targets
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT sdk)
install(EXPORT eventhub-outbox-targets NAMESPACE eventhub:: DESTINATION ${package_dir} COMPONENT sdk)
# One for each database that has an outbox table: eventhub::outbox_sqlite, pkg-config module `eventhub-outbox-sqlite`, and so on.
foreach(database IN ITEMS postgres sqlite)
  install(TARGETS eventhub_outbox_${database}
    EXPORT eventhub-outbox-${database}-targets
    ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT sdk)
  install(EXPORT eventhub-outbox-${database}-targets NAMESPACE eventhub:: DESTINATION ${package_dir} COMPONENT sdk)
endforeach()
install(TARGETS eventhub_processor_prometheus
  EXPORT eventhub-processor-prometheus-targets
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT sdk)
install(EXPORT eventhub-processor-prometheus-targets NAMESPACE eventhub:: DESTINATION ${package_dir} COMPONENT sdk)
# One for each database that keeps views: eventhub::processor_rocksdb, pkg-config module `eventhub-processor-rocksdb`, and so on.
set(view_stores postgres rocksdb sqlite)
foreach(store IN LISTS view_stores)
  install(TARGETS eventhub_processor_${store}
    EXPORT eventhub-processor-${store}-targets
    ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT sdk)
  install(EXPORT eventhub-processor-${store}-targets NAMESPACE eventhub:: DESTINATION ${package_dir} COMPONENT sdk)
endforeach()
configure_package_config_file(
  ${CMAKE_CURRENT_SOURCE_DIR}/eventhub-config.cmake.in
  ${CMAKE_CURRENT_BINARY_DIR}/eventhub-config.cmake
  INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/eventhub-config-version.cmake
  COMPATIBILITY SameMinorVersion)
# From the folder of eventhub.pc to the prefix: `lib` is one folder, `lib/x86_64-linux-gnu` two.
string(REGEX REPLACE "[^/]+" ".." eventhub_pc_up "${CMAKE_INSTALL_LIBDIR}")
foreach(module IN ITEMS eventhub eventhub-outbox eventhub-outbox-postgres eventhub-outbox-sqlite eventhub-processor-postgres eventhub-processor-prometheus
        eventhub-processor-rocksdb eventhub-processor-sqlite)
  configure_file(${CMAKE_CURRENT_SOURCE_DIR}/${module}.pc.in ${CMAKE_CURRENT_BINARY_DIR}/${module}.pc
    @ONLY)
endforeach()
install(FILES
  ${CMAKE_CURRENT_BINARY_DIR}/eventhub-config.cmake
  ${CMAKE_CURRENT_BINARY_DIR}/eventhub-config-version.cmake
  DESTINATION ${package_dir} COMPONENT sdk)
install(FILES
  ${CMAKE_CURRENT_BINARY_DIR}/eventhub.pc
  ${CMAKE_CURRENT_BINARY_DIR}/eventhub-outbox.pc
  ${CMAKE_CURRENT_BINARY_DIR}/eventhub-outbox-postgres.pc
  ${CMAKE_CURRENT_BINARY_DIR}/eventhub-outbox-sqlite.pc
  ${CMAKE_CURRENT_BINARY_DIR}/eventhub-processor-postgres.pc
  ${CMAKE_CURRENT_BINARY_DIR}/eventhub-processor-prometheus.pc
  ${CMAKE_CURRENT_BINARY_DIR}/eventhub-processor-rocksdb.pc
  ${CMAKE_CURRENT_BINARY_DIR}/eventhub-processor-sqlite.pc
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT sdk)
