/*
 * elf_file.c - ELF through libelf, which checks offsets against the file.
 *
 * Everything is read through elf_getdata_rawchunk(), which refuses what lies
 * outside the file, and by program headers where the kernel and ld.so use
 * these: section headers may be stripped.  ELF_C_READ, not mmap: a file that
 * shrinks meanwhile must not kill us with SIGBUS.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <libelf.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "runner/elf_file.h"

/* Dynamic entries that are looked at; the largest real table has dozens. */
enum {
	MAX_DYNAMIC = 4096,
	MAX_STRING = 255,
	/* execve(2) takes 64 KiB of program headers. */
	MAX_SEGMENTS = 65536 / sizeof(Elf64_Phdr),
	/*
	 * libelf keeps every chunk until the end: of a file whose segments all
	 * claim to be all of it, that would be more than there is memory.
	 */
	MAX_NOTES = 16384,
	MAX_DYNAMIC_BYTES = MAX_DYNAMIC * sizeof(Elf64_Dyn)
};

/* Where `.dynamic` points to. */
struct dynamic {
	Elf_Data *entries;
	uint64_t strings; /* file offset of DT_STRTAB, 0 = none */
	uint64_t strings_len;
};

/* Copies the string at file offset `at`, no longer than `len`; "" on error. */
static void copy_string(Elf *elf, uint64_t at, uint64_t len, char *buf,
                        size_t size)
{
	Elf_Data *data;
	size_t n;

	buf[0] = '\0';
	if (len > size - 1)
		len = size - 1;
	data = elf_getdata_rawchunk(elf, (int64_t)at, len, ELF_T_BYTE);
	if (!data || !data->d_buf)
		return;
	n = strnlen(data->d_buf, data->d_size < len ? data->d_size : len);
	memcpy(buf, data->d_buf, n);
	buf[n] = '\0';
}

static size_t least(uint64_t a, size_t b)
{
	return a < b ? (size_t)a : b;
}

/* File offset of a virtual address, 0 if no segment of the file has it. */
static uint64_t file_offset(Elf *elf, size_t n_segments, uint64_t address)
{
	for (size_t i = 0; i < n_segments; i++) {
		GElf_Phdr p;

		if (gelf_getphdr(elf, (int)i, &p) && p.p_type == PT_LOAD &&
		    address >= p.p_vaddr && address - p.p_vaddr < p.p_filesz)
			return p.p_offset + (address - p.p_vaddr);
	}
	return 0;
}

static bool next_dynamic(const struct dynamic *d, int i, GElf_Dyn *ret)
{
	return d->entries && i < MAX_DYNAMIC &&
	       gelf_getdyn(d->entries, i, ret) && ret->d_tag != DT_NULL;
}

static void read_dynamic(Elf *elf, size_t n_segments, const GElf_Phdr *p,
                         struct dynamic *ret)
{
	GElf_Dyn entry;

	*ret = (struct dynamic){0};
	ret->entries = elf_getdata_rawchunk(
		elf, (int64_t)p->p_offset,
		least(p->p_filesz, MAX_DYNAMIC_BYTES), ELF_T_DYN);
	for (int i = 0; next_dynamic(ret, i, &entry); i++) {
		if (entry.d_tag == DT_STRTAB)
			ret->strings =
				file_offset(elf, n_segments, entry.d_un.d_ptr);
		else if (entry.d_tag == DT_STRSZ)
			ret->strings_len = entry.d_un.d_val;
	}
}

static bool starts(const char *s, const char *with)
{
	return !strncmp(s, with, strlen(with));
}

static void read_needed(Elf *elf, size_t n_segments, const GElf_Phdr *p,
                        struct elf_facts *ret)
{
	struct dynamic d;
	GElf_Dyn entry;

	read_dynamic(elf, n_segments, p, &d);
	for (int i = 0; d.strings && next_dynamic(&d, i, &entry); i++) {
		char name[MAX_STRING + 1];

		if (entry.d_tag != DT_NEEDED && entry.d_tag != DT_SONAME)
			continue;
		if (entry.d_un.d_val >= d.strings_len)
			continue;
		copy_string(elf, d.strings + entry.d_un.d_val,
		            d.strings_len - entry.d_un.d_val, name,
		            sizeof(name));
		if (entry.d_tag == DT_SONAME)
			ret->is_loader = starts(name, "ld-linux");
		else if (!*ret->asan && (starts(name, "libasan.so") ||
		                         starts(name, "libclang_rt.asan")))
			strcpy(ret->asan, name);
	}
}

