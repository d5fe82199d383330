/*
 * list_schema.c - `fault list schema`: the language as a JSON Schema (draft
 * 2020-12), for editors and for those who write scenarios by program.
 *
 * The keys are those of the tables that read them, so that none can be missing;
 * here stands what shape their values have.  It says what `fault check` says of
 * one key at a time; what keys say of each other is for that alone.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lang/model.h"
#include "lang/rule.h"
#include "plan/tables.h"
#include "runner/list.h"
#include "runner/schema_types.h"

/* Is a key needed? */
enum need {
	MAY,
	MUST,
	ONE_OF /* exactly one of these */
};

struct value {
	const char *word, *shape;
	enum need need;
};

enum {
	MAX_VALUES = 32
};

/* A map: the keys of a table, or those that stand here. */
static const struct object {
	const char *name;
	const struct key_table *table; /* or NULL */
	struct value values[MAX_VALUES];
	const char *rest; /* shape behind other keys, or NULL: there are none */
} objects[] = {
	{"top",
         &top_keys,
         {{"version", "version", MUST},  {"tags", "text|text*", MAY},
          {"name", "text", MAY},         {"about", "text", MAY},
          {"todo", "text", MAY},         {"needs", "text|text+", MAY},
          {"limit", "duration", MAY},    {"alone", "boolean", MAY},
          {"use", "text|text+", MAY},    {"vars", "value:", MAY},
          {"matrix", "values:", MAY},    {"cases", "case:", MAY},
          {"hosts", "addresses:", MAY},  {"files", "value:", MAY},
          {"setup", "command*", MAY},    {"teardown", "command*", MAY},
          {"programs", "program:", MAY}, {"faults", "rule*", MAY},
          {"steps", "step*", MAY},       {"expect", "expect", MAY}},
         NULL},
	{"program",
         &program_keys,
         {{"run", "command", MAY},
          {"listen", "port|address", MAY},
          {"connect", "port|address", MAY},
          {"env", "value:", MAY},
          {"stdin", "text", MAY},
          {"ready", "text", MAY},
          {"steps", "scripts", MAY},
          {"count", "count", MAY}},
         NULL},
	{"rule",
         &rule_keys,
         {{"call", "call|call+", MAY},
          {"inject", "action_word|action|actions", MUST},
          {"in", "text|text+", MAY},
          {"state", "state|state*", MAY},
          {"host", "text", MAY},
          {"caller", "caller", MAY},
          {"bytes", "bytes", MAY},
          {"per", "per", MAY},
          {"after", "text", MAY}},
         NULL},
	{"expectation",
         &expectation_keys,
         {{"exit", "status|status+", MAY}, {"allow", "verdict|verdict*", MAY}},
         NULL},
	{"seen",
         &seen_keys,
         {{"in", "text|text+", MAY},
          {"call", "call|call+", MUST},
          {"result", "result", MAY}},
         NULL},
	{"file", &file_keys, {{"same", "text", MAY}}, NULL},
	{"expect",
         NULL,
         {{"calls", "seen+", MAY},
          {"order", "seen+", MAY},
          {"files", "file:", MAY},
          {"allow", "verdict|verdict*", MAY}},
         "expectation"},
	{"step",
         NULL,
         {{"wait", "duration|event", ONE_OF},
          {"repeat", "count|forever", ONE_OF},
          {"start", "text", ONE_OF},
          {"stop", "text", ONE_OF},
          {"signal", "signal:", ONE_OF},
          {"arm", "text", ONE_OF},
          {"disarm", "text", ONE_OF},
          {"run", "command", ONE_OF},
          {"within", "duration|time_range", MAY},
          {"steps", "step+", MAY}},
         NULL},
	{"script_step",
         NULL,
         {{"wait", "duration|event", ONE_OF},
          {"repeat", "count|forever", ONE_OF},
          {"send", "text|sent", ONE_OF},
          {"recv", "text", ONE_OF},
          {"rate", "rate", MAY},
          {"within", "duration|time_range", MAY},
          {"steps", "script+", MAY}},
         NULL},
	{"sent",
         NULL,
         {{"size", "size", ONE_OF}, {"file", "text", ONE_OF}},
         NULL},
	{"event",
         NULL,
         {{"exit", "text", ONE_OF},
          {"ready", "text", ONE_OF},
          {"output", "text", ONE_OF},
          {"file", "text", ONE_OF},
          {"hit", "text", ONE_OF},
          {"call", "call|call+", ONE_OF},
          {"has", "text|text+", MAY},
          {"count", "range", MAY},
          {"in", "text|text+", MAY},
          {"role", "role|role*", MAY},
          {"connection", "pick", MAY}},
         NULL},
};

