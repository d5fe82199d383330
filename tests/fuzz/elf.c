/*
 * elf.c - fuzzed: the file of a program, as reach.c and doctor look at it.
 */
#include "runner/elf_file.h"
#include "tests/fuzz/fuzz.h"

static void use(void *context, const char *symbol)
{
	size_t *n = context;

	*n += *symbol != '\0';
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct memory_file file;
	struct elf_facts facts;
	size_t n = 0;

	memory_file_open(&file, data, size);
	elf_read_facts(file.fd, &facts);
	(void)elf_each_import(file.path, use, &n);
	memory_file_close(&file);
	return 0;
}
