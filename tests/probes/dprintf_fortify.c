/*
 * dprintf_fortify.c - the same, built with -D_FORTIFY_SOURCE=2 (Makefile): what
 * it calls is __dprintf_chk.
 */
#define DPRINTF_FORTIFY
#include "dprintf.c"

int main(int argc, char **argv)
{
	return run(argc, argv);
}
