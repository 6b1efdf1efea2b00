# The story of the `install` test; CMakeLists.txt beside it passes the variables.
function(run)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT status EQUAL 0)
    list(JOIN ARGN " " command)
    message(FATAL_ERROR "${command}\nended with ${status}:\n${output}")
  endif()
  set(run_output "${output}" PARENT_SCOPE)
endfunction()

file(REMOVE_RECURSE "${work_dir}")
set(prefix "${work_dir}/moved")
run("${CMAKE_COMMAND}" --install "${build_dir}" --prefix "${work_dir}/first")
file(RENAME "${work_dir}/first" "${prefix}")

# 1. Every public header compiles by itself, and all module headers do together, in the installed form.
file(GLOB public_headers RELATIVE "${prefix}/${includedir}" "${prefix}/${includedir}/estab/*.hpp")
file(GLOB_RECURSE all_headers RELATIVE "${prefix}/${includedir}" "${prefix}/${includedir}/*.hpp")
if(NOT all_headers)
  message(FATAL_ERROR "no header was installed")
endif()
set(units "")
foreach(header IN LISTS public_headers)
  string(MAKE_C_IDENTIFIER "${header}" unit)
  file(WRITE "${work_dir}/${unit}.cpp" "#include <${header}>\n")
  list(APPEND units "${work_dir}/${unit}.cpp")
endforeach()
list(SORT all_headers)
list(TRANSFORM all_headers PREPEND "#include <" OUTPUT_VARIABLE lines)
list(TRANSFORM lines APPEND ">\n")
string(JOIN "" lines ${lines})
file(WRITE "${work_dir}/all_headers.cpp" "${lines}")
run("${compiler}" -std=c++23 -Wall -Wextra -Werror -fsyntax-only "-I${prefix}/${includedir}" ${units}
  "${work_dir}/all_headers.cpp")

# 2. find_package, whole and by component.
run("${CMAKE_COMMAND}" -S "${source_dir}/consumer" -B "${work_dir}/consumer" -G "${generator}"
  "-DCMAKE_CXX_COMPILER=${compiler}" "-DCMAKE_PREFIX_PATH=${prefix}" "-Destab_version=${version}")
run("${CMAKE_COMMAND}" --build "${work_dir}/consumer")
run("${work_dir}/consumer/whole")
run("${work_dir}/consumer/core_only")

# 3. An example that is a project of its own.
run("${CMAKE_COMMAND}" -S "${project_dir}/examples/simulated" -B "${work_dir}/simulated" -G "${generator}"
  "-DCMAKE_CXX_COMPILER=${compiler}" "-DCMAKE_PREFIX_PATH=${prefix}")
run("${CMAKE_COMMAND}" --build "${work_dir}/simulated")
run("${work_dir}/simulated/guess_test")

# 4. pkg-config.
set(ENV{PKG_CONFIG_PATH} "${prefix}/${libdir}/pkgconfig")
run("${pkg_config}" --modversion estab)
string(STRIP "${run_output}" found)
if(NOT found STREQUAL version)
  message(FATAL_ERROR "pkg-config says version '${found}', the project is ${version}")
endif()
run("${pkg_config}" --cflags estab)
separate_arguments(cflags UNIX_COMMAND "${run_output}")
run("${pkg_config}" --libs --static estab)
separate_arguments(libs UNIX_COMMAND "${run_output}")
run("${compiler}" -std=c++23 ${cflags} "${source_dir}/consumer/main.cpp" -o "${work_dir}/by_pkgconfig" ${libs})
run("${work_dir}/by_pkgconfig")

# 5. Nothing that was installed names the folder it was built in.
file(GLOB_RECURSE texts "${prefix}/*.cmake" "${prefix}/*.pc" "${prefix}/*.hpp")
foreach(text IN LISTS texts)
  file(READ "${text}" content)
  foreach(folder "${project_dir}/" "${work_dir}/first")
    string(FIND "${content}" "${folder}" at)
    if(NOT at EQUAL -1)
      message(FATAL_ERROR "${text} names ${folder}")
    endif()
  endforeach()
endforeach()
if(EXISTS "${prefix}/bin/estab")
  run("${prefix}/bin/estab" --help)
  if(NOT EXISTS "${prefix}/share/man/man1/estab-run.1")
    message(FATAL_ERROR "no manual was installed")
  endif()
endif()
