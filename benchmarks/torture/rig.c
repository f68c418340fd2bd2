/* What a power cut would take back: preloaded into every process of a stack, this notes for each
 * file below TORTURE_DATA what was written since the file's last completed fsync or fdatasync.
 *
 * A killed process leaves its writes in the kernel, a power cut does not. So before a write the
 * bytes that it replaces go into a journal in TORTURE_JOURNAL, a completed fsync empties that, and
 * benchmarks/torture/rig.py plays what is left of it backwards after everything was killed.
 *
 *   f-DEV-INO  of a file: records of `struct change`, each followed by the bytes before it
 *   d-DEV-INO  of a folder: a line for each name that was made, moved or taken away
 *   k-PID-N    a second name of a file that was replaced or taken away, so that it can come back
 *
 * The rules are those of a journalling file system such as ext4 or XFS. An fsync keeps what was
 * written before it began, not what came meanwhile. A new file is there once it or its folder was
 * fsynced. A rename or an unlink holds once its folder was fsynced, else it may be undone. What a program writes through stdio (no file of ours that is promised) and through a
 * memory map (SQLite's -shm, which it makes anew) is not seen. Folders stay once they are made.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { MADE = 1, CHANGED = 2, SYNCED = 3 };
enum { MOST_FDS = 65536 };

struct change {
    uint64_t kind;
    uint64_t offset;      /* of the write; of SYNCED: bytes of this journal that are on disk */
    uint64_t length;      /* of the write */
    uint64_t size_before; /* of the file */
    uint64_t kept;        /* bytes that follow: what stood at `offset` before */
};

struct file {
    dev_t dev;
    ino_t ino;
    int folder, journal;
    pthread_mutex_t lock; /* a change and its note are one; not held during an fsync */
    struct file *next;
};

static struct file *opened[MOST_FDS];
static struct file *known;
static pthread_mutex_t all = PTHREAD_MUTEX_INITIALIZER;
static const char *data, *journals;
static unsigned kept_names;

/* Copied: Valkey writes its title over the environment. */
__attribute__((constructor)) static void start(void) {
    const char *folder = getenv("TORTURE_DATA"), *notes = getenv("TORTURE_JOURNAL");
    if (folder != NULL && notes != NULL) {
        data = strdup(folder);
        journals = strdup(notes);
    }
}

/* A rig that cannot take notes must not go on: it would call lost data safe. */
static void give_up(const char *what) {
    dprintf(2, "rig: %s: %s\n", what, strerror(errno));
    abort();
}

/* Write the whole path into `out`; false where it is not below the data folder. */
static int below(int folder, const char *path, char *out) {
    char base[PATH_MAX] = "", link[64];
    if (data == NULL || path == NULL)
        return 0;
    if (path[0] != '/') {
        if (folder == AT_FDCWD) {
            if (getcwd(base, sizeof base) == NULL)
                return 0;
        } else {
            snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
            ssize_t n = readlink(link, base, sizeof base - 1);
            if (n < 0)
                return 0;
            base[n] = 0;
        }
        if (snprintf(out, PATH_MAX, "%s/%s", base, path) >= PATH_MAX)
            return 0;
    } else if (snprintf(out, PATH_MAX, "%s", path) >= PATH_MAX)
        return 0;
    size_t n = strlen(data);
    return strncmp(out, data, n) == 0 && (out[n] == '/' || out[n] == 0);
}

/* Locks and lines of output are nothing that anybody promised. */
static int promised(const char *path) {
    const char *never[] = {"-shm", ".log", "lock"};
    for (unsigned i = 0; i < sizeof never / sizeof *never; i++) {
        size_t n = strlen(path), m = strlen(never[i]);
        if (n >= m && strcmp(path + n - m, never[i]) == 0)
            return 0;
    }
    return 1;
}

