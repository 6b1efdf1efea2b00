# src/<module>/*_test.cpp becomes test program <module>_test; tests/<kind>/*.cpp becomes <kind>_test.
# Every test is registered with ctest by name and carries the label `fast` unless its folder says else.
find_package(GTest REQUIRED)
include(GoogleTest)

# Builds every test program and nothing else.
add_custom_target(estab_tests)

function(estab_test_program name label)
  add_executable(${name} ${ARGN})
  target_link_libraries(${name} PRIVATE estab_options GTest::gtest GTest::gmock GTest::gtest_main)
  # What is tested is optimised; the tests themselves are compiled quickly.
  target_compile_options(${name} PRIVATE -O0 -g1)
  # A path in the command line makes every checkout compile anew: only where it is read.
  foreach(source IN LISTS ARGN)
    file(STRINGS "${source}" reads REGEX "ESTAB_SOURCE_DIR" LIMIT_COUNT 1)
    if(reads)
      set_property(SOURCE "${source}" APPEND PROPERTY COMPILE_DEFINITIONS
        ESTAB_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
    endif()
  endforeach()
  add_dependencies(estab_tests ${name})
  gtest_discover_tests(${name} TEST_PREFIX "${name}:" PROPERTIES LABELS ${label} TIMEOUT 120
    DISCOVERY_MODE PRE_TEST)
endfunction()

get_property(modules GLOBAL PROPERTY ESTAB_MODULES)
foreach(module IN LISTS modules)
  file(GLOB sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/src/${module}/*_test.cpp"
    "${PROJECT_SOURCE_DIR}/src/${module}/*/*_test.cpp")
  if(sources)
    estab_test_program(${module}_test fast ${sources})
    target_link_libraries(${module}_test PRIVATE estab_${module})
  endif()
endforeach()

# The language of conversations, which other kinds of tests speak too.
set(harness harness machine notation pair)
list(TRANSFORM harness REPLACE "(.+)" "${PROJECT_SOURCE_DIR}/tests/conversation/\\1.cpp")
add_library(estab_conversation STATIC EXCLUDE_FROM_ALL ${harness})
target_compile_options(estab_conversation PRIVATE -O0 -g1)
target_include_directories(estab_conversation PUBLIC "${PROJECT_SOURCE_DIR}/tests")
target_link_libraries(estab_conversation PUBLIC estab_options estab_stack estab_observe GTest::gtest)

foreach(kind conversation conformance simulation long)
  file(GLOB sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tests/${kind}/*.cpp")
  list(REMOVE_ITEM sources ${harness})
  if(sources)
    set(label fast)
    if(kind STREQUAL long)
      set(label check)
    endif()
    estab_test_program(${kind}_test ${label} ${sources})
    target_link_libraries(${kind}_test PRIVATE estab_conversation estab_sim estab_runtime)
    target_include_directories(${kind}_test PRIVATE "${PROJECT_SOURCE_DIR}/tests")
  endif()
endforeach()

foreach(extra fuzz interop install cli packetdrill report)
  if(EXISTS "${PROJECT_SOURCE_DIR}/tests/${extra}/CMakeLists.txt")
    add_subdirectory("${PROJECT_SOURCE_DIR}/tests/${extra}" "tests/${extra}")
    get_property(programs DIRECTORY "${PROJECT_SOURCE_DIR}/tests/${extra}" PROPERTY BUILDSYSTEM_TARGETS)
    if(programs)
      add_dependencies(estab_tests ${programs})
    endif()
  endif()
endforeach()

# What is checked by a program rather than by a C++ test: the source tree, and the checkers themselves.
find_package(Python3 REQUIRED COMPONENTS Interpreter)
# A mark in the table of RFC 9293 that points to nothing fails the build.
add_custom_target(rfc_marks ALL COMMAND Python3::Interpreter -B
  "${PROJECT_SOURCE_DIR}/tools/rfc-table" --marks VERBATIM)
add_test(NAME tidy COMMAND Python3::Interpreter "${PROJECT_SOURCE_DIR}/tools/tidy"
  --root "${PROJECT_SOURCE_DIR}")
file(GLOB tool_tests CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tools/*_test.py")
# With each bug of src/tcp/plant.hpp in turn: does the swarm find it, do the tests of its rule?
if(NOT ESTAB_SANITIZE AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  add_test(NAME planted COMMAND Python3::Interpreter "${PROJECT_SOURCE_DIR}/tools/planted")
  set_tests_properties(planted PROPERTIES LABELS check TIMEOUT 7200 RUN_SERIAL ON)
  add_test(NAME planted:rules COMMAND Python3::Interpreter "${PROJECT_SOURCE_DIR}/tools/planted" --rules)
  set_tests_properties(planted:rules PROPERTIES LABELS check TIMEOUT 7200 RUN_SERIAL ON)
endif()
foreach(tool_test IN LISTS tool_tests)
  get_filename_component(name "${tool_test}" NAME_WE)
  add_test(NAME ${name} COMMAND Python3::Interpreter -B "${tool_test}")
  set_tests_properties(${name} PROPERTIES LABELS fast TIMEOUT 120)
endforeach()
set_tests_properties(tidy PROPERTIES LABELS fast TIMEOUT 120)
