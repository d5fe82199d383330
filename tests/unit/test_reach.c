/*
 * test_reach.c - reach.h on real, made-up, truncated and hostile files.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "runner/elf_file.h"
#include "runner/reach.h"

static char dir[64];
static struct reach_report report;

static const char *in_dir(const char *name)
{
	static char path[2][256];
	static int i;

	i = !i;
	snprintf(path[i], sizeof(path[i]), "%s/%s", dir, name);
	return path[i];
}

static void put(const char *name, const void *data, size_t len, mode_t mode)
{
	int fd = open(in_dir(name), O_WRONLY | O_CREAT | O_TRUNC, 0700);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, len), len);
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static void script(const char *name, const char *text)
{
	put(name, text, strlen(text), 0755);
}

/* /bin/true, to be spoilt. */
static unsigned char *read_true(size_t *ret_len)
{
	FILE *f = fopen("/bin/true", "rb");
	unsigned char *data = malloc(1 << 20);

	assert_non_null(f);
	assert_non_null(data);
	*ret_len = fread(data, 1, 1 << 20, f);
	fclose(f);
	assert_true(*ret_len > sizeof(Elf64_Ehdr));
	return data;
}

/*
 * A made-up file: an ELF header and one or two program headers, as little as
 * it takes.  interpreter NULL: none.
 */
static void put_elf(const char *name, const char *interpreter, const char *note,
                    uint16_t machine)
{
	struct {
		Elf64_Ehdr header;
		Elf64_Phdr segments[2];
		char text[64];
		Elf64_Nhdr note;
		char owner[4];
	} f = {0};

	memcpy(f.header.e_ident, ELFMAG, SELFMAG);
	f.header.e_ident[EI_CLASS] = ELFCLASS64;
	f.header.e_ident[EI_DATA] = ELFDATA2LSB;
	f.header.e_ident[EI_VERSION] = EV_CURRENT;
	f.header.e_type = ET_DYN;
	f.header.e_machine = machine;
	f.header.e_version = EV_CURRENT;
	f.header.e_phoff = offsetof(__typeof__(f), segments);
	f.header.e_phentsize = sizeof(Elf64_Phdr);
	f.header.e_ehsize = sizeof(Elf64_Ehdr);
	f.header.e_phnum = 2;
	f.segments[0].p_type = interpreter ? PT_INTERP : PT_NULL;
	f.segments[0].p_offset = offsetof(__typeof__(f), text);
	f.segments[0].p_filesz = interpreter ? strlen(interpreter) + 1 : 0;
	snprintf(f.text, sizeof(f.text), "%s", interpreter ? interpreter : "");
	f.segments[1].p_type = note ? PT_NOTE : PT_NULL;
	f.segments[1].p_offset = offsetof(__typeof__(f), note);
	f.segments[1].p_filesz = sizeof(f.note) + sizeof(f.owner);
	f.segments[1].p_align = 4;
	f.note.n_namesz = note ? (uint32_t)strlen(note) + 1 : 0;
	f.note.n_type = 4;
	snprintf(f.owner, sizeof(f.owner), "%s", note ? note : "");
	put(name, &f, sizeof(f), 0755);
}

/* A file of 1 MiB of which each of n segments of a type claims to be all. */
static void put_greedy_elf(const char *name, uint32_t type, uint16_t n)
{
	const size_t size = 1 << 20;
	unsigned char *v = calloc(1, size);
	Elf64_Ehdr *header = (void *)v;
	Elf64_Phdr *segments = (void *)(v + sizeof(*header));

	assert_non_null(v);
	memcpy(header->e_ident, ELFMAG, SELFMAG);
	header->e_ident[EI_CLASS] = ELFCLASS64;
	header->e_ident[EI_DATA] = ELFDATA2LSB;
	header->e_ident[EI_VERSION] = EV_CURRENT;
	header->e_type = ET_DYN;
	header->e_version = EV_CURRENT;
	header->e_phoff = sizeof(*header);
	header->e_phentsize = sizeof(*segments);
	header->e_ehsize = sizeof(*header);
	header->e_phnum = n;
	for (size_t i = 0; i < n; i++) {
		segments[i].p_type = type;
		segments[i].p_offset = i; /* libelf keeps equal ones once */
		segments[i].p_filesz = size - i;
	}
	put(name, v, size, 0755);
	free(v);
}

static uint16_t our_machine(void)
{
	struct elf_facts facts;
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	elf_read_facts(fd, &facts);
	close(fd);
	return facts.machine;
}

