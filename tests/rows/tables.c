/*
 * tables.c - the constant tables of plan/ once more, so that this program
 * links nothing of ours: what it tests is loaded into it.
 */
#include "plan/tables.c"
#include "plan/errno_names.c"
