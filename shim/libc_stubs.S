/*
 * libc_stubs.S - one stub per row of libc.def, which the linker (--wrap) leads
 * the calls to: a jump, so that it is right for every prototype.
 */
	.section .note.GNU-stack, "", %progbits
	.text

#if defined(__x86_64__)
.macro stub symbol
	.globl __wrap_\symbol
	.hidden __wrap_\symbol
	.hidden libc_\symbol
	.type __wrap_\symbol, @function
__wrap_\symbol:
	.cfi_startproc
	endbr64
	jmp *libc_\symbol(%rip)
	.cfi_endproc
	.size __wrap_\symbol, . - __wrap_\symbol
.endm
#elif defined(__aarch64__)
/* x16, from which a branch may land on a `bti c`, which hint #34 is. */
.macro stub symbol
	.globl __wrap_\symbol
	.hidden __wrap_\symbol
	.hidden libc_\symbol
	.type __wrap_\symbol, %function
	.p2align 2
__wrap_\symbol:
	.cfi_startproc
	hint #34
	adrp x16, libc_\symbol
	ldr x16, [x16, :lo12:libc_\symbol]
	br x16
	.cfi_endproc
	.size __wrap_\symbol, . - __wrap_\symbol
.endm
#else
#error "libc_stubs.S: write the stub for this machine"
#endif

#define LIBC(symbol) stub symbol;
#include "shim/libc.def"
