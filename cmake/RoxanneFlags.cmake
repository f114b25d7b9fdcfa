# Flags that every target gets: warnings as errors, hardening, sanitizers.
add_library(rox_flags INTERFACE)
target_include_directories(rox_flags INTERFACE ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}/src)
target_compile_options(rox_flags INTERFACE
  -Wall -Wextra -Werror -Wshadow -Wcast-qual
  $<$<COMPILE_LANGUAGE:CXX>:-Wnon-virtual-dtor> $<$<COMPILE_LANGUAGE:CXX>:-Woverloaded-virtual>
  -Wno-missing-field-initializers  # options are written with designated initializers
  -fstack-protector-strong -fno-omit-frame-pointer)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # g++ 12 sees overlaps in `"text" + string` that are not there (GCC bug 105651).
  target_compile_options(rox_flags INTERFACE -Wno-restrict)
endif()
target_compile_definitions(rox_flags INTERFACE _GLIBCXX_ASSERTIONS)
target_link_options(rox_flags INTERFACE -Wl,-z,relro,-z,now,-z,noexecstack)

# Optimised code gets the checked libc calls; the sanitizers bring their own.
if(CMAKE_BUILD_TYPE MATCHES "Release|RelWithDebInfo" AND NOT ROX_SANITIZE)
  target_compile_options(rox_flags INTERFACE -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
endif()

# x86-64-v2 is the floor; faster kernels are chosen at run time.
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  target_compile_options(rox_flags INTERFACE -march=x86-64-v2)
endif()

if(ROX_SANITIZE)
  # What the sanitizers add sets off false warnings; the ordinary builds are the ones to be clean.
  target_compile_options(rox_flags INTERFACE -Wno-error)
  target_compile_options(rox_flags INTERFACE -fsanitize=${ROX_SANITIZE} -fno-sanitize-recover=all)
  target_link_options(rox_flags INTERFACE -fsanitize=${ROX_SANITIZE})
  target_compile_definitions(rox_flags INTERFACE ROX_ASSERTIONS)
endif()
if(ROX_FUZZ)
  target_compile_options(rox_flags INTERFACE -fsanitize=fuzzer-no-link)
  target_compile_definitions(rox_flags INTERFACE ROX_ASSERTIONS)
endif()
