# skep_bpf(NAME SOURCE HEADERS...): compiles one BPF object with clang and makes the libbpf skeleton
# ${CMAKE_BINARY_DIR}/generated/watch/NAME.skel.h from it. clang and bpftool are build dependencies only.
find_program(BPF_CLANG NAMES clang clang-14 REQUIRED)
find_program(BPFTOOL NAMES bpftool PATHS /usr/sbin /sbin REQUIRED)

function(skep_bpf name source)
  set(object ${CMAKE_CURRENT_BINARY_DIR}/${name}.bpf.o)
  set(skeleton ${CMAKE_BINARY_DIR}/generated/watch/${name}.skel.h)
  file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/generated/watch)
  add_custom_command(
    OUTPUT ${skeleton}
    COMMAND ${BPF_CLANG} -O2 -g -target bpf -mcpu=v3 -D__TARGET_ARCH_x86 -Wall -Wextra -Wno-unused-parameter -Werror
            -I${CMAKE_SOURCE_DIR}/src -I/usr/include/${CMAKE_LIBRARY_ARCHITECTURE}
            -c ${CMAKE_CURRENT_SOURCE_DIR}/${source} -o ${object}
    COMMAND ${BPFTOOL} gen skeleton ${object} name ${name} > ${skeleton}
    DEPENDS ${source} ${ARGN}
    COMMENT "BPF ${name}" VERBATIM)
  add_custom_target(bpf_${name} DEPENDS ${skeleton})
endfunction()
