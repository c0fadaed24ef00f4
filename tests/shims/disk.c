/* A disk that does what a directory of control files says, preloaded into the program under test.
 *
 *   $UCASH_SHIM/stall   while this file exists, fdatasync and fsync wait
 *   $UCASH_SHIM/fail    while it exists, they fail with EIO
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static int is_there(const char *name) {
    const char *directory = getenv("UCASH_SHIM");
    char path[4096];
    if (!directory || snprintf(path, sizeof path, "%s/%s", directory, name) >= (int)sizeof path) return 0;
    return access(path, F_OK) == 0;
}

static int obey(const char *call, int fd) {
    struct timespec pause = {0, 5000000};
    while (is_there("stall")) nanosleep(&pause, NULL);
    if (is_there("fail")) {
        errno = EIO;
        return -1;
    }
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, call);
    return real(fd);
}

int fdatasync(int fd) { return obey("fdatasync", fd); }
int fsync(int fd) { return obey("fsync", fd); }
