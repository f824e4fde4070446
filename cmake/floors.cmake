# sm_floor(queue) makes the library sm_queue from the given sources. The only include folder it gets is
# a folder of links to the floors below it, so `#include "worker/..."` in queue/ finds nothing.
#
#   sm_floor(NAME queue SEES base SOURCES a.c b.c LIBS PkgConfig::HIREDIS)
#   sm_program(NAME stampmilld SEES base queue store jobs worker SOURCES main.c LIBS ...)

# Every floor sees include/stampmill, and itself.
function(sm_floor_includes target)
  set(dir "${PROJECT_BINARY_DIR}/floors/${target}")
  file(MAKE_DIRECTORY "${dir}")
  foreach(floor ${ARGN})
    file(CREATE_LINK "${PROJECT_SOURCE_DIR}/${floor}" "${dir}/${floor}" SYMBOLIC)
  endforeach()
  target_include_directories(${target} PRIVATE "${PROJECT_SOURCE_DIR}/include" "${dir}")
endfunction()

function(sm_floor)
  cmake_parse_arguments(F "" "NAME" "SEES;SOURCES;LIBS" ${ARGN})
  add_library(sm_${F_NAME} STATIC ${F_SOURCES})
  sm_floor_includes(sm_${F_NAME} ${F_SEES} ${F_NAME})
  if(F_SEES)
    list(TRANSFORM F_SEES PREPEND sm_)
  endif()
  target_link_libraries(sm_${F_NAME} PUBLIC ${F_SEES} ${F_LIBS})
endfunction()

function(sm_program)
  cmake_parse_arguments(P "" "NAME" "SEES;SOURCES;LIBS" ${ARGN})
  add_executable(${P_NAME} ${P_SOURCES})
  sm_floor_includes(${P_NAME} ${P_SEES})
  target_link_libraries(${P_NAME} PRIVATE ${P_LIBS})
  set_target_properties(${P_NAME} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/bin")
endfunction()
