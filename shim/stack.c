/*
 * stack.c - see stack.h.
 */
#include <link.h>
#include <string.h>

#include "record.h"
#include "stack.h"

#include "poison.h"

struct stack_tools stack_tools;

/* Frames of ours and of broken tables, too. */
enum {
	MAX_STEPS = 64
};

/* --- a function of a module ----------------------------------------------- */

/* What the dynamic section says of the symbols. */
struct symbols {
	uintptr_t base;
	const ElfW(Sym) * table;
	const char *names;
	const uint32_t *gnu, *sysv; /* hash tables, NULL: none */
};

/* ld.so has added the base, but for modules whose section it cannot write. */
static const void *at(const struct link_map *m, uintptr_t value)
{
	return (const void *)(value < m->l_addr ? value + m->l_addr : value);
}

static void find_symbols(const struct link_map *m, struct symbols *ret)
{
	*ret = (struct symbols){.base = m->l_addr};
	for (const ElfW(Dyn) *d = m->l_ld; d && d->d_tag != DT_NULL; d++) {
		if (d->d_tag == DT_SYMTAB)
			ret->table = at(m, d->d_un.d_ptr);
		else if (d->d_tag == DT_STRTAB)
			ret->names = at(m, d->d_un.d_ptr);
		else if (d->d_tag == DT_GNU_HASH)
			ret->gnu = at(m, d->d_un.d_ptr);
		else if (d->d_tag == DT_HASH)
			ret->sysv = at(m, d->d_un.d_ptr);
	}
}

/* Is the i-th symbol a function of this name, and the address in it? */
static bool covers(const struct symbols *s, uint32_t i, const char *name,
                   uintptr_t address)
{
	const ElfW(Sym) *symbol = &s->table[i];
	unsigned type = ELF64_ST_TYPE(symbol->st_info);

	return symbol->st_shndx != SHN_UNDEF &&
	       (type == STT_FUNC || type == STT_GNU_IFUNC) &&
	       address - s->base - symbol->st_value < symbol->st_size &&
	       !strcmp(s->names + symbol->st_name, name);
}

/* Versions of a symbol share its name: all of them are looked at. */
static bool gnu_has(const struct symbols *s, const char *name,
                    uintptr_t address)
{
	const uint32_t *h = s->gnu;
	uint32_t n_buckets = h[0], first = h[1], n_words = h[2], hash = 5381;
	const uint32_t *buckets =
		h + 4 + n_words * (sizeof(ElfW(Addr)) / sizeof(*h));
	const uint32_t *chains = buckets + n_buckets;
	uint32_t i;

	for (const char *c = name; *c; c++)
		hash = hash * 33 + (unsigned char)*c;
	i = n_buckets ? buckets[hash % n_buckets] : 0;
	if (i < first || !i)
		return false;
	do {
		if ((chains[i - first] | 1) == (hash | 1) &&
		    covers(s, i, name, address))
			return true;
	} while (!(chains[i++ - first] & 1));
	return false;
}

static bool sysv_has(const struct symbols *s, const char *name,
                     uintptr_t address)
{
	const uint32_t *h = s->sysv;
	uint32_t n_buckets = h[0], hash = 0;
	const uint32_t *buckets = h + 2, *chains = buckets + n_buckets;

	for (const char *c = name; *c; c++) {
		hash = (hash << 4) + (unsigned char)*c;
		hash = (hash ^ (hash >> 24 & 0xf0)) & 0x0fffffff;
	}
	for (uint32_t i = n_buckets ? buckets[hash % n_buckets] : 0; i;
	     i = chains[i])
		if (covers(s, i, name, address))
			return true;
	return false;
}

static bool is_in_function(const struct link_map *m, const char *name,
                           uintptr_t address)
{
	struct symbols s;

	find_symbols(m, &s);
	if (!s.table || !s.names)
		return false;
	if (s.gnu)
		return gnu_has(&s, name, address);
	return s.sysv && sysv_has(&s, name, address);
}

/* --- one frame ------------------------------------------------------------ */

static const char *basename_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static const char *name_of(const struct link_map *m)
{
	return *m->l_name ? basename_of(m->l_name) : stack_tools.file;
}

