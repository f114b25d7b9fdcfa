# Libraries from Debian: programs link their static archives, so that the product is one file.
# Libraries and modules link the shared ones: some of the archives (RocksDB's thread-local variables,
# Boost) are made for programs only.
find_package(Threads REQUIRED)
set(ROX_LINKS_PROGRAM $<STREQUAL:$<TARGET_PROPERTY:TYPE>,EXECUTABLE>)

# What only programs link needs no shared one: PROGRAMS_ONLY.
function(rox_static_library target)
  cmake_parse_arguments(PARSE_ARGV 1 given PROGRAMS_ONLY "" "")
  add_library(${target} INTERFACE)
  foreach(name IN LISTS given_UNPARSED_ARGUMENTS)
    rox_find_library(ROX_${name}_ARCHIVE lib${name}.a)
    if(given_PROGRAMS_ONLY)
      target_link_libraries(${target} INTERFACE ${ROX_${name}_ARCHIVE})
    else()
      rox_find_library(ROX_${name}_SHARED lib${name}.so)
      target_link_libraries(${target} INTERFACE
        $<IF:${ROX_LINKS_PROGRAM},${ROX_${name}_ARCHIVE},${ROX_${name}_SHARED}>)
    endif()
  endforeach()
endfunction()

function(rox_find_library variable file)
  find_library(${variable} NAMES ${file} PATH_SUFFIXES hdf5/serial/lib hdf5/serial)
  if(NOT ${variable})
    message(FATAL_ERROR "${file} not found: run tools/install_dependencies first")
  endif()
endfunction()

rox_static_library(rox_rocksdb rocksdb zstd lz4 snappy bz2 z)
target_link_libraries(rox_rocksdb INTERFACE Threads::Threads ${CMAKE_DL_LIBS})
rox_static_library(rox_uring uring)
rox_static_library(rox_zstd zstd)
rox_static_library(rox_zlib z)
rox_static_library(rox_boost_json boost_json boost_container)
if(ROX_DEVELOPER)
  rox_static_library(rox_hdf5 PROGRAMS_ONLY hdf5 sz aec z)
  target_link_libraries(rox_hdf5 INTERFACE ${CMAKE_DL_LIBS} m)
  find_path(ROX_HDF5_INCLUDE hdf5.h PATHS /usr/include/hdf5/serial REQUIRED)
  target_include_directories(rox_hdf5 SYSTEM INTERFACE ${ROX_HDF5_INCLUDE})
  find_package(GTest REQUIRED)
  # The HTTP server: Asio and Beast are headers; spdlog and fmt too, since Debian has no archives of
  # them.
  rox_static_library(rox_http PROGRAMS_ONLY ssl crypto)
  target_link_libraries(rox_http INTERFACE Threads::Threads ${CMAKE_DL_LIBS})
  target_compile_definitions(rox_http INTERFACE SPDLOG_FMT_EXTERNAL FMT_HEADER_ONLY)
  find_path(ROX_SPDLOG_INCLUDE spdlog/spdlog.h REQUIRED)
endif()
