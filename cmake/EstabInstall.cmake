# The installed package: one archive, the headers, a CMake package and a pkg-config file. The reasons
# are in docs/decisions/0006-what-is-installed.md.
if(NOT ESTAB_INSTALL)
  return()
endif()
include(CMakePackageConfigHelpers)

get_property(modules GLOBAL PROPERTY ESTAB_MODULES)
get_property(uses GLOBAL PROPERTY ESTAB_USES)
find_package(Threads REQUIRED)

set(objects "")
foreach(module IN LISTS modules)
  get_target_property(type estab_${module} TYPE)
  if(type STREQUAL "STATIC_LIBRARY")
    list(APPEND objects $<TARGET_OBJECTS:estab_${module}>)
  endif()
endforeach()
add_library(estab_archive STATIC ${objects})
set_target_properties(estab_archive PROPERTIES LINKER_LANGUAGE CXX OUTPUT_NAME estab EXPORT_NAME archive)
target_compile_features(estab_archive INTERFACE cxx_std_23)
target_include_directories(estab_archive INTERFACE
  $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/src> $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
  $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
if(ESTAB_SANITIZE)
  target_link_options(estab_archive INTERFACE -fsanitize=${ESTAB_SANITIZE})
endif()

# A component is the archive and what its modules need from outside; each has all that is below it.
set(component_modules_core "")
set(component_modules_socket observe socket posix)
set(component_modules_sim observe socket posix sim)
set(component_modules_runtime observe socket posix drivers runtime)
set(component_modules_estab observe socket posix packetdrill sim drivers runtime)
set(package_dependencies "")
set(pkgconfig_requires "")
foreach(component core socket sim runtime estab)
  add_library(estab_component_${component} INTERFACE)
  set_target_properties(estab_component_${component} PROPERTIES EXPORT_NAME ${component})
  target_link_libraries(estab_component_${component} INTERFACE estab_archive)
  foreach(use IN LISTS uses)
    string(REPLACE "|" ";" use "${use}")
    list(GET use 0 module)
    list(GET use 1 package)
    list(GET use 2 target)
    list(GET use 3 pkgconfig)
    if(module IN_LIST component_modules_${component})
      target_link_libraries(estab_component_${component} INTERFACE ${target})
      string(APPEND package_dependencies "estab_needs(${component} ${package})\n")
      list(APPEND pkgconfig_requires ${pkgconfig})
    endif()
  endforeach()
endforeach()
foreach(component runtime estab)
  target_link_libraries(estab_component_${component} INTERFACE Threads::Threads)
  string(APPEND package_dependencies "estab_needs(${component} Threads)\n")
endforeach()
add_library(estab::core ALIAS estab_component_core)
add_library(estab::estab ALIAS estab_component_estab)

set(package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/estab")
install(TARGETS estab_archive estab_component_core estab_component_socket estab_component_sim
  estab_component_runtime estab_component_estab
  EXPORT estab ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}")
install(EXPORT estab NAMESPACE estab:: FILE estabTargets.cmake DESTINATION "${package_dir}")
configure_package_config_file("${CMAKE_CURRENT_LIST_DIR}/estabConfig.cmake.in"
  "${PROJECT_BINARY_DIR}/estabConfig.cmake" INSTALL_DESTINATION "${package_dir}"
  NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file("${PROJECT_BINARY_DIR}/estabConfigVersion.cmake"
  COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/estabConfig.cmake" "${PROJECT_BINARY_DIR}/estabConfigVersion.cmake"
  DESTINATION "${package_dir}")

# The .pc file finds its prefix from where it lies, so the tree may be moved.
file(RELATIVE_PATH pkgconfig_to_prefix "/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/")
string(REGEX REPLACE "/$" "" pkgconfig_to_prefix "${pkgconfig_to_prefix}")
list(REMOVE_DUPLICATES pkgconfig_requires)
list(JOIN pkgconfig_requires ", " pkgconfig_requires)
configure_file("${CMAKE_CURRENT_LIST_DIR}/estab.pc.in" "${PROJECT_BINARY_DIR}/estab.pc" @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/estab.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")

# Headers: see install_headers.cmake, which runs at install time and so sees headers added since.
install(CODE "
  set(source_dir \"${PROJECT_SOURCE_DIR}\")
  set(staging_dir \"${PROJECT_BINARY_DIR}/installed-headers\")
  set(include_dir \"${CMAKE_INSTALL_INCLUDEDIR}\")
  set(modules \"${modules}\")
  include(\"${CMAKE_CURRENT_LIST_DIR}/install_headers.cmake\")
")

if(TARGET estab)
  find_package(Python3 REQUIRED COMPONENTS Interpreter)
  install(TARGETS estab RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")
  # The manual says what this very program's --help says: it is made when it is installed.
  install(CODE "execute_process(COMMAND \"${Python3_EXECUTABLE}\" -B \"${PROJECT_SOURCE_DIR}/tools/man\"
    --estab \"$<TARGET_FILE:estab>\" --out \"${PROJECT_BINARY_DIR}/man\" COMMAND_ERROR_IS_FATAL ANY)")
  install(DIRECTORY "${PROJECT_BINARY_DIR}/man/" DESTINATION "${CMAKE_INSTALL_MANDIR}/man1"
    FILES_MATCHING PATTERN "*.1")
endif()
