/*
 * note_stubs.S - one stub per NOTE row of calls.def; see notes.h.
 *
 * x86-64: the argument registers, and rax for variadic calls, are kept over
 * note_call(); the stack is as it was when the next function is entered.
 */
#ifndef __x86_64__
#error "note_stubs.S: write the stub for this machine"
#endif

	.section .note.GNU-stack, "", @progbits
	.text
	.hidden note_call

/* Entered with the struct note in r11 and the caller's return address on top. */
	.type note_and_jump, @function
note_and_jump:
	.cfi_startproc
	push %rax
	.cfi_adjust_cfa_offset 8
	push %rdi
	.cfi_adjust_cfa_offset 8
	push %rsi
	.cfi_adjust_cfa_offset 8
	push %rdx
	.cfi_adjust_cfa_offset 8
	push %rcx
	.cfi_adjust_cfa_offset 8
	push %r8
	.cfi_adjust_cfa_offset 8
	push %r9
	.cfi_adjust_cfa_offset 8
	mov %r11, %rdi
	mov 56(%rsp), %rsi
	call note_call
	mov %rax, %r11
	pop %r9
	.cfi_adjust_cfa_offset -8
	pop %r8
	.cfi_adjust_cfa_offset -8
	pop %rcx
	.cfi_adjust_cfa_offset -8
	pop %rdx
	.cfi_adjust_cfa_offset -8
	pop %rsi
	.cfi_adjust_cfa_offset -8
	pop %rdi
	.cfi_adjust_cfa_offset -8
	pop %rax
	.cfi_adjust_cfa_offset -8
	jmp *%r11
	.cfi_endproc
	.size note_and_jump, . - note_and_jump

.macro stub symbol
	.globl \symbol
	.type \symbol, @function
	.hidden note_\symbol
\symbol:
	.cfi_startproc
	endbr64
	lea note_\symbol(%rip), %r11
	jmp note_and_jump
	.cfi_endproc
	.size \symbol, . - \symbol
.endm

/*
 * dlopen(file, flags), dlmopen(namespace, file, flags): RTLD_DEEPBIND would let
 * the module find libc before this library.  In a namespace of its own it has a
 * libc of its own anyway, and keeps its flags.
 */
#define RTLD_DEEPBIND 8

	.globl dlopen
	.type dlopen, @function
dlopen:
	.cfi_startproc
	endbr64
	and $~RTLD_DEEPBIND, %esi
	jmp *stub_dlopen(%rip)
	.cfi_endproc
	.size dlopen, . - dlopen

	.globl dlmopen
	.type dlmopen, @function
dlmopen:
	.cfi_startproc
	endbr64
	test %rdi, %rdi
	jnz 1f
	and $~RTLD_DEEPBIND, %edx
1:	jmp *stub_dlmopen(%rip)
	.cfi_endproc
	.size dlmopen, . - dlmopen

/* Where they jump before we are attached. */
.macro early symbol
	.type early_\symbol, @function
	.hidden note_\symbol
early_\symbol:
	.cfi_startproc
	endbr64
	lea note_\symbol(%rip), %r11
	jmp note_and_jump
	.cfi_endproc
	.size early_\symbol, . - early_\symbol

	.pushsection .data.rel.local, "aw", @progbits
	.globl stub_\symbol
	.hidden stub_\symbol
	.type stub_\symbol, @object
	.size stub_\symbol, 8
	.balign 8
stub_\symbol:
	.quad early_\symbol
	.popsection
.endm

#define NOTE(symbol, hook) stub symbol;
#define STUB(symbol)       early symbol;
#include "plan/calls.def"
