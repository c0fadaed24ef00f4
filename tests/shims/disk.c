/* A disk that does what a directory of control files says, preloaded into the program under test.
 *
 *   $UCASH_SHIM/stall         while this file exists, fdatasync and fsync wait
 *   $UCASH_SHIM/stall-heads   while it exists, they wait where it is the heads file that is synced
 *   $UCASH_SHIM/fail          while it exists, they fail with EIO
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int is_there(const char *name) {
    const char *directory = getenv("UCASH_SHIM");
    char path[4096];
    if (!directory || snprintf(path, sizeof path, "%s/%s", directory, name) >= (int)sizeof path) return 0;
    return access(path, F_OK) == 0;
}

static int is_of_heads(int fd) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    const char *name = strrchr(path, '/');
    return name && strstr(name, "heads") != NULL;
}

static int obey(const char *call, int fd) {
    struct timespec pause = {0, 5000000};
    while (is_there("stall") || (is_of_heads(fd) && is_there("stall-heads"))) nanosleep(&pause, NULL);
    if (is_there("fail")) {
        errno = EIO;
        return -1;
    }
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, call);
    return real(fd);
}

int fdatasync(int fd) { return obey("fdatasync", fd); }
int fsync(int fd) { return obey("fsync", fd); }