static enum reach reach(const char *program)
{
	memset(&report, 0xff, sizeof(report));
	return reach_program(program, NULL, &report);
}

static void test_a_program_is_found_in_path(void **state)
{
	(void)state;
	setenv("PATH", "/nonexistent:/bin", 1);
	assert_int_equal(reach("true"), REACH_OK);
	assert_string_equal(report.path, "/bin/true");
	assert_string_equal(report.interpreter, "");
	assert_string_equal(report.asan, "");
	assert_int_equal(reach("no-such-program"), REACH_NOT_FOUND);
	assert_int_equal(reach(""), REACH_NOT_FOUND);
	assert_int_equal(reach("/no/such/program"), REACH_NOT_FOUND);
}

static void test_path_goes_on_behind_what_cannot_be_executed(void **state)
{
	char path[256];

	(void)state;
	put("true", "x", 1, 0644);
	snprintf(path, sizeof(path), "%s:/bin", dir);
	setenv("PATH", path, 1);
	assert_int_equal(reach("true"), REACH_OK);
	setenv("PATH", dir, 1);
	assert_int_equal(reach("true"), REACH_NOT_EXECUTABLE);
	unlink(in_dir("true"));
	setenv("PATH", "/usr/bin:/bin", 1);
}

static void test_relative_names_are_seen_from_dir(void **state)
{
	(void)state;
	script("here", "#!/bin/sh\n");
	assert_int_equal(reach_program("./here", dir, &report), REACH_OK);
	assert_int_equal(reach_program("./here", NULL, &report),
	                 REACH_NOT_FOUND);
	assert_int_equal(reach_program("here", NULL, &report), REACH_NOT_FOUND);
	assert_int_equal(reach_program("here", dir, &report),
	                 REACH_NOT_IN_PATH);
}

static void test_folders_and_plain_files_are_refused(void **state)
{
	(void)state;
	put("text", "hello\n", 6, 0755);
	put("empty", "", 0, 0755);
	put("no-x", "#!/bin/sh\n", 10, 0644);
	mkfifo(in_dir("fifo"), 0777);
	assert_int_equal(reach(dir), REACH_NOT_EXECUTABLE);
	assert_int_equal(reach(in_dir("fifo")), REACH_NOT_EXECUTABLE);
	assert_int_equal(reach(in_dir("no-x")), REACH_NOT_EXECUTABLE);
	assert_int_equal(reach(in_dir("text")), REACH_NOT_ELF);
	assert_int_equal(reach(in_dir("empty")), REACH_NOT_ELF);
}

static void test_scripts_lead_to_their_interpreter(void **state)
{
	static const struct {
		const char *text;
		enum reach reach;
		const char *interpreter;
	} rows[] = {
		{"#!/bin/sh\n", REACH_OK, "/bin/sh"},
		{"#! /bin/sh -e\n", REACH_OK, "/bin/sh"},
		{"#!/bin/sh", REACH_OK, "/bin/sh"},
		{"#!/bin/sh\r\n", REACH_DOS_LINE, "/bin/sh"},
		{"#!/bin/sh -e\r\n", REACH_OK, "/bin/sh"},
		{"#!/bin/sh \r\n", REACH_OK, "/bin/sh"},
		{"#!/bin/sh \t\n", REACH_OK, "/bin/sh"},
		{"#!\n", REACH_NOT_ELF, NULL},
		{"#!   \n/bin/sh\n", REACH_NOT_ELF, NULL},
		{"#!/no/such/shell\n", REACH_NO_INTERPRETER, "/no/such/shell"},
		{"#!/tmp\n", REACH_NOT_EXECUTABLE, "/tmp"},
		{"#!/usr/bin/env true\n", REACH_OK, "/usr/bin/true"},
		{"#!/usr/bin/env no-such-program\n", REACH_NO_INTERPRETER,
	         "no-such-program"},
		{"#!/usr/bin/env true\r\n", REACH_DOS_LINE, "true"},
		{"#!/usr/bin/env -S true\r\n", REACH_OK, "/usr/bin/true"},
		{"#!/usr/bin/env -S true --x\n", REACH_OK, "/usr/bin/true"},
		{"#!/usr/bin/env -S A=1 -i -u B true\n", REACH_OK,
	         "/usr/bin/true"},
		{"#!/usr/bin/env -Strue x\n", REACH_OK, "/usr/bin/true"},
		{"#!/usr/bin/env -S \"true\" 'a b'\n", REACH_OK,
	         "/usr/bin/true"},
		{"#!/usr/bin/env --split-string=true\n", REACH_OK,
	         "/usr/bin/true"},
		{"#!/usr/bin/env\n", REACH_NO_INTERPRETER, NULL},
		{"#!/usr/bin/env -i\n", REACH_OK, "/usr/bin/env"},
		{"#!/usr/bin/env true and more\n", REACH_NO_INTERPRETER, NULL},
	};

	(void)state;
	setenv("PATH", "/usr/bin:/bin", 1);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		script("script", rows[i].text);
		if (reach(in_dir("script")) != rows[i].reach)
			fail_msg("%s: %s", rows[i].text,
			         reach_reason(report.reach));
		assert_string_equal(report.path, in_dir("script"));
		if (rows[i].interpreter)
			assert_string_equal(report.interpreter,
			                    rows[i].interpreter);
	}
}