static struct file *file_of(const struct stat *found) {
    pthread_mutex_lock(&all);
    struct file *f = known;
    while (f != NULL && (f->dev != found->st_dev || f->ino != found->st_ino))
        f = f->next;
    if (f == NULL) {
        char name[PATH_MAX];
        snprintf(name, sizeof name, "%s/%c-%lu-%lu", journals, S_ISDIR(found->st_mode) ? 'd' : 'f',
                 (unsigned long)found->st_dev, (unsigned long)found->st_ino);
        f = calloc(1, sizeof *f);
        f->dev = found->st_dev;
        f->ino = found->st_ino;
        f->folder = S_ISDIR(found->st_mode);
        f->journal = syscall(SYS_openat, AT_FDCWD, name, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        if (f->journal < 0)
            give_up(name);
        pthread_mutex_init(&f->lock, NULL);
        f->next = known;
        known = f;
    }
    pthread_mutex_unlock(&all);
    return f;
}

/* The file of a descriptor; NULL where it is none of ours, or has become another one since. */
static struct file *tracked(int fd) {
    struct stat now;
    if (fd < 0 || fd >= MOST_FDS || opened[fd] == NULL)
        return NULL;
    if (fstat(fd, &now) == 0 && now.st_dev == opened[fd]->dev && now.st_ino == opened[fd]->ino)
        return opened[fd];
    opened[fd] = NULL;
    return NULL;
}

static void append(struct file *f, const void *what, size_t n) {
    if (syscall(SYS_write, f->journal, what, n) != (ssize_t)n)
        give_up("the journal is not written");
}

static void note(struct file *f, int fd, uint64_t kind, uint64_t offset, uint64_t length) {
    struct stat now;
    if (fstat(fd, &now) != 0)
        give_up("a file cannot be looked at");
    uint64_t size = now.st_size, end = offset + length < size ? offset + length : size;
    uint64_t kept = end > offset ? end - offset : 0;
    char *whole = malloc(sizeof(struct change) + kept);
    *(struct change *)whole = (struct change){kind, offset, length, size, kept};
    if (kept > 0) { /* the descriptor may be for writing alone */
        char link[64];
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        int reading = syscall(SYS_openat, AT_FDCWD, link, O_RDONLY | O_CLOEXEC);
        if (reading < 0 || pread(reading, whole + sizeof(struct change), kept, offset) != (ssize_t)kept)
            give_up("a file cannot be read");
        syscall(SYS_close, reading);
    }
    append(f, whole, sizeof(struct change) + kept);
    free(whole);
}

/* The folder that holds a name, locked. */
static struct file *folder_of(const char *path) {
    char folder[PATH_MAX];
    struct stat found;
    snprintf(folder, sizeof folder, "%s", path);
    *strrchr(folder, '/') = 0;
    if (stat(folder, &found) != 0)
        return NULL;
    struct file *f = file_of(&found);
    pthread_mutex_lock(&f->lock);
    return f;
}

static void made(const char *path) {
    char line[2 * PATH_MAX];
    struct file *f = folder_of(path);
    if (f == NULL)
        give_up("a folder is gone");
    append(f, line, snprintf(line, sizeof line, "made\t%s\n", path));
    pthread_mutex_unlock(&f->lock);
}

static int open_it(int folder, const char *path, int flags, mode_t mode) {
    char whole[PATH_MAX];
    struct stat before, now;
    if (!below(folder, path, whole) || !promised(whole))
        return syscall(SYS_openat, folder, path, flags, mode);
    int there = stat(whole, &before) == 0;
    int fd = syscall(SYS_openat, folder, path, flags & ~O_TRUNC, mode);
    if (fd < 0 || fd >= MOST_FDS || fstat(fd, &now) != 0)
        return fd;
    if (!S_ISREG(now.st_mode) && !S_ISDIR(now.st_mode))
        return fd;
    struct file *f = opened[fd] = file_of(&now);
    if (!there && S_ISREG(now.st_mode)) { /* the number may be that of a file that is gone */
        if (ftruncate(f->journal, 0) != 0)
            give_up("a journal cannot be emptied");
        note(f, fd, MADE, 0, 0);
        made(whole);
    }
    if (flags & O_TRUNC)
        if (ftruncate(fd, 0) != 0)
            give_up("a file cannot be emptied");
    return fd;
}

#define MODE(flags, mode)                        \
    mode_t mode = 0;                             \
    if ((flags) & (O_CREAT | O_TMPFILE)) {       \
        va_list rest;                            \
        va_start(rest, flags);                   \
        mode = va_arg(rest, mode_t);             \
        va_end(rest);                            \
    }

int open(const char *path, int flags, ...) {
    MODE(flags, mode)
    return open_it(AT_FDCWD, path, flags, mode);
}

int open64(const char *path, int flags, ...) {
    MODE(flags, mode)
    return open_it(AT_FDCWD, path, flags, mode);
}

int openat(int folder, const char *path, int flags, ...) {
    MODE(flags, mode)
    return open_it(folder, path, flags, mode);
}

int openat64(int folder, const char *path, int flags, ...) {
    MODE(flags, mode)
    return open_it(folder, path, flags, mode);
}

int close(int fd) {
    if (fd >= 0 && fd < MOST_FDS)
        opened[fd] = NULL;
    return syscall(SYS_close, fd);
}

static off_t place(int fd) {
    struct stat now;
    if (fcntl(fd, F_GETFL) & O_APPEND)
        return fstat(fd, &now) == 0 ? now.st_size : 0;
    return lseek(fd, 0, SEEK_CUR);
}

/* Note what a call changes, and make it. */
#define CHANGING(fd, offset, length, call)             \
    struct file *f = tracked(fd);                      \
    if (f == NULL)                                     \
        return call;                                   \
    pthread_mutex_lock(&f->lock);                      \
    note(f, fd, CHANGED, offset, length);              \
    ssize_t done = call;                               \
    int why = errno;                                   \
    pthread_mutex_unlock(&f->lock);                    \
    errno = why;                                       \
    return done;

ssize_t write(int fd, const void *what, size_t n) {
    CHANGING(fd, place(fd), n, syscall(SYS_write, fd, what, n))
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    size_t n = 0;
    for (int i = 0; i < count; i++)
        n += parts[i].iov_len;
    CHANGING(fd, place(fd), n, syscall(SYS_writev, fd, parts, count))
}

ssize_t pwrite(int fd, const void *what, size_t n, off_t at) {
    CHANGING(fd, at, n, syscall(SYS_pwrite64, fd, what, n, at))
}

ssize_t pwrite64(int fd, const void *what, size_t n, off64_t at) {
    CHANGING(fd, at, n, syscall(SYS_pwrite64, fd, what, n, at))
}

static int cut(int fd, off_t size) {
    CHANGING(fd, size, (uint64_t)1 << 40, syscall(SYS_ftruncate, fd, size))
}

int ftruncate(int fd, off_t size) { return cut(fd, size); }

int ftruncate64(int fd, off64_t size) { return cut(fd, size); }

static int sync_it(int fd, long number) {
    struct file *f = tracked(fd);
    if (f == NULL)
        return syscall(number, fd);
    pthread_mutex_lock(&f->lock);
    off_t before = lseek(f->journal, 0, SEEK_END);
    pthread_mutex_unlock(&f->lock);
    int done = syscall(number, fd);
    int why = errno;
    if (done == 0) {
        pthread_mutex_lock(&f->lock);
        if (lseek(f->journal, 0, SEEK_END) == before) {
            if (syscall(SYS_ftruncate, f->journal, 0) != 0)
                give_up("a journal cannot be emptied");
        } else if (f->folder) {
            char line[64];
            append(f, line, snprintf(line, sizeof line, "synced\t%ld\n", (long)before));
        } else {
            struct change synced = {SYNCED, before, 0, 0, 0};
            append(f, &synced, sizeof synced);
        }
        pthread_mutex_unlock(&f->lock);
    }
    errno = why;
    return done;
}

int fsync(int fd) { return sync_it(fd, SYS_fsync); }

int fdatasync(int fd) { return sync_it(fd, SYS_fdatasync); }

/* Give what is about to go from its name a second one; returns that, "-" where nothing is there. */
static void keep(const char *path, char *name) {
    char whole[PATH_MAX];
    snprintf(name, 64, "k-%d-%u", getpid(), __atomic_add_fetch(&kept_names, 1, __ATOMIC_SEQ_CST));
    snprintf(whole, sizeof whole, "%s/%s", journals, name);
    if (link(path, whole) == 0)
        return;
    if (errno != ENOENT)
        give_up("a file cannot be kept");
    strcpy(name, "-");
}

int rename(const char *old, const char *fresh) {
    char from[PATH_MAX], to[PATH_MAX], kept[64], line[3 * PATH_MAX];
    struct file *f;
    if (!below(AT_FDCWD, old, from) || !below(AT_FDCWD, fresh, to) || (f = folder_of(to)) == NULL)
        return syscall(SYS_renameat, AT_FDCWD, old, AT_FDCWD, fresh);
    keep(to, kept);
    int done = syscall(SYS_renameat, AT_FDCWD, old, AT_FDCWD, fresh);
    int why = errno;
    if (done == 0)
        append(f, line, snprintf(line, sizeof line, "moved\t%s\t%s\t%s\n", from, to, kept));
    pthread_mutex_unlock(&f->lock);
    errno = why;
    return done;
}

int unlink(const char *path) {
    char whole[PATH_MAX], kept[64], line[2 * PATH_MAX];
    struct file *f;
    if (!below(AT_FDCWD, path, whole) || !promised(whole) || (f = folder_of(whole)) == NULL)
        return syscall(SYS_unlinkat, AT_FDCWD, path, 0);
    keep(whole, kept);
    int done = syscall(SYS_unlinkat, AT_FDCWD, path, 0);
    int why = errno;
    if (done == 0)
        append(f, line, snprintf(line, sizeof line, "gone\t%s\t%s\n", whole, kept));
    pthread_mutex_unlock(&f->lock);
    errno = why;
    return done;
}
