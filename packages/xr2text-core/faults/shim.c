/* Loaded ahead of libc (LD_PRELOAD): file calls that fail and a wall clock that jumps, only after being armed.

   fail_calls:  call number `chosen` of write, fsync and rename on paths that contain `part` goes wrong. Mode 'e': it fails
                with EIO. Mode 's': a write stores half of its bytes. Mode 'k': the process is killed before the call,
                and only fsync and rename count. Calls are counted in *calls, which may lie in shared memory.
   jump_clock:  `seconds` after now the wall clock is wrong by `offset`; the last jump that has come holds. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define MOST_JUMPS 16
static char failing_part[256];
static char failing_mode;
static long failing_chosen, *failing_calls;
static double jump_after[MOST_JUMPS], jump_offset[MOST_JUMPS], jump_start;
static int num_jumps;

static void *real(const char *name) { return dlsym(RTLD_NEXT, name); }

void fail_calls(const char *part, char mode, long chosen, long *calls) {
    snprintf(failing_part, sizeof failing_part, "%s", part);
    failing_mode = mode, failing_chosen = chosen, failing_calls = calls;
}

/* 0: goes through; 1: fails; 2: is cut short. */
static int verdict(const char *path, int is_write) {
    if (!failing_calls || !strstr(path, failing_part) || (failing_mode == 'k' && is_write)) return 0;
    if (__atomic_add_fetch(failing_calls, 1, __ATOMIC_SEQ_CST) != failing_chosen) return 0;
    if (failing_mode == 'k') kill(getpid(), SIGKILL);
    if (failing_mode == 's') return is_write ? 2 : 0;
    errno = EIO;
    return 1;
}

static int verdict_on(int descriptor, int is_write) {
    if (!failing_calls) return 0;
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return verdict(path, is_write);
}

ssize_t write(int descriptor, const void *data, size_t size) {
    static ssize_t (*next)(int, const void *, size_t);
    if (!next) next = real("write");
    int found = verdict_on(descriptor, 1);
    return found == 1 ? -1 : next(descriptor, data, found == 2 ? size / 2 : size);
}

ssize_t pwrite(int descriptor, const void *data, size_t size, off_t offset) {
    static ssize_t (*next)(int, const void *, size_t, off_t);
    if (!next) next = real("pwrite");
    int found = verdict_on(descriptor, 1);
    return found == 1 ? -1 : next(descriptor, data, found == 2 ? size / 2 : size, offset);
}

ssize_t pwrite64(int descriptor, const void *data, size_t size, off_t offset) {
    return pwrite(descriptor, data, size, offset);
}

ssize_t writev(int descriptor, const struct iovec *parts, int count) {
    static ssize_t (*next)(int, const struct iovec *, int);
    if (!next) next = real("writev");
    return verdict_on(descriptor, 1) == 1 ? -1 : next(descriptor, parts, count);
}

int fsync(int descriptor) {
    static int (*next)(int);
    if (!next) next = real("fsync");
    return verdict_on(descriptor, 0) ? -1 : next(descriptor);
}

int fdatasync(int descriptor) {
    static int (*next)(int);
    if (!next) next = real("fdatasync");
    return verdict_on(descriptor, 0) ? -1 : next(descriptor);
}

int rename(const char *from, const char *to) {
    static int (*next)(const char *, const char *);
    if (!next) next = real("rename");
    return verdict(to, 0) ? -1 : next(from, to);
}

static double monotonic(void) {
    static int (*next)(clockid_t, struct timespec *);
    if (!next) next = real("clock_gettime");
    struct timespec now;
    next(CLOCK_MONOTONIC, &now);
    return now.tv_sec + now.tv_nsec * 1e-9;
}

void jump_clock(const double *seconds, const double *offsets, int count) {
    jump_start = monotonic();
    for (int i = 0; i < count && i < MOST_JUMPS; i++) jump_after[i] = seconds[i], jump_offset[i] = offsets[i];
    num_jumps = count < MOST_JUMPS ? count : MOST_JUMPS;
}

static long wrong_by(void) {
    double offset = 0, since = num_jumps ? monotonic() - jump_start : 0;
    for (int i = 0; i < num_jumps; i++)
        if (since >= jump_after[i]) offset = jump_offset[i];
    return (long)offset;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    static int (*next)(clockid_t, struct timespec *);
    if (!next) next = real("clock_gettime");
    int result = next(clock, now);
    if (clock == CLOCK_REALTIME && !result) now->tv_sec += wrong_by();
    return result;
}

time_t time(time_t *into) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (into) *into = now.tv_sec;
    return now.tv_sec;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    static int (*next)(struct timeval *, void *);
    if (!next) next = real("gettimeofday");
    int result = next(now, zone);
    if (!result) now->tv_sec += wrong_by();
    return result;
}