static void test_scripts_of_scripts_end_at_four(void **state)
{
	(void)state;
	script("s0", "#!/bin/sh\n");
	for (int i = 1; i < 6; i++) {
		char name[8], text[128];

		snprintf(name, sizeof(name), "s%d", i);
		snprintf(text, sizeof(text), "#!%s/s%d\n", dir, i - 1);
		script(name, text);
	}
	assert_int_equal(reach(in_dir("s3")), REACH_OK);
	assert_string_equal(report.interpreter, "/bin/sh");
	assert_int_equal(reach(in_dir("s4")), REACH_NOT_ELF);
	script("self", "");
	char text[128];
	snprintf(text, sizeof(text), "#!%s/self\n", dir);
	script("self", text);
	assert_int_equal(reach(in_dir("self")), REACH_NOT_ELF);
}

static void test_made_up_programs(void **state)
{
	uint16_t machine = our_machine();

	(void)state;
	put_elf("plain", "/lib64/ld-linux-x86-64.so.2", NULL, machine);
	assert_int_equal(reach(in_dir("plain")), REACH_OK);
	put_elf("static", NULL, NULL, machine);
	assert_int_equal(reach(in_dir("static")), REACH_STATIC);
	put_elf("go", NULL, "Go", machine);
	assert_int_equal(reach(in_dir("go")), REACH_GO);
	put_elf("cgo", "/lib64/ld-linux-x86-64.so.2", "Go", machine);
	assert_int_equal(reach(in_dir("cgo")), REACH_GO);
	put_elf("gnu", "/lib64/ld-linux-x86-64.so.2", "GNU", machine);
	assert_int_equal(reach(in_dir("gnu")), REACH_OK);
	put_elf("musl", "/lib/ld-musl-x86_64.so.1", NULL, machine);
	assert_int_equal(reach(in_dir("musl")), REACH_MUSL);
	put_elf("other", "/lib/ld.so", NULL, EM_S390);
	assert_int_equal(reach(in_dir("other")), REACH_MACHINE);
}

static void test_a_section_of_go_is_seen(void **state)
{
	size_t len;
	unsigned char *data = read_true(&len);
	unsigned char *name;

	(void)state;
	/* A name of the same length in the table of section names. */
	name = memmem(data, len, ".eh_frame_hdr", 14);
	assert_non_null(name);
	memcpy(name, ".go.buildinfo", 14);
	put("section", data, len, 0755);
	assert_int_equal(reach(in_dir("section")), REACH_GO);
	free(data);
}

static void test_bits_that_take_privilege(void **state)
{
	size_t len;
	unsigned char *data = read_true(&len);

	(void)state;
	put("suid", data, len, 04755);
	free(data);
	assert_int_equal(reach(in_dir("suid")), REACH_OK); /* it is ours */
	if (getuid()) {
		print_message("only root can give files away\n");
		return;
	}
	assert_int_equal(chown(in_dir("suid"), 12345, 12345), 0);
	chmod(in_dir("suid"), 04755);
	assert_int_equal(reach(in_dir("suid")), REACH_SETUID);
	chmod(in_dir("suid"), 02755);
	assert_int_equal(reach(in_dir("suid")), REACH_SETUID);
	chmod(in_dir("suid"), 02745); /* without x: mandatory locking */
	assert_int_equal(reach(in_dir("suid")), REACH_OK);
	chmod(in_dir("suid"), 0755);
	assert_int_equal(reach(in_dir("suid")), REACH_OK);
}

