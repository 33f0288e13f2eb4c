// Writes down, in order, everything that a process does to the files of one folder and everything that it says, so that a power cut can
// be played at any moment afterwards (see power-cut.ts). Loaded before the C library (LD_PRELOAD).
//
//   RECORDED_FOLDER  the folder
//   RECORDED_TO      the file that it is written to: one line for each record, followed by the bytes of a write
//
// A write, and a change of a name, is written down once it has happened; a sync when it begins and when it has succeeded, so that it covers
// no write that was still on its way; what the process says, before it is said.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define REAL(name, result, ...) result (*real)(__VA_ARGS__) = (result (*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name)

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static int is_recorded(const char *path) {
  const char *folder = getenv("RECORDED_FOLDER");
  return folder != NULL && strncmp(path, folder, strlen(folder)) == 0;
}

// The inode of a file of the folder, or 0.
static unsigned long inode_of(int file) {
  char link[64], path[PATH_MAX];
  struct stat found;
  ssize_t length;
  snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  if ((length = readlink(link, path, sizeof path - 1)) < 0) return 0;
  path[length] = '\0';
  return is_recorded(path) && fstat(file, &found) == 0 ? found.st_ino : 0;
}

static unsigned long inode_at(const char *path) {
  struct stat found;
  return lstat(path, &found) == 0 ? found.st_ino : 0;
}

static void record(const void *bytes, size_t length, const char *format, ...) {
  REAL(write, ssize_t, int, const void *, size_t);
  static int log = -1;
  char line[2 * PATH_MAX];
  va_list values;
  int kept = errno;
  va_start(values, format);
  int written = vsnprintf(line, sizeof line, format, values);
  va_end(values);
  pthread_mutex_lock(&lock);
  if (log < 0) log = open(getenv("RECORDED_TO"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (real(log, line, written) != written || real(log, bytes, length) != (ssize_t)length) abort();
  pthread_mutex_unlock(&lock);
  errno = kept;
}

ssize_t write(int file, const void *bytes, size_t length) {
  REAL(write, ssize_t, int, const void *, size_t);
  unsigned long inode = inode_of(file);
  if (file == 1 && getenv("RECORDED_TO") != NULL) record(bytes, length, "say 0 0 %zu\n", length);
  off_t offset = inode == 0 ? 0 : lseek(file, 0, SEEK_CUR);
  ssize_t written = real(file, bytes, length);
  if (inode != 0 && written > 0) record(bytes, written, "write %lu %ld %zd\n", inode, (long)offset, written);
  return written;
}

#define PWRITE(name)                                                                                             \
  ssize_t name(int file, const void *bytes, size_t length, off_t offset) {                                       \
    REAL(name, ssize_t, int, const void *, size_t, off_t);                                                       \
    unsigned long inode = inode_of(file);                                                                        \
    ssize_t written = real(file, bytes, length, offset);                                                         \
    if (inode != 0 && written > 0) record(bytes, written, "write %lu %ld %zd\n", inode, (long)offset, written);  \
    return written;                                                                                              \
  }
PWRITE(pwrite)
PWRITE(pwrite64)

#define TRUNCATE(name)                                                             \
  int name(int file, off_t length) {                                               \
    REAL(name, int, int, off_t);                                                   \
    unsigned long inode = inode_of(file);                                          \
    int result = real(file, length);                                               \
    if (inode != 0 && result == 0) record("", 0, "truncate %lu %ld 0\n", inode, (long)length); \
    return result;                                                                 \
  }
TRUNCATE(ftruncate)
TRUNCATE(ftruncate64)

#define SYNC(name)                                                        \
  int name(int file) {                                                    \
    REAL(name, int, int);                                                 \
    unsigned long inode = inode_of(file);                                 \
    if (inode != 0) record("", 0, "sync-begins %lu 0 0\n", inode);        \
    int result = real(file);                                              \
    if (inode != 0 && result == 0) record("", 0, "sync-ends %lu 0 0\n", inode); \
    return result;                                                        \
  }
SYNC(fsync)
SYNC(fdatasync)

#define OPEN(name)                                                                             \
  int name(const char *path, int flags, ...) {                                                 \
    REAL(name, int, const char *, int, ...);                                                   \
    va_list values;                                                                            \
    va_start(values, flags);                                                                   \
    int mode = flags & O_CREAT ? va_arg(values, int) : 0;                                      \
    va_end(values);                                                                            \
    int is_new = (flags & O_CREAT) && is_recorded(path) && inode_at(path) == 0;                \
    int file = real(path, flags, mode);                                                        \
    if (is_new && file >= 0) record("", 0, "create %lu 0 0 %s\n", inode_at(path), path);       \
    return file;                                                                               \
  }
OPEN(open)
OPEN(open64)

int mkdir(const char *path, mode_t mode) {
  REAL(mkdir, int, const char *, mode_t);
  int result = real(path, mode);
  if (result == 0 && is_recorded(path)) record("", 0, "mkdir %lu 0 0 %s\n", inode_at(path), path);
  return result;
}

int rename(const char *from, const char *to) {
  REAL(rename, int, const char *, const char *);
  int result = real(from, to);
  if (result == 0 && is_recorded(to)) record("", 0, "rename %lu 0 0 %s %s\n", inode_at(to), from, to);
  return result;
}

int unlink(const char *path) {
  REAL(unlink, int, const char *);
  unsigned long inode = is_recorded(path) ? inode_at(path) : 0;
  int result = real(path);
  if (inode != 0 && result == 0) record("", 0, "unlink %lu 0 0 %s\n", inode, path);
  return result;
}
