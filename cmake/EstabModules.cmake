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
option(ESTAB_LTO "Optimise across modules when linking" OFF)
if(ESTAB_LTO)
  include(CheckIPOSupported)
  check_ipo_supported(RESULT ESTAB_HAS_IPO LANGUAGES CXX)
  set(CMAKE_INTERPROCEDURAL_OPTIMIZATION ${ESTAB_HAS_IPO})
  # What is installed must also link without it, and with another compiler.
  list(TRANSFORM CMAKE_CXX_COMPILE_OPTIONS_IPO REPLACE "-fno-fat-lto-objects" "-ffat-lto-objects")
endif()
set_property(GLOBAL PROPERTY ESTAB_MODULES "")
set_property(GLOBAL PROPERTY ESTAB_USES "")

if(PROJECT_IS_TOP_LEVEL AND NOT DEFINED CMAKE_CXX_COMPILER_LAUNCHER)
  find_program(ESTAB_CCACHE ccache)
  mark_as_advanced(ESTAB_CCACHE)
  if(ESTAB_CCACHE)
    # Checkouts and build folders share what they have in common.
    set(CMAKE_CXX_COMPILER_LAUNCHER "${CMAKE_COMMAND}" -E env "CCACHE_BASEDIR=${PROJECT_SOURCE_DIR}"
      CCACHE_NOHASHDIR=1 "${ESTAB_CCACHE}")
  endif()
endif()

add_library(estab_options INTERFACE)
target_include_directories(estab_options INTERFACE
  $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/src> $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>)
target_compile_options(estab_options INTERFACE $<BUILD_INTERFACE:-Wall -Wextra -Wshadow -Wconversion
  -Wswitch-enum -Wnon-virtual-dtor -ffp-contract=off>)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  # What is cleared or copied whole and short: g++ would take `rep stos` and `rep movs`, which begin slowly.
  set(short vector_loop:256:noalign,libcall:-1:noalign)
  target_compile_options(estab_options INTERFACE
    $<BUILD_INTERFACE:-mmemset-strategy=${short}> $<BUILD_INTERFACE:-mmemcpy-strategy=${short}>)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")  # libstdc++ 12's stable_sort uses what it calls deprecated
  target_compile_options(estab_options INTERFACE $<BUILD_INTERFACE:-Wno-deprecated-declarations>)
endif()
if(ESTAB_SANITIZE)
  target_compile_options(estab_options INTERFACE $<BUILD_INTERFACE:-fsanitize=${ESTAB_SANITIZE}
    -fno-sanitize-recover=all -fno-omit-frame-pointer>)
  target_link_options(estab_options INTERFACE -fsanitize=${ESTAB_SANITIZE})
endif()

if(ESTAB_FUZZ)
  target_compile_options(estab_options INTERFACE $<BUILD_INTERFACE:-fsanitize=fuzzer-no-link>)
  target_link_options(estab_options INTERFACE $<BUILD_INTERFACE:-fsanitize=fuzzer-no-link>)
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
  include("${PROJECT_SOURCE_DIR}/src/${name}/module.cmake" OPTIONAL)
endfunction()

# estab_uses(observe fmt fmt::fmt fmt): the module needs a library from outside. Written in the module's
# own module.cmake; the installed package asks for it only where a component that has the module is
# asked for. The last argument is the library's name for pkg-config, empty if it has none.
function(estab_uses module package target pkgconfig)
  find_package(${package} REQUIRED)
  get_target_property(type estab_${module} TYPE)
  if(type STREQUAL "STATIC_LIBRARY")
    target_link_libraries(estab_${module} PUBLIC $<BUILD_INTERFACE:${target}>)
  else()
    target_link_libraries(estab_${module} INTERFACE $<BUILD_INTERFACE:${target}>)
  endif()
  set_property(GLOBAL APPEND PROPERTY ESTAB_USES "${module}|${package}|${target}|${pkgconfig}")
endfunction()

function(estab_core_module name)
  estab_module(${name} ${ARGN})
  get_target_property(type estab_${name} TYPE)
  if(type STREQUAL "STATIC_LIBRARY")
    target_compile_options(estab_${name} PRIVATE -fno-exceptions -fno-rtti)
  endif()
endfunction()