/* Told once in a process, as far as there is room. */
static void note_module(const struct dl_find_object *o)
{
	static _Atomic uint64_t noted[128];
	const char *name = name_of(o->dlfo_link_map);
	uint64_t key =
		plan_hash_string(name) ^ (uint64_t)(uintptr_t)o->dlfo_map_start;

	for (size_t i = 0; i < sizeof(noted) / sizeof(noted[0]); i++) {
		uint64_t is =
			atomic_load_explicit(&noted[i], memory_order_relaxed);

		if (!is &&
		    atomic_compare_exchange_strong(&noted[i], &is, key)) {
			record_module(name, o->dlfo_map_start);
			if (name == stack_tools.file &&
			    strcmp(name, stack_tools.called) != 0)
				record_module(stack_tools.called,
				              o->dlfo_map_start);
			return;
		}
		if (is == key)
			return;
	}
}

static bool is_module(const struct link_map *m, const char *name)
{
	if (*m->l_name)
		return !strcmp(basename_of(m->l_name), name);
	return !strcmp(stack_tools.file, name) ||
	       !strcmp(stack_tools.called, name);
}

static bool is_ours(uintptr_t address)
{
	return address - stack_tools.begin <
	       stack_tools.end - stack_tools.begin;
}

/* Those of the wanted callers that this address is in. */
static uint64_t callers_at(uintptr_t address, uint64_t wanted)
{
	const struct plan_caller *callers = plan_callers(shim.plan);
	struct dl_find_object o;
	uint64_t found = 0;

	if (stack_tools.find((void *)address, &o))
		return 0;
	if (shim.traced)
		note_module(&o);
	for (unsigned i = 0; wanted >> i; i++) {
		const struct plan_caller *c = &callers[i];

		if (!(wanted >> i & 1) ||
		    !is_module(o.dlfo_link_map,
		               plan_string(shim.plan, c->module_off)))
			continue;
		if (!c->symbol_off ||
		    is_in_function(o.dlfo_link_map,
		                   plan_string(shim.plan, c->symbol_off),
		                   address))
			found |= 1ULL << i;
		if (i == 63)
			break;
	}
	return found;
}

/* --- the walk ------------------------------------------------------------- */

struct walk {
	unsigned steps, n; /* all frames; those that are not ours */
	uint64_t wanted, found;
	uint64_t *frames; /* NULL: callers are looked for */
	size_t n_frames;
};

static void look_at_frame(struct walk *w, uintptr_t address)
{
	struct dl_find_object o;

	w->frames[w->n] = address;
	if (shim.traced && !stack_tools.find((void *)(address - 1), &o))
		note_module(&o);
}

static void look(struct walk *w, uintptr_t address, bool is_return)
{
	if (w->frames)
		look_at_frame(w, address);
	else /* the instruction before a return address is the call */
		w->found |=
			callers_at(address - is_return, w->wanted & ~w->found);
	w->n++;
}

static bool is_done(const struct walk *w)
{
	if (w->steps >= MAX_STEPS)
		return true;
	return w->frames ? w->n >= w->n_frames
	                 : w->n >= STACK_FRAMES || w->found == w->wanted;
}

static _Unwind_Reason_Code step(struct _Unwind_Context *context, void *data)
{
	struct walk *w = data;
	int interrupted = 0;
	uintptr_t address = stack_tools.address(context, &interrupted);

	w->steps++;
	if (address && !is_ours(address))
		look(w, address, !interrupted);
	return is_done(w) ? _URC_END_OF_STACK : _URC_NO_REASON;
}

uint64_t stack_callers(void *caller, uint64_t wanted)
{
	struct walk w = {.wanted = wanted};
	uintptr_t address = (uintptr_t)caller;

	if (!stack_tools.backtrace)
		return 0;
	if (!is_ours(address))
		w.found = callers_at(address - 1, wanted);
	if (w.found != wanted)
		stack_tools.backtrace(step, &w);
	return w.found;
}

size_t stack_frames(uint64_t *ret, size_t n)
{
	/* The first of them is the wrapper's caller, which the record has. */
	uint64_t all[STACK_FRAMES] = {0};
	struct walk w = {.frames = all, .n_frames = n + 1};

	if (!stack_tools.backtrace || n >= STACK_FRAMES)
		return 0;
	stack_tools.backtrace(step, &w);
	for (size_t i = 0; i + 1 < w.n; i++)
		ret[i] = all[i + 1];
	return w.n ? w.n - 1 : 0;
}
