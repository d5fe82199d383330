/*
 * accord.h - this process in accord with what is armed (run.h): opens what a
 * disarmed rule holds, lets what has been armed act, and says so.
 *
 * Called by the helper thread (keeper.c), under no lock.
 */
#ifndef FAULT_SHIM_ACCORD_H
#define FAULT_SHIM_ACCORD_H

#include "shim.h"

/* All of it, for every socket of the process; then acknowledged. */
void accord_all(void);

/*
 * The helper ends: armed gates whose rules are used up are open again.  true:
 * it does not, something is held without end.
 */
bool accord_settle(void);

/* TASK_EXHAUST, TASK_SELF. */
void accord_exhaust(void);
void accord_self(void);

/* May a lasting rule of this program still act, or be armed from outside? */
bool accord_needed(void);

/* Can the runner arm and disarm lasting rules here? */
bool accord_from_outside(void);

/* The bell of this process: its count; wait until it is another one. */
uint32_t accord_bell(void);
void accord_wait_bell(uint32_t heard);

/* Wake whoever waits for it, without ringing. */
void accord_hush(void);

/* Wake the helpers of the other processes: something they may wait for. */
void accord_tell_others(void);

/* fault_process.listens */
void accord_listens(bool yes);

#endif
