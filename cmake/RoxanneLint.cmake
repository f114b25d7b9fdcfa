# `format-check`: clang-format finds nothing to change. `lint`: clang-tidy finds nothing to say.
file(GLOB_RECURSE rox_sources CONFIGURE_DEPENDS
     ${PROJECT_SOURCE_DIR}/include/*.h ${PROJECT_SOURCE_DIR}/src/*.h ${PROJECT_SOURCE_DIR}/src/*.cc
     ${PROJECT_SOURCE_DIR}/cli/*.h ${PROJECT_SOURCE_DIR}/cli/*.cc
     ${PROJECT_SOURCE_DIR}/bindings/*.h ${PROJECT_SOURCE_DIR}/bindings/*.cc
     ${PROJECT_SOURCE_DIR}/bindings/*.c
     ${PROJECT_SOURCE_DIR}/tests/*.h ${PROJECT_SOURCE_DIR}/tests/*.cc
     ${PROJECT_SOURCE_DIR}/fuzz/*.cc ${PROJECT_SOURCE_DIR}/bench/*.cc
     ${PROJECT_SOURCE_DIR}/examples/*.cc)
find_program(ROX_CLANG_FORMAT clang-format)
find_program(ROX_RUN_CLANG_TIDY NAMES run-clang-tidy run-clang-tidy-14)
if(ROX_CLANG_FORMAT)
  add_custom_target(format-check COMMAND ${ROX_CLANG_FORMAT} --dry-run --Werror ${rox_sources}
                    VERBATIM)
  add_custom_target(format COMMAND ${ROX_CLANG_FORMAT} -i ${rox_sources} VERBATIM)
endif()
if(ROX_RUN_CLANG_TIDY)
  add_custom_target(lint
    COMMAND ${ROX_RUN_CLANG_TIDY} -quiet -p ${PROJECT_BINARY_DIR}
            "${PROJECT_SOURCE_DIR}/(src|cli|bindings/c|examples)/.*\\.cc$"
    VERBATIM)
endif()