/* Names for what is used more than once, or in a list. */
static const struct {
	const char *name, *shape;
} aliases[] = {
	{"values", "text|text+"},
	{"addresses", "address|address+"},
	{"command", "text|value+"},
	{"status", "range|nonzero"},
	{"actions", "one_action+"},
	{"one_action", "action_word|action"},
	{"script", "script_word|script_step"},
	{"scripts", "script*|script_lists"},
	{"script_list", "script*"},
	{"script_lists", "script_list:"},
};

/* The types of the keys whose readers are common to all. */
static const struct {
	key_reader *read;
	const char *shape;
} readers[] = {
	{read_text, "text"},
	{read_bool, "boolean"},
	{read_flag, "boolean"},
	{read_duration, "duration"},
	{read_size, "size"},
	{read_rate, "rate"},
	{read_count, "count"},
	{read_port, "port"},
	{read_range, "range"},
	{read_size_range, "size_range"},
	{read_elapsed, "time_range"},
	{read_pick, "pick"},
	{read_address, "address"},
	{read_signal, "signal"},
	{read_text_list, "text|text+"},
	{read_roles, "role|role*"},
};

static const struct value *find_value(const struct object *o, const char *word)
{
	for (size_t i = 0; i < MAX_VALUES && o->values[i].word; i++) {
		if (!strcmp(o->values[i].word, word))
			return &o->values[i];
	}
	return NULL;
}

/* NULL: a key that this file does not know yet. */
static const char *shape_of(const struct object *o, const struct key *key)
{
	const struct value *value = find_value(o, key->word);

	if (value)
		return value->shape;
	for (size_t i = 0; i < sizeof(readers) / sizeof(readers[0]); i++) {
		if (readers[i].read == key->read)
			return readers[i].shape;
	}
	return NULL;
}

/* ---- what the keys of a rule mean, as `fault list keys` says it ---------- */

static void describe(json_t *properties, const struct list *keys)
{
	for (size_t i = 0; i < keys->n_rows; i++) {
		json_t *property =
			json_object_get(properties, keys->rows[i][0]);

		json_object_set_new(property, "description",
		                    json_string(keys->rows[i][2]));
	}
}

static int describe_rule(json_t *defs)
{
	json_t *properties =
		json_object_get(json_object_get(defs, "rule"), "properties");
	struct list keys = {0};
	int r = list_kind_find("keys")->fill(&keys, NULL);

	if (r == 0)
		describe(properties, &keys);
	list_release(&keys);
	return r;
}

/* ---- maps ---------------------------------------------------------------- */

/* 0, or -EINVAL: a key that has no shape. */
static int add_properties(json_t *properties, const struct object *o)
{
	for (size_t i = 0; o->table && i < o->table->n; i++) {
		const struct key *key = &o->table->keys[i];
		const char *shape = shape_of(o, key);

		if (!shape) {
			fprintf(stderr, "fault list: no shape for `%s`\n",
			        key->word);
			return -EINVAL;
		}
		json_object_set_new(properties, key->word, schema_shape(shape));
	}
	for (size_t i = 0; !o->table && i < MAX_VALUES && o->values[i].word;
	     i++)
		json_object_set_new(properties, o->values[i].word,
		                    schema_shape(o->values[i].shape));
	return 0;
}

