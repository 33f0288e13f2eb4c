// A disk that fails when it is told to, for one process: loaded before the C library (LD_PRELOAD), it stands in front of three calls.
//
//   FAULTY_DISK  path of a file that the test writes when something shall fail. It holds a pattern (fnmatch); the next fsync or fdatasync
//                of a file whose path it fits fails with EIO. The file is removed by the call that fails, so one call fails and
//                every later one succeeds, as it is on Linux: the error of a page is told once.
//   FAULTY_TYPE  the type that statfs says of every folder, in hexadecimal.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

static int shall_fail(int file) {
  const char *orders = getenv("FAULTY_DISK");
  char pattern[PATH_MAX], link[64], path[PATH_MAX];
  int order;
  ssize_t length;
  if (orders == NULL || (order = open(orders, O_RDONLY)) < 0) return 0;
  length = read(order, pattern, sizeof pattern - 1);
  close(order);
  if (length <= 0) return 0;
  pattern[length] = '\0';
  snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  if ((length = readlink(link, path, sizeof path - 1)) < 0) return 0;
  path[length] = '\0';
  return fnmatch(pattern, path, 0) == 0 && unlink(orders) == 0;
}

#define SYNC(name)                                          \
  int name(int file) {                                      \
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, #name); \
    if (!shall_fail(file)) return real(file);               \
    errno = EIO;                                            \
    return -1;                                              \
  }
SYNC(fsync)
SYNC(fdatasync)

#define STATFS(name, type)                                                              \
  int name(const char *path, struct type *found) {                                      \
    int (*real)(const char *, struct type *) = (int (*)(const char *, struct type *))dlsym(RTLD_NEXT, #name); \
    const char *told = getenv("FAULTY_TYPE");                                           \
    int result = real(path, found);                                                     \
    if (told != NULL) found->f_type = strtoul(told, NULL, 16);                          \
    return result;                                                                      \
  }
STATFS(statfs, statfs)
STATFS(statfs64, statfs64)