/* The build id that Go's linker writes: a note of the owner "Go". */
static bool has_go_note(Elf *elf, const GElf_Phdr *p)
{
	Elf_Data *data =
		elf_getdata_rawchunk(elf, (int64_t)p->p_offset,
	                             least(p->p_filesz, MAX_NOTES), ELF_T_NHDR);
	size_t at = 0, next, name, desc;
	GElf_Nhdr note;

	while (data && data->d_buf &&
	       (next = gelf_getnote(data, at, &note, &name, &desc)) > at) {
		if (note.n_namesz == sizeof("Go") &&
		    !memcmp((char *)data->d_buf + name, "Go", sizeof("Go")))
			return true;
		at = next;
	}
	return false;
}

static bool has_go_section(Elf *elf)
{
	Elf_Scn *section = NULL;
	size_t names;

	if (elf_getshdrstrndx(elf, &names))
		return false;
	while ((section = elf_nextscn(elf, section))) {
		GElf_Shdr s;
		const char *name;

		if (!gelf_getshdr(section, &s))
			continue;
		name = elf_strptr(elf, names, s.sh_name);
		if (name && !strcmp(name, ".go.buildinfo"))
			return true;
	}
	return false;
}

static void read_segments(Elf *elf, struct elf_facts *ret)
{
	bool dynamic = false;
	size_t n;

	if (elf_getphdrnum(elf, &n))
		return;
	n = least(n, MAX_SEGMENTS);
	for (size_t i = 0; i < n; i++) {
		GElf_Phdr p;

		if (!gelf_getphdr(elf, (int)i, &p))
			continue;
		if (p.p_type == PT_INTERP) {
			copy_string(elf, p.p_offset, p.p_filesz, ret->loader,
			            sizeof(ret->loader));
		} else if (p.p_type == PT_DYNAMIC && !dynamic) {
			dynamic = true;
			read_needed(elf, n, &p, ret);
		} else if (p.p_type == PT_NOTE) {
			ret->go |= has_go_note(elf, &p);
		}
	}
}

/*
 * Nothing of libelf is asked for what it could not do: a part of a file that
 * has no sense is absent.  But malloc(3) says ENOMEM, and nobody sets it back.
 */
static int had_memory(void)
{
	return errno == ENOMEM ? -ENOMEM : 0;
}

int elf_read_facts(int fd, struct elf_facts *ret)
{
	GElf_Ehdr header;
	Elf *elf;

	*ret = (struct elf_facts){0};
	elf_version(EV_CURRENT);
	errno = 0;
	elf = elf_begin(fd, ELF_C_READ, NULL);
	if (!elf)
		return had_memory();
	if (elf_kind(elf) == ELF_K_ELF && gelf_getehdr(elf, &header) &&
	    (header.e_type == ET_EXEC || header.e_type == ET_DYN)) {
		ret->program = true;
		ret->word_class = header.e_ident[EI_CLASS];
		ret->byte_order = header.e_ident[EI_DATA];
		ret->machine = header.e_machine;
		read_segments(elf, ret);
		ret->go |= has_go_section(elf);
	}
	elf_end(elf);
	return had_memory();
}

static int each_import(Elf *elf, void (*use)(void *, const char *),
                       void *context)
{
	Elf_Scn *section = NULL;
	int rc = -ENOEXEC;

	/* There is one; each that says so would be read whole, and kept. */
	while (rc && (section = elf_nextscn(elf, section))) {
		GElf_Shdr s;
		GElf_Sym symbol;
		Elf_Data *data;

		if (!gelf_getshdr(section, &s) || s.sh_type != SHT_DYNSYM)
			continue;
		rc = 0;
		data = elf_getdata(section, NULL);
		for (int i = 1; data && gelf_getsym(data, i, &symbol); i++) {
			const char *name =
				elf_strptr(elf, s.sh_link, symbol.st_name);

			if (name && symbol.st_shndx == SHN_UNDEF)
				use(context, name);
		}
	}
	return rc;
}

int elf_each_import(const char *path,
                    void (*use)(void *context, const char *symbol),
                    void *context)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	int rc = -ENOEXEC;
	Elf *elf;

	if (fd < 0)
		return -errno;
	elf_version(EV_CURRENT);
	elf = elf_begin(fd, ELF_C_READ, NULL);
	if (elf && elf_kind(elf) == ELF_K_ELF)
		rc = each_import(elf, use, context);
	elf_end(elf);
	close(fd);
	return rc;
}
