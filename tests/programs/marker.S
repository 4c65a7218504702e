/* marker_listed and marker_unlisted: no libc, no loader; the first thing that it does is to create the file named by its
 * argument MARK_ARGUMENT: whether a program's first instruction ran is whether the file is there. */
        .globl  _start
_start:
        mov     8 * (MARK_ARGUMENT + 1)(%rsp), %rdi
        mov     $0x241, %esi            /* O_WRONLY | O_CREAT | O_TRUNC */
        mov     $0600, %edx
        mov     $2, %eax                /* open */
        syscall
        xor     %edi, %edi
        mov     $60, %eax               /* exit */
        syscall
        .section .note.GNU-stack, "", @progbits
