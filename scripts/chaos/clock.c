/* LD_PRELOAD: the dates of a server are behind by the ms that the environment variable CLOCK_BEHIND_MS holds. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static long behind_ms;

__attribute__((constructor)) static void read_environment(void) {
  const char *ms = getenv("CLOCK_BEHIND_MS");
  behind_ms = ms ? atol(ms) : 0;
}

int clock_gettime(clockid_t id, struct timespec *t) {
  int result = (int)syscall(SYS_clock_gettime, id, t);
  if (result == 0 && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) {
    t->tv_sec -= behind_ms / 1000;
    t->tv_nsec -= behind_ms % 1000 * 1000000;
    if (t->tv_nsec < 0) {
      t->tv_sec -= 1;
      t->tv_nsec += 1000000000;
    }
  }
  return result;
}

int gettimeofday(struct timeval *t, void *zone) {
  struct timespec now;
  (void)zone;
  int result = clock_gettime(CLOCK_REALTIME, &now);
  if (t) {
    t->tv_sec = now.tv_sec;
    t->tv_usec = now.tv_nsec / 1000;
  }
  return result;
}

time_t time(time_t *t) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (t) *t = now.tv_sec;
  return now.tv_sec;
}
