# SPDX-License-Identifier: GPL-3.0-or-later
#
# fw_room(NAME [BENEATH LIB...] [USES LIB...] [EXCLUDE REGEX])
#
# A room is the static library fw_NAME of every .c file in and beneath the
# calling folder. BENEATH are rooms and become part of its interface; USES are
# libraries of others and stay its own business. A room that has no source yet
# is an empty target, so that the rooms above it can be configured.
function(fw_room name)
  cmake_parse_arguments(R "" "EXCLUDE" "BENEATH;USES" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS *.c)
  if(R_EXCLUDE)
    list(FILTER sources EXCLUDE REGEX ${R_EXCLUDE})
  endif()
  if(NOT sources)
    add_library(fw_${name} INTERFACE)
    target_link_libraries(fw_${name} INTERFACE ${R_BENEATH} ${R_USES})
    return()
  endif()
  add_library(fw_${name} STATIC ${sources})
  target_include_directories(fw_${name} PUBLIC ${CMAKE_SOURCE_DIR})
  target_compile_options(fw_${name} PRIVATE
    "SHELL:-include ${CMAKE_SOURCE_DIR}/storage/base/banned.h")
  target_link_libraries(fw_${name} PUBLIC ${R_BENEATH} PRIVATE ${R_USES})
endfunction()

# The marker `ctest: key=value ...` in the first 20 lines of a test's source:
# labels=a,b  timeout=SECONDS  cost=SECONDS  serial  busy. Read at configure
# time. What costs most begins first, so that nothing long runs alone at the
# end. `./dev test` hands out two slots a core: a unit test takes two, an
# end-to-end test, which waits for most of its time, one unless it is `busy` or
# a sanitizer makes it so.
function(fw_test_marker test source)
  file(STRINGS ${source} marker LIMIT_COUNT 20 REGEX "ctest: ")
  if(marker MATCHES "labels=([a-z,]+)")
    string(REPLACE "," ";" labels "${CMAKE_MATCH_1}")
    set_property(TEST ${test} APPEND PROPERTY LABELS ${labels})
  endif()
  if(marker MATCHES "timeout=([0-9]+)")
    set_property(TEST ${test} PROPERTY TIMEOUT ${CMAKE_MATCH_1})
  endif()
  if(marker MATCHES "cost=([0-9]+)")
    set_property(TEST ${test} PROPERTY COST ${CMAKE_MATCH_1})
  endif()
  get_property(labels TEST ${test} PROPERTY LABELS)
  if(marker MATCHES " busy" OR FW_SANITIZE OR NOT "e2e" IN_LIST labels)
    set_property(TEST ${test} PROPERTY PROCESSORS 2)
  endif()
  if(marker MATCHES " serial")
    set_property(TEST ${test} PROPERTY RUN_SERIAL ON)
  endif()
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${source})
endfunction()

# fw_unit_test(ROOM FILE): one executable per file, linked with its room, the
# rooms beneath and the fixtures; a call to a room above does not link. What
# lies beside it and is no test_*.c is shared by the tests of its folder.
function(fw_unit_test room source)
  get_filename_component(stem ${source} NAME_WE)
  get_filename_component(folder ${source} DIRECTORY)
  file(GLOB beside CONFIGURE_DEPENDS ${folder}/*.c)
  list(FILTER beside EXCLUDE REGEX "/test_[^/]*\\.c$")
  add_executable(${stem} ${source} ${beside})
  target_link_libraries(${stem} PRIVATE fw_support fw_${room})
  set_target_properties(${stem} PROPERTIES
    RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests/unit
    INTERPROCEDURAL_OPTIMIZATION OFF)
  add_test(NAME unit.${room}.${stem} COMMAND ${stem}
    WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  set_tests_properties(unit.${room}.${stem} PROPERTIES
    LABELS "unit;${room}" TIMEOUT 900 SKIP_RETURN_CODE 77)
  fw_test_marker(unit.${room}.${stem} ${source})
endfunction()

# fw_program(NAME FILE): the one binary, at the top of the build folder.
function(fw_program name source)
  if(NOT EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/${source})
    return()
  endif()
  add_executable(${name} ${source})
  target_link_libraries(${name} PRIVATE fw_server)
  set_target_properties(${name} PROPERTIES
    RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR})
endfunction()
