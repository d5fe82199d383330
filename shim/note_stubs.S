/*
 * note_stubs.S - one stub per NOTE row of calls.def; see notes.h.
 *
 * The argument registers of the calls' prototypes are kept over note_call(),
 * and so is the return address; the stack is as it was when the next function
 * is entered.
 */
	.section .note.GNU-stack, "", %progbits
	.text
	.hidden note_call
	.hidden fds_near

/* FAMILY_SEND and FDS_NEAR (dprintf.c asserts it), for the assembler. */
#define FAMILY(id, ...) .set family_##id, n_families;                          \
	.set n_families, n_families + 1;
	.set n_families, 0
#include "plan/families.def"
	.set near, 65536

/*
 * dlopen(file, flags), dlmopen(namespace, file, flags): RTLD_DEEPBIND would let
 * the module find libc before this library.  In a namespace of its own it has a
 * libc of its own anyway, and keeps its flags.
 */
#define RTLD_DEEPBIND 8

#if defined(__x86_64__)
/* rax too: a variadic call has the number of its vector registers in it. */

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
	mov %rdx, %r8
	mov %rdi, %rdx
	mov %rsi, %rcx
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
.endm

/* r10, r11: no argument of C is in them. */
.macro variadic symbol
	.globl \symbol
	.type \symbol, @function
	.hidden more_\symbol
\symbol:
	.cfi_startproc
	endbr64
	cmp $near, %edi
	jae more_\symbol
	mov %edi, %r11d
	lea fds_near(%rip), %r10
	testl $(1 << family_SEND), (%r10,%r11,8)
	jnz more_\symbol
	jmp *stub_\symbol(%rip)
	.cfi_endproc
	.size \symbol, . - \symbol
.endm
#elif defined(__aarch64__)
/*
 * AAPCS64: x0-x7, x8 and the link register; no row has floating arguments.
 * The way out is through x16, from which a branch may land on a `bti c`.
 */

/* Entered with the struct note in x9 and the caller's return address in x30. */
	.type note_and_jump, %function
note_and_jump:
	.cfi_startproc
	stp x29, x30, [sp, #-96]!
	.cfi_def_cfa_offset 96
	.cfi_offset x29, -96
	.cfi_offset x30, -88
	mov x29, sp
	stp x0, x1, [sp, #16]
	stp x2, x3, [sp, #32]
	stp x4, x5, [sp, #48]
	stp x6, x7, [sp, #64]
	str x8, [sp, #80]
	mov x4, x2
	mov x2, x0
	mov x3, x1
	mov x0, x9
	mov x1, x30
	bl note_call
	mov x16, x0
	ldr x8, [sp, #80]
	ldp x6, x7, [sp, #64]
	ldp x4, x5, [sp, #48]
	ldp x2, x3, [sp, #32]
	ldp x0, x1, [sp, #16]
	ldp x29, x30, [sp], #96
	.cfi_restore x29
	.cfi_restore x30
	.cfi_def_cfa_offset 0
	br x16
	.cfi_endproc
	.size note_and_jump, . - note_and_jump

/* hint #34 is `bti c`, which assemblers for ARMv8.0 do not know by name. */
.macro stub symbol
	.globl \symbol
	.type \symbol, %function
	.hidden note_\symbol
	.p2align 2
\symbol:
	.cfi_startproc
	hint #34
	adrp x9, note_\symbol
	add x9, x9, :lo12:note_\symbol
	b note_and_jump
	.cfi_endproc
	.size \symbol, . - \symbol
.endm

	.globl dlopen
	.type dlopen, %function
	.p2align 2
dlopen:
	.cfi_startproc
	hint #34
	and w1, w1, #~RTLD_DEEPBIND
	adrp x16, stub_dlopen
	ldr x16, [x16, :lo12:stub_dlopen]
	br x16
	.cfi_endproc
	.size dlopen, . - dlopen

	.globl dlmopen
	.type dlmopen, %function
	.p2align 2
dlmopen:
	.cfi_startproc
	hint #34
	cbnz x0, 1f
	and w2, w2, #~RTLD_DEEPBIND
1:	adrp x16, stub_dlmopen
	ldr x16, [x16, :lo12:stub_dlmopen]
	br x16
	.cfi_endproc
	.size dlmopen, . - dlmopen

.macro early symbol
	.type early_\symbol, %function
	.hidden note_\symbol
	.p2align 2
early_\symbol:
	.cfi_startproc
	hint #34
	adrp x9, note_\symbol
	add x9, x9, :lo12:note_\symbol
	b note_and_jump
	.cfi_endproc
	.size early_\symbol, . - early_\symbol
.endm

.macro variadic symbol
	.globl \symbol
	.type \symbol, %function
	.hidden more_\symbol
	.p2align 2
\symbol:
	.cfi_startproc
	hint #34
	cmp w0, #near
	b.hs 1f
	adrp x16, fds_near
	add x16, x16, :lo12:fds_near
	ldr x16, [x16, w0, uxtw #3]
	tbnz x16, #family_SEND, 1f
	adrp x16, stub_\symbol
	ldr x16, [x16, :lo12:stub_\symbol]
	br x16
1:	b more_\symbol
	.cfi_endproc
	.size \symbol, . - \symbol
.endm
#else
#error "note_stubs.S: write the stub for this machine"
#endif

/*
 * Where a stub jumps: until we are attached, to `early`, which does that, or to
 * `more`, whose next call does.
 */
.macro pointer symbol, first
	.pushsection .data.rel.local, "aw", %progbits
	.globl stub_\symbol
	.hidden stub_\symbol
	.type stub_\symbol, %object
	.size stub_\symbol, 8
	.balign 8
stub_\symbol:
	.quad \first
	.popsection
.endm

#define NOTE(symbol, hook) stub symbol;
#define STUB(symbol)       early symbol; pointer symbol, early_##symbol;
#define VARIADIC(symbol, by) variadic symbol; pointer symbol, more_##symbol;
#include "plan/calls.def"
