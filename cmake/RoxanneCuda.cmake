# CUDA, where it is asked for. rox_cuda_target(NAME): what every target with .cu files gets.
option(ROX_CUDA "Build graphs on CUDA devices too (needs nvcc, 12.8 or newer)" OFF)
if(NOT ROX_CUDA)
  return()
endif()
if(ROX_STATIC)
  message(FATAL_ERROR "ROX_CUDA and ROX_STATIC: a fully static program cannot load the CUDA driver; "
                      "use the preset cuda")
endif()
if(NOT CMAKE_CUDA_ARCHITECTURES)
  set(CMAKE_CUDA_ARCHITECTURES 90)
endif()
enable_language(CUDA)
if(NOT CMAKE_CUDA20_STANDARD_COMPILE_OPTION)  # CMake 3.25 does not know that nvcc has it
  set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION -std=c++20)
  set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION -std=c++20)
endif()

function(rox_cuda_target name)
  # The runtime is linked in; the driver is looked for when a program first asks for a device.
  set_target_properties(${name} PROPERTIES CUDA_STANDARD 20 CUDA_STANDARD_REQUIRED ON
                        CUDA_RUNTIME_LIBRARY Static)
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}/src)
  target_compile_options(${name} PRIVATE -Werror=all-warnings -lineinfo)
endfunction()
