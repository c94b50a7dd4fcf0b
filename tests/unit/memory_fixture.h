/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An allocator that fails when told to, and counts. Its functions are defined in the
 * program, which puts them before libc's and the sanitizer's: those do the work, as
 * RTLD_NEXT finds them. So libc's own calls come by here as well.
 *
 * The compiler knows malloc(3) and that it changes nothing of ours: what is counted
 * is volatile, because here it does.
 */
#ifndef SMTPWARD_TEST_MEMORY_FIXTURE_H
#define SMTPWARD_TEST_MEMORY_FIXTURE_H

#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static volatile struct {
	bool armed;
	bool relented;
	bool for_good;
	unsigned long calls;
	unsigned long fail_at; /* 0: never */
	unsigned long failed;
	long blocks; /* allocated and not freed while armed */
} memory;

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

/* dlsym(3) itself may ask for memory, before malloc(3) is found: it gets some from here. */
static union {
	max_align_t align;
	char bytes[4096];
} first_memory;
static size_t first_memory_used;

static void *first_alloc(size_t size)
{
	const size_t align = sizeof(max_align_t);
	size_t at = first_memory_used;

	if (size > sizeof(first_memory) - at - align)
		return NULL;
	first_memory_used += (size + align - 1) / align * align;
	return first_memory.bytes + at;
}

static bool is_first(const void *p)
{
	uintptr_t at = (uintptr_t)p, start = (uintptr_t)&first_memory;

	return at >= start && at < start + sizeof(first_memory);
}

static struct {
	__typeof__(&malloc) malloc;
	__typeof__(&calloc) calloc;
	__typeof__(&realloc) realloc;
	__typeof__(&free) free;
	bool looking;
} next;

/* False while they are looked up. */
static bool next_ready(void)
{
	if (next.free)
		return true;
	if (next.looking)
		return false;
	next.looking = true;
	next.malloc = NEXT(malloc);
	next.calloc = NEXT(calloc);
	next.realloc = NEXT(realloc);
	next.free = NEXT(free);
	return true;
}

static bool fails(void)
{
	bool failing;

	if (!memory.armed || memory.relented)
		return false;
	memory.calls++;
	failing = memory.fail_at && (memory.for_good ? memory.calls >= memory.fail_at
						     : memory.calls == memory.fail_at);
	if (failing) {
		memory.failed++;
		errno = ENOMEM;
	}
	return failing;
}

static void *count(void *p)
{
	if (memory.armed && p)
		memory.blocks++;
	return p;
}

void *malloc(size_t size)
{
	if (!next_ready())
		return first_alloc(size);
	return fails() ? NULL : count(next.malloc(size));
}

void *calloc(size_t n, size_t size)
{
	if (!next_ready())
		return first_alloc(n * size);
	return fails() ? NULL : count(next.calloc(n, size));
}

void *realloc(void *p, size_t size)
{
	if (!next_ready() || is_first(p))
		abort();
	if (fails())
		return NULL;
	return p ? next.realloc(p, size) : count(next.realloc(p, size));
}

/* The sanitizer's own would not come by here. */
void *reallocarray(void *p, size_t n, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(n, size, &bytes)) {
		errno = ENOMEM;
		return NULL;
	}
	return realloc(p, bytes);
}

char *strndup(const char *text, size_t max)
{
	size_t len = strnlen(text, max);
	char *copy = malloc(len + 1);

	if (!copy)
		return NULL;
	copy[len] = '\0';
	return memcpy(copy, text, len);
}

char *strdup(const char *text)
{
	return strndup(text, strlen(text));
}

void free(void *p)
{
	if (!p || is_first(p) || !next_ready())
		return;
	if (memory.armed)
		memory.blocks--;
	next.free(p);
}

/* From here on allocation number fail_at fails; 0: none. */
static void arm(unsigned long fail_at, bool for_good)
{
	memory.calls = memory.failed = 0;
	memory.fail_at = fail_at;
	memory.for_good = for_good;
	memory.blocks = 0;
	memory.armed = true;
}

/* For the look at a result: memory is there again, and only what is not freed counts. */
static void relent(void)
{
	memory.fail_at = 0;
	memory.relented = true;
}

static void disarm(void)
{
	memory.armed = memory.relented = false;
}

#endif /* SMTPWARD_TEST_MEMORY_FIXTURE_H */
