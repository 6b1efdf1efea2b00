# Runs at install time. Puts include/estab/*.hpp into INCLUDE/estab and src/MODULE/*.hpp into
# INCLUDE/estab/MODULE, and writes their `#include "MODULE/…"` as `#include "estab/MODULE/…"`, so that the
# installed tree needs one include directory and no name outside `estab/`.
file(REMOVE_RECURSE "${staging_dir}")
file(GLOB_RECURSE headers RELATIVE "${source_dir}/include/estab" "${source_dir}/include/estab/*.hpp")
list(TRANSFORM headers PREPEND "include/estab/")
foreach(module IN LISTS modules)
  file(GLOB_RECURSE module_headers RELATIVE "${source_dir}" "${source_dir}/src/${module}/*.hpp")
  list(APPEND headers ${module_headers})
endforeach()
list(FILTER headers EXCLUDE REGEX "_test(ing)?\\.hpp$|/plant\\.hpp$")

list(JOIN modules "|" any_module)
foreach(header IN LISTS headers)
  string(REGEX REPLACE "^(include/estab|src)/" "" installed "${header}")
  file(READ "${source_dir}/${header}" text)
  string(REGEX REPLACE "(#include [\"<])((${any_module})/)" "\\1estab/\\2" text "${text}")
  file(WRITE "${staging_dir}/estab/${installed}" "${text}")
endforeach()
if(NOT IS_ABSOLUTE "${include_dir}")
  set(include_dir "${CMAKE_INSTALL_PREFIX}/${include_dir}")
endif()
file(INSTALL "${staging_dir}/estab" DESTINATION "${include_dir}")
