# One static library per folder of src/. A folder without sources yet is an interface library, so the
# order of work does not matter to the build. *_test.cpp files belong to the module's test program.
include(GNUInstallDirs)

set(CMAKE_CXX_STANDARD 23)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "" FORCE)
endif()
set_property(GLOBAL PROPERTY ESTAB_MODULES "")

add_library(estab_options INTERFACE)
target_include_directories(estab_options INTERFACE
  $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/src> $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>)
target_compile_options(estab_options INTERFACE $<BUILD_INTERFACE:-Wall -Wextra -Wshadow -Wconversion
  -Wswitch-enum -Wnon-virtual-dtor -ffp-contract=off>)
if(ESTAB_SANITIZE)
  target_compile_options(estab_options INTERFACE $<BUILD_INTERFACE:-fsanitize=${ESTAB_SANITIZE}
    -fno-sanitize-recover=all -fno-omit-frame-pointer>)
  target_link_options(estab_options INTERFACE -fsanitize=${ESTAB_SANITIZE})
endif()

function(estab_module name)
  file(GLOB sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/src/${name}/*.cpp"
    "${PROJECT_SOURCE_DIR}/src/${name}/*/*.cpp")
  list(FILTER sources EXCLUDE REGEX "_test\\.cpp$")
  set(dependencies ${ARGN})
  list(TRANSFORM dependencies PREPEND estab_)
  if(sources)
    add_library(estab_${name} STATIC ${sources})
    target_link_libraries(estab_${name} PUBLIC estab_options ${dependencies})
  else()
    add_library(estab_${name} INTERFACE)
    target_link_libraries(estab_${name} INTERFACE estab_options ${dependencies})
  endif()
  set_target_properties(estab_${name} PROPERTIES EXPORT_NAME ${name})
  add_library(estab::${name} ALIAS estab_${name})
  set_property(GLOBAL APPEND PROPERTY ESTAB_MODULES ${name})
endfunction()

function(estab_core_module name)
  estab_module(${name} ${ARGN})
  get_target_property(type estab_${name} TYPE)
  if(type STREQUAL "STATIC_LIBRARY")
    target_compile_options(estab_${name} PRIVATE -fno-exceptions -fno-rtti)
  endif()
endfunction()
