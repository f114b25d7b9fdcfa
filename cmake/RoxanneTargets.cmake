# rox_layer(NAME [DEPS ...]): the library src/NAME and, from its *_test.cc, the test NAME_test.
function(rox_layer name)
  cmake_parse_arguments(arg "" "" "DEPS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cc)
  set(tests ${sources})
  list(FILTER sources EXCLUDE REGEX "_test\\.cc$")
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")
  add_library(rox_${name} STATIC ${sources})
  target_link_libraries(rox_${name} PUBLIC rox_flags ${arg_DEPS})
  if(tests)
    rox_test(${name}_test SOURCES ${tests} DEPS rox_${name})
  endif()
endfunction()

# rox_test(NAME SOURCES ... DEPS ...): one GoogleTest program, its tests known to CTest.
function(rox_test name)
  cmake_parse_arguments(arg "" "" "SOURCES;DEPS;LABELS" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE ${arg_DEPS} rox_flags GTest::gtest GTest::gtest_main)
  target_compile_definitions(${name} PRIVATE ROX_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
  gtest_discover_tests(${name} DISCOVERY_TIMEOUT 60
                       PROPERTIES TIMEOUT 300 LABELS "${arg_LABELS}")
endfunction()
