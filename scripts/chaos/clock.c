/* LD_PRELOAD: the dates of a server are behind by the ms that the environment variable CLOCK_BEHIND_MS holds. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>

/* Servers ask for a date in this way only; for lengths of time they ask clock_gettime. */
int gettimeofday(struct timeval *t, void *zone) {
  const char *ms = getenv("CLOCK_BEHIND_MS");
  struct timespec now;
  (void)zone;
  clock_gettime(CLOCK_REALTIME, &now);
  long long us = now.tv_sec * 1000000LL + now.tv_nsec / 1000 - (ms ? atoll(ms) * 1000 : 0);
  t->tv_sec = us / 1000000;
  t->tv_usec = us % 1000000;
  return 0;
}
