/*
 * poison.h - included last by every file of the library but attach*.c: names
 * that must not occur after it (shim.h, THE RULES).  system, popen and fclose
 * are rows of calls.def; tests/build/imports.allow leaves
 * them out.
 */
#pragma GCC poison malloc calloc realloc free strdup
#pragma GCC poison printf fprintf sprintf snprintf vsnprintf puts fputs
#pragma GCC poison fopen perror strerror syslog setlocale
#pragma GCC poison pthread_mutex_lock pthread_mutex_unlock pthread_once
#pragma GCC poison sleep usleep nanosleep random rand getenv setenv
#pragma GCC poison exit abort assert dlsym
