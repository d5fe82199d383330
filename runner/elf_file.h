/*
 * elf_file.h - what an ELF file says about itself, for reach.c and doctor.
 *
 * Reads the file only.  Hostile and truncated files are expected: what cannot
 * be read counts as absent.
 */
#ifndef FAULT_RUNNER_ELF_FILE_H
#define FAULT_RUNNER_ELF_FILE_H

#include <stdbool.h>
#include <stdint.h>

struct elf_facts {
	bool program; /* an ELF file that can be executed, else all is 0 */
	uint8_t word_class, byte_order; /* e_ident[EI_CLASS], [EI_DATA] */
	uint16_t machine;
	char loader[256]; /* PT_INTERP, or "" */
	bool is_loader;   /* it is ld.so itself */
	bool go;          /* built by the Go tool chain */
	char asan[256];   /* DT_NEEDED of the address sanitizer, or "" */
};

/*
 * From an open descriptor, which stays open and may move.  0, -ENOMEM: what is
 * in ret is not all.
 */
int elf_read_facts(int fd, struct elf_facts *ret);

/*
 * Calls use for each function that the file's dynamic symbol table wants from
 * elsewhere.  0, -errno, or -ENOEXEC when it is no dynamic ELF file.
 */
int elf_each_import(const char *path,
                    void (*use)(void *context, const char *symbol),
                    void *context);

#endif
