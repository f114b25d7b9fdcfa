# Seconds: sanitizers slow some tests tenfold.
set(rox_test_timeout 300)
if(ROX_SANITIZE)
  set(rox_test_timeout 900)
endif()

# Tests call what they test: their own code is worth little of an optimiser's time, which is half of
# what compiling them takes, and none of the watching that finds faults of the product. (Not -O0 under
# sanitizers: what they share with the product, std::vector's functions for one, would be linked from
# them, and half the product run at it.)
function(rox_test_flags target)
  if(ROX_SANITIZE AND CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    target_compile_options(${target} PRIVATE -fno-sanitize=undefined)
    if(ROX_FUZZ)
      target_compile_options(${target} PRIVATE -fno-sanitize=fuzzer-no-link)
    endif()
  elseif(CMAKE_BUILD_TYPE STREQUAL "Release")
    target_compile_options(${target} PRIVATE -O1)
  endif()
endfunction()

# rox_precompile(TARGET [TESTS]): in builds that are made to be run once (ROX_PRECOMPILE), the headers
# that nearly every file includes are read once: half of what such a build costs. The ordinary builds
# do without, so that a file that forgets an include does not compile there.
function(rox_precompile target)
  if(NOT ROX_PRECOMPILE)
    return()
  endif()
  set(donor rox_precompiled)
  if("${ARGN}" STREQUAL "TESTS")
    set(donor rox_precompiled_tests)
  endif()
  target_precompile_headers(${target} REUSE_FROM ${donor})
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    target_compile_options(${target} PRIVATE -fpch-preprocess)  # ccache needs it
  endif()
endfunction()

if(ROX_PRECOMPILE)
  set(rox_common_headers <algorithm> <array> <atomic> <chrono> <cmath> <condition_variable> <cstdint>
      <cstring> <deque> <filesystem> <functional> <limits> <map> <memory> <mutex> <numeric> <optional>
      <random> <set> <span> <string> <string_view> <thread> <unordered_map> <utility> <vector>)
  # Programs are compiled otherwise than libraries: one of each.
  file(WRITE ${PROJECT_BINARY_DIR}/precompiled.cc "int main() {}\n")
  add_library(rox_precompiled STATIC ${PROJECT_BINARY_DIR}/precompiled.cc)
  target_link_libraries(rox_precompiled PRIVATE rox_flags)
  target_precompile_headers(rox_precompiled PRIVATE ${rox_common_headers})
  if(ROX_DEVELOPER)
    add_executable(rox_precompiled_tests ${PROJECT_BINARY_DIR}/precompiled.cc)
    target_link_libraries(rox_precompiled_tests PRIVATE rox_flags GTest::gtest)
    rox_test_flags(rox_precompiled_tests)
    target_precompile_headers(rox_precompiled_tests PRIVATE ${rox_common_headers} <gtest/gtest.h>)
  endif()
endif()

# rox_layer(NAME [DEPS ...] [ALONE ...] [THREADS ...]): the library src/NAME and, from its *_test.cc,
# the test NAME_test. Tests are compiled ten files at a time, half of the work, so what they name is
# theirs alone; builds that are made to be run once compile the library so, too. ALONE: files that share
# a name of their own (a constant, a helper) with another, which go by themselves. THREADS: the tests in
# which threads meet, which are those that ThreadSanitizer is to see (default: all).
function(rox_layer name)
  cmake_parse_arguments(arg "" "" "DEPS;ALONE;THREADS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cc)
  set(tests ${sources})
  list(FILTER sources EXCLUDE REGEX "_test\\.cc$")
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")
  if(ROX_SANITIZE STREQUAL "thread" AND arg_THREADS)
    set(tests ${arg_THREADS})
  endif()
  if(NOT sources)
    return()
  endif()
  add_library(rox_${name} STATIC ${sources})
  target_link_libraries(rox_${name} PUBLIC rox_flags ${arg_DEPS})
  rox_precompile(rox_${name})
  if(ROX_PRECOMPILE)
    set_target_properties(rox_${name} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 10)
    set_source_files_properties(${arg_ALONE} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
  endif()
  if(ROX_SANITIZE AND CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    # Where tests spend their time: a sixth less of it than at -O1.
    target_compile_options(rox_${name} PRIVATE -O2)
  endif()
  if(tests AND ROX_DEVELOPER)
    rox_test(${name}_test SOURCES ${tests} DEPS rox_${name})
    set_target_properties(${name}_test PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 10)
  endif()
endfunction()

# rox_test(NAME SOURCES ... DEPS ...): one GoogleTest program, its tests known to CTest.
function(rox_test name)
  if(NOT ROX_DEVELOPER)
    return()
  endif()
  cmake_parse_arguments(arg "" "" "SOURCES;DEPS;LABELS" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE ${arg_DEPS} rox_flags GTest::gtest GTest::gtest_main)
  target_compile_definitions(${name} PRIVATE ROX_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
  rox_test_flags(${name})
  rox_precompile(${name} TESTS)
  gtest_discover_tests(${name} DISCOVERY_TIMEOUT 60
                       PROPERTIES TIMEOUT ${rox_test_timeout} LABELS "${arg_LABELS}")
endfunction()
