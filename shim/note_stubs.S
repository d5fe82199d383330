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

#define NOTE(symbol, hook) stub symbol
#include "plan/calls.def"