/* Those that must be there, and those of which one must. */
static void add_needs(json_t *schema, const struct object *o)
{
	json_t *required = json_array(), *one_of = json_array();

	for (size_t i = 0; i < MAX_VALUES && o->values[i].word; i++) {
		const struct value *v = &o->values[i];

		if (v->need == MUST)
			json_array_append_new(required, json_string(v->word));
		if (v->need == ONE_OF)
			json_array_append_new(
				one_of,
				json_pack("{s:[s]}", "required", v->word));
	}
	if (json_array_size(required))
		json_object_set(schema, "required", required);
	if (json_array_size(one_of))
		json_object_set(schema, "oneOf", one_of);
	json_decref(required);
	json_decref(one_of);
}

static int add_object(json_t *defs, const struct object *o)
{
	json_t *properties = json_object();
	json_t *schema =
		json_pack("{s:s, s:O, s:o}", "type", "object", "properties",
	                  properties, "additionalProperties",
	                  o->rest ? schema_shape(o->rest) : json_false());
	int r = add_properties(properties, o);

	add_needs(schema, o);
	json_decref(properties);
	if (json_object_set_new(defs, o->name, schema) < 0 && r == 0)
		r = -ENOMEM;
	return r;
}

/* {delay: 200ms, jitter: 50ms}: one action and what goes with it. */
static int add_action(json_t *defs)
{
	static const char *const shapes[] = {
		[VALUE_ERRNO] = "errno",    [VALUE_DUR] = "duration",
		[VALUE_SIZE] = "size",      [VALUE_RATE] = "rate",
		[VALUE_SIGNAL] = "signal",  [VALUE_INT] = "number",
		[VALUE_LIST] = "addresses",
	};
	struct object o = {.name = "action"};
	json_t *properties;
	size_t n = 0;
	int r;

	for (int i = 0; i < N_ACTIONS; i++) {
		const struct fault_action_row *row = &fault_actions[i];
		const char *shape =
			row->value == VALUE_WORD
				? i == ACTION_EOF ? "half" : "descriptors"
				: shapes[row->value];

		if (!row->ready || row->value == VALUE_NONE)
			continue;
		o.values[n++] = (struct value){
			row->word, i == ACTION_SHORT ? "size|share" : shape,
			ONE_OF};
	}
	o.values[n++] = (struct value){"jitter", "duration", MAY};
	o.values[n++] = (struct value){"distribution", "distribution", MAY};
	r = add_object(defs, &o);
	properties =
		json_object_get(json_object_get(defs, o.name), "properties");
	for (int i = 0; i < N_ACTIONS; i++)
		json_object_set_new(
			json_object_get(properties, fault_actions[i].word),
			"description", json_string(fault_actions[i].meaning));
	return r;
}

/* A case is a top without what is the file's. */
static int add_case(json_t *defs)
{
	json_t *one = json_deep_copy(json_object_get(defs, "top"));
	json_t *properties = json_object_get(one, "properties");

	json_object_del(properties, "version");
	json_object_del(properties, "cases");
	json_object_del(one, "required");
	return json_object_set_new(defs, "case", one) < 0 ? -ENOMEM : 0;
}

static int fill(json_t *defs)
{
	int r = schema_add_types(defs) ? 0 : -ENOMEM;

	for (size_t i = 0; i < sizeof(aliases) / sizeof(aliases[0]) && !r; i++)
		r = json_object_set_new(defs, aliases[i].name,
		                        schema_shape(aliases[i].shape))
		            ? -ENOMEM
		            : 0;
	for (size_t i = 0; i < sizeof(objects) / sizeof(objects[0]) && !r; i++)
		r = add_object(defs, &objects[i]);
	if (!r)
		r = add_action(defs);
	if (!r)
		r = add_case(defs);
	return r ? r : describe_rule(defs);
}

int list_schema(FILE *out)
{
	json_t *defs = json_object();
	json_t *schema = json_pack(
		"{s:s, s:s, s:s, s:O}", "$schema",
		"https://json-schema.org/draft/2020-12/schema", "title",
		"fault: a scenario", "$ref", "#/$defs/top", "$defs", defs);
	int r = schema ? fill(defs) : -ENOMEM;

	if (!r && (json_dumpf(schema, out, JSON_INDENT(1)) < 0 ||
	           fputc('\n', out) < 0 || fflush(out) || ferror(out)))
		r = -EIO;
	json_decref(defs);
	json_decref(schema);
	return r;
}