static void test_file_capabilities_count_for_others_than_root(void **state)
{
	/* Version 2, CAP_NET_BIND_SERVICE permitted and effective. */
	static const uint32_t capability[] = {0x02000001, 1 << 10, 0, 0, 0};
	int status = 0;
	pid_t pid;

	(void)state;
	chmod(in_dir("suid"), 0755);
	if (getuid() || setxattr(in_dir("suid"), "security.capability",
	                         capability, sizeof(capability), 0)) {
		print_message("capabilities cannot be given to files here\n");
		return;
	}
	assert_int_equal(reach(in_dir("suid")), REACH_OK);
	chmod(dir, 0755);
	pid = fork();
	if (!pid)
		_exit(setuid(54321) ? 99 : (int)reach(in_dir("suid")));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), REACH_SETUID);
}

static void test_cut_and_damaged_files_do_no_harm(void **state)
{
	size_t len;
	unsigned char *data = read_true(&len);
	uint64_t random = 1;

	(void)state;
	for (size_t cut = 0; cut < len; cut += cut < 1024 ? 13 : 997) {
		put("cut", data, cut, 0755);
		reach(in_dir("cut"));
	}
	for (int round = 0; round < 400; round++) {
		unsigned char spoilt[2048];

		memcpy(spoilt, data, sizeof(spoilt));
		for (int i = 0; i < 8; i++) {
			random = random * 6364136223846793005ULL + 1;
			spoilt[16 + (random >> 33) % 900] =
				(unsigned char)(random >> 56);
		}
		memcpy(data, spoilt, round & 1 ? sizeof(spoilt) : 0);
		put("spoilt", round & 1 ? data : spoilt,
		    round & 1 ? len : sizeof(spoilt), 0755);
		reach(in_dir("spoilt"));
	}
	free(data);
}

static void count_import(void *context, const char *symbol)
{
	*(int *)context += !strcmp(symbol, "recv") || !strcmp(symbol, "fork");
}

static void test_imports_are_those_of_the_file(void **state)
{
	int n = 0;

	(void)state;
	/* This program forks; cmocka and libc do the rest. */
	assert_int_equal(elf_each_import("/proc/self/exe", count_import, &n),
	                 0);
	assert_int_equal(n, 1);
	assert_int_equal(elf_each_import("/etc/passwd", count_import, &n),
	                 -ENOEXEC);
	assert_int_equal(elf_each_import("/nonexistent", count_import, &n),
	                 -ENOENT);
}

static void test_every_reason_is_a_sentence_with_a_remedy(void **state)
{
	(void)state;
	for (int r = 0; r < N_REACHES; r++)
		assert_true(strlen(reach_reason((enum reach)r)) > 10);
	assert_non_null(strstr(reach_reason(REACH_GO), "attach: false"));
	assert_non_null(reach_reason((enum reach)99));
}

static int make_dir(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/test_reach.XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *st, int flag,
                      struct FTW *ftw)
{
	(void)st, (void)flag, (void)ftw;
	return remove(path);
}

static int remove_dir(void **state)
{
	(void)state;
	return nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* In a child, whose memory alone is counted. */
static void reads_in_little_memory(uint32_t type)
{
	struct elf_facts facts;
	struct rusage used;
	int status, fd;
	pid_t pid;

	put_greedy_elf("greedy", type, 1000);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		alarm(60);
		fd = open(in_dir("greedy"), O_RDONLY | O_CLOEXEC);
		elf_read_facts(fd, &facts);
		_exit(!facts.program);
	}
	assert_int_equal(wait4(pid, &status, 0, &used), pid);
	assert_int_equal(status, 0);
	assert_in_range(used.ru_maxrss, 0, 300 * 1024);
}

static void test_a_file_costs_no_more_memory_than_it_is_long(void **state)
{
	(void)state;
	reads_in_little_memory(PT_NOTE);
	reads_in_little_memory(PT_DYNAMIC);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_program_is_found_in_path),
		cmocka_unit_test(
			test_path_goes_on_behind_what_cannot_be_executed),
		cmocka_unit_test(test_relative_names_are_seen_from_dir),
		cmocka_unit_test(test_folders_and_plain_files_are_refused),
		cmocka_unit_test(test_scripts_lead_to_their_interpreter),
		cmocka_unit_test(test_scripts_of_scripts_end_at_four),
		cmocka_unit_test(test_made_up_programs),
		cmocka_unit_test(test_a_section_of_go_is_seen),
		cmocka_unit_test(
			test_a_file_costs_no_more_memory_than_it_is_long),
		cmocka_unit_test(test_bits_that_take_privilege),
		cmocka_unit_test(
			test_file_capabilities_count_for_others_than_root),
		cmocka_unit_test(test_cut_and_damaged_files_do_no_harm),
		cmocka_unit_test(test_imports_are_those_of_the_file),
		cmocka_unit_test(test_every_reason_is_a_sentence_with_a_remedy),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
