# Copies the shared libraries that `module` needs, but for those of every system, to libs/.
file(GET_RUNTIME_DEPENDENCIES
  MODULES ${module}
  RESOLVED_DEPENDENCIES_VAR found
  UNRESOLVED_DEPENDENCIES_VAR missing
  PRE_EXCLUDE_REGEXES "^lib(c|m|dl|rt|pthread|gcc_s|stdc\\+\\+)\\.so" "^ld-linux")
if(missing)
  message(FATAL_ERROR "not found: ${missing}")
endif()
foreach(library IN LISTS found)
  get_filename_component(name ${library} NAME)
  file(REAL_PATH ${library} file)
  file(INSTALL DESTINATION ${CMAKE_INSTALL_PREFIX}/roxanne/libs TYPE FILE FILES ${file})
  get_filename_component(file_name ${file} NAME)
  if(NOT file_name STREQUAL name)
    file(RENAME ${CMAKE_INSTALL_PREFIX}/roxanne/libs/${file_name}
                ${CMAKE_INSTALL_PREFIX}/roxanne/libs/${name})
  endif()
endforeach()
