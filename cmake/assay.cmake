# The four ways to declare a target, so that a folder's CMakeLists.txt says only what differs.
include(CTest)
include(GoogleTest)
find_package(Threads REQUIRED)

find_program(ASSAY_CCACHE ccache)
if(ASSAY_CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER "${ASSAY_CCACHE}")
endif()

add_library(assay_options INTERFACE)
target_include_directories(assay_options INTERFACE "${CMAKE_SOURCE_DIR}/src")
target_compile_options(assay_options INTERFACE -Wall -Wextra -Wshadow -Wno-missing-field-initializers)
# Contraction would let the compiler fuse a*b+c in reference kernels where the target has FMA,
# and the reference must give the same bits on every machine.
target_compile_options(assay_options INTERFACE -ffp-contract=off)
if(ASSAY_SANITIZE)
  target_compile_options(assay_options INTERFACE -fsanitize=${ASSAY_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(assay_options INTERFACE -fsanitize=${ASSAY_SANITIZE})
endif()
if(ASSAY_FUZZ)
  target_compile_options(assay_options INTERFACE -fsanitize=fuzzer-no-link)
endif()

# assay_library(name SOURCES a.cc ... DEPS base tensor PkgTarget::x ...): the library assay_<name>.
# A dep that names a folder of src/ becomes assay_<dep>; others are taken as they are.
function(assay_library name)
  cmake_parse_arguments(arg "" "" "SOURCES;DEPS" ${ARGN})
  add_library(assay_${name} STATIC ${arg_SOURCES})
  assay_link(assay_${name} ${arg_DEPS})
endfunction()

function(assay_link target)
  target_link_libraries(${target} PUBLIC assay_options)
  foreach(dep ${ARGN})
    if(dep MATCHES "^(base|tensor|formats|text|image|scenes|kernels|quant|engine|gradient|detect|eval|measure|store|report|flow|cli)$")
      target_link_libraries(${target} PUBLIC assay_${dep})
    else()
      target_link_libraries(${target} PUBLIC ${dep})
    endif()
  endforeach()
endfunction()

# assay_test(name SOURCES a_test.cc ... DEPS ...): one GoogleTest program assay_<name>_tests; each TEST is a ctest.
function(assay_test name)
  if(NOT ASSAY_TESTS)
    return()
  endif()
  cmake_parse_arguments(arg "" "" "SOURCES;DEPS" ${ARGN})
  find_package(GTest REQUIRED)
  add_executable(assay_${name}_tests ${arg_SOURCES})
  assay_link(assay_${name}_tests ${arg_DEPS} GTest::gmock GTest::gtest_main)
  target_include_directories(assay_${name}_tests PRIVATE "${CMAKE_SOURCE_DIR}/tests")
  target_compile_definitions(assay_${name}_tests PRIVATE
    ASSAY_SHARED_DIR="${ASSAY_SHARED_DIR}" ASSAY_GOLDENS_DIR="${CMAKE_SOURCE_DIR}/tests/goldens")
  gtest_discover_tests(assay_${name}_tests DISCOVERY_TIMEOUT 60
    PROPERTIES SKIP_REGULAR_EXPRESSION "\\[  SKIPPED \\]" TIMEOUT 600)
endfunction()

# assay_fuzz(name SOURCE fuzz_x.cc DEPS ...): with ASSAY_FUZZ a libFuzzer program; otherwise a program that
# replays fuzz/corpus/<name>, registered as the ctest fuzz_corpus_<name>.
function(assay_fuzz name)
  cmake_parse_arguments(arg "" "SOURCE" "DEPS" ${ARGN})
  add_executable(fuzz_${name} ${arg_SOURCE})
  assay_link(fuzz_${name} ${arg_DEPS})
  if(ASSAY_FUZZ)
    target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
  else()
    target_sources(fuzz_${name} PRIVATE "${CMAKE_SOURCE_DIR}/fuzz/replay_main.cc")
    add_test(NAME fuzz_corpus_${name} COMMAND fuzz_${name} "${CMAKE_SOURCE_DIR}/fuzz/corpus/${name}")
  endif()
endfunction()

# assay_embed(output function header file): `output`, a source file that defines `function` (with its namespaces, declared
# in `header`) as the bytes of `file`.
function(assay_embed output function header file)
  if(NOT EXISTS "${file}")
    message(FATAL_ERROR "${file} is missing; the program carries it")
  endif()
  add_custom_command(OUTPUT "${output}"
    COMMAND "${CMAKE_COMMAND}" "-DINPUT=${file}" "-DOUTPUT=${output}" "-DFUNCTION=${function}" "-DHEADER=${header}"
            -P "${CMAKE_SOURCE_DIR}/cmake/embed.cmake"
    DEPENDS "${file}" "${CMAKE_SOURCE_DIR}/cmake/embed.cmake" VERBATIM)
endfunction()
