#include "demo/s3_store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define UPLOAD_PREFIX ".penstock-upload-"

enum { FOLDER = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, PART_BYTES = 256 };

bool demo_store_open(struct demo_store *s, const char *path, struct fault *f)
{
    *s = (struct demo_store){ .dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) };
    if (s->dir < 0)
        return fault_set(f, FAULT_CONFIG, "directory", "%s: %s", path, strerror(errno));
    return true;
}

void demo_store_close(struct demo_store *s)
{
    if (s->dir >= 0)
        close(s->dir);
    s->dir = -1;
}

/* One part of a key as the name of a file: NUL-terminated, none that the kernel would interpret. */
static bool part_name(struct str part, char name[static PART_BYTES])
{
    if (part.n == 0 || part.n >= PART_BYTES || memchr(part.p, 0, part.n) != NULL ||
        str_eq(part, STR(".")) || str_eq(part, STR("..")) || str_starts(part, STR(UPLOAD_PREFIX)))
        return false;
    memcpy(name, part.p, part.n);
    name[part.n] = 0;
    return true;
}

/*
 * The folder that holds the key's file (the caller closes it), and the file's own name. With
 * `makes`, folders that are missing are made. -1 with errno; EINVAL for what no file is called.
 */
static int open_folder(const struct demo_store *s, struct str key, bool makes,
                       char name[static PART_BYTES])
{
    struct str part, rest = key;
    int dir = openat(s->dir, ".", FOLDER);
    while (dir >= 0 && str_next(&rest, '/', &part)) {
        if (!part_name(part, name)) {
            close(dir);
            errno = EINVAL;
            return -1;
        }
        if (rest.n == 0)
            break;
        if (makes)
            mkdirat(dir, name, 0777);
        int next = openat(dir, name, FOLDER);
        int e = errno;
        close(dir);
        errno = e;
        dir = next;
    }
    return dir;
}

static bool is_key(struct str key)
{
    return key.n > 0 && key.n <= DEMO_KEY_BYTES && key.p[key.n - 1] != '/';
}

static enum demo_store_result result_of(int e, enum demo_store_result missing)
{
    switch (e) {
    case ENOENT:
    case ENOTDIR:
    case EINVAL:
    case ELOOP: /* a symbolic link */
    case ENXIO: /* a socket */
    case EISDIR:
    case EEXIST:
    case ENOTEMPTY:
    case ENAMETOOLONG:
        return missing;
    default:
        errno = e;
        return DEMO_STORE_FAILED;
    }
}

/* A strong validator without reading the file: whoever writes it changes one of these. */
static void describe(const struct stat *st, struct demo_object *out)
{
    uint64_t mtime = (uint64_t)st->st_mtim.tv_sec * 1000000000u + (uint64_t)st->st_mtim.tv_nsec;
    uint64_t size_and_file = (uint64_t)st->st_size << 24 ^ (uint64_t)st->st_ino;
    out->size = (uint64_t)st->st_size;
    out->mtime_s = st->st_mtim.tv_sec;
    snprintf(out->etag, sizeof out->etag, "\"%016llx%016llx\"", (unsigned long long)mtime,
             (unsigned long long)size_and_file);
}

enum demo_store_result demo_store_get(const struct demo_store *s, struct str key, int *fd,
                                      struct demo_object *out)
{
    char name[PART_BYTES];
    struct stat st;
    if (!is_key(key))
        return DEMO_STORE_NO_KEY;
    int dir = open_folder(s, key, false, name);
    if (dir < 0)
        return result_of(errno, DEMO_STORE_NO_KEY);
    /* Opening a FIFO would wait for its writer. */
    int file = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    int e = errno;
    close(dir);
    if (file < 0)
        return result_of(e, DEMO_STORE_NO_KEY);
    if (fstat(file, &st) != 0 || !S_ISREG(st.st_mode)) {
        close(file);
        return DEMO_STORE_NO_KEY;
    }
    describe(&st, out);
    if (fd != NULL)
        *fd = file;
    else
        close(file);
    return DEMO_STORE_OK;
}

enum demo_store_result demo_store_delete(const struct demo_store *s, struct str key)
{
    char name[PART_BYTES];
    int dir = is_key(key) ? open_folder(s, key, false, name) : -1;
    if (dir < 0)
        return is_key(key) ? result_of(errno, DEMO_STORE_OK) : DEMO_STORE_OK;
    int e = unlinkat(dir, name, 0) == 0 ? 0 : errno;
    close(dir);
    return e == 0 ? DEMO_STORE_OK : result_of(e, DEMO_STORE_OK);
}

enum demo_store_result demo_upload_begin(struct demo_store *s, struct demo_upload *u)
{
    u->n = 0;
    snprintf(u->name, sizeof u->name, UPLOAD_PREFIX "%d-%u", (int)getpid(), s->n_uploads++);
    u->fd = openat(s->dir, u->name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
    return u->fd >= 0 ? DEMO_STORE_OK : DEMO_STORE_FAILED;
}

bool demo_upload_write(struct demo_upload *u, struct str data)
{
    while (data.n > 0) {
        ssize_t n = write(u->fd, data.p, data.n);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        u->n += (uint64_t)n;
        data = str_from(data, (size_t)n);
    }
    return true;
}

void demo_upload_abandon(const struct demo_store *s, struct demo_upload *u)
{
    if (u->fd < 0)
        return;
    close(u->fd);
    u->fd = -1;
    unlinkat(s->dir, u->name, 0);
}

enum demo_store_result demo_upload_commit(const struct demo_store *s, struct demo_upload *u,
                                          struct str key, struct demo_object *out)
{
    char name[PART_BYTES];
    struct stat st;
    int dir = is_key(key) ? open_folder(s, key, true, name) : -1;
    int e = is_key(key) ? errno : EINVAL;
    bool is_put = dir >= 0 && fstat(u->fd, &st) == 0 && renameat(s->dir, u->name, dir, name) == 0;
    if (dir >= 0) {
        e = errno;
        close(dir);
    }
    if (!is_put) {
        demo_upload_abandon(s, u);
        return result_of(e, DEMO_STORE_BAD_KEY);
    }
    close(u->fd);
    u->fd = -1;
    describe(&st, out);
    return DEMO_STORE_OK;
}

/* A listing in the making. */
struct walk {
    struct str prefix;
    struct arena *arena;
    struct demo_entry *entries;
    size_t n, cap;
    char key[DEMO_KEY_BYTES + 1];
};

static bool is_utf8(struct str s)
{
    for (size_t i = 0; i < s.n;) {
        uint8_t c = (uint8_t)s.p[i++];
        unsigned more = c < 0x80 ? 0 : c >= 0xf0 && c < 0xf5 ? 3 : c >= 0xe0 ? 2 : 1;
        if ((c >= 0x80 && c < 0xc2) || c > 0xf4 || more > s.n - i)
            return false;
        for (; more > 0; more--)
            if (((uint8_t)s.p[i++] & 0xc0) != 0x80)
                return false;
    }
    return true;
}

static bool add_entry(struct walk *w, size_t n_key, const struct stat *st)
{
    struct str key = str_of(w->key, n_key);
    if (!str_starts(key, w->prefix) || !is_utf8(key))
        return true;
    if (w->n == DEMO_MAX_ENTRIES)
        return false;
    if (w->n == w->cap) {
        size_t cap = w->cap == 0 ? 256 : 2 * w->cap;
        struct demo_entry *larger = realloc(w->entries, cap * sizeof *larger);
        if (larger == NULL)
            return false;
        w->entries = larger;
        w->cap = cap;
    }
    struct demo_entry *e = &w->entries[w->n];
    e->key = arena_copy(w->arena, key);
    describe(st, &e->object);
    w->n += e->key.p != NULL;
    return e->key.p != NULL;
}

/* May keys below this folder (key[0, n), ending in "/") start with the prefix? */
static bool leads_on(const struct walk *w, size_t n)
{
    size_t common = n < w->prefix.n ? n : w->prefix.n;
    return common == 0 || memcmp(w->key, w->prefix.p, common) == 0;
}

static bool walk(struct walk *w, int parent, const char *folder, size_t n_key, unsigned depth);

/* One file or folder: its key is w->key[0, n). */
static bool visit(struct walk *w, int dir, const char *name, size_t n, unsigned depth)
{
    struct stat st;
    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return true; /* gone meanwhile */
    if (S_ISREG(st.st_mode))
        return add_entry(w, n, &st);
    if (!S_ISDIR(st.st_mode) || depth == DEMO_MAX_DEPTH || n + 1 > DEMO_KEY_BYTES)
        return true;
    w->key[n++] = '/';
    return !leads_on(w, n) || walk(w, dir, name, n, depth + 1);
}

static bool walk(struct walk *w, int parent, const char *folder, size_t n_key, unsigned depth)
{
    char name[PART_BYTES];
    bool goes_on = true;
    int fd = openat(parent, folder, FOLDER);
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    if (d == NULL) {
        if (fd >= 0)
            close(fd);
        return fd < 0; /* a folder that may not be read has no objects */
    }
    for (const struct dirent *e; goes_on && (e = readdir(d)) != NULL;) {
        struct str part = str_from_c(e->d_name);
        if (!part_name(part, name) || n_key + part.n > DEMO_KEY_BYTES)
            continue;
        memcpy(w->key + n_key, part.p, part.n);
        goes_on = visit(w, fd, name, n_key + part.n, depth);
    }
    closedir(d);
    return goes_on;
}

static int by_key(const void *a, const void *b)
{
    struct str x = ((const struct demo_entry *)a)->key, y = ((const struct demo_entry *)b)->key;
    int c = memcmp(x.p, y.p, x.n < y.n ? x.n : y.n);
    return c != 0 ? c : x.n < y.n ? -1 : x.n > y.n;
}

enum demo_store_result demo_store_list(const struct demo_store *s, struct str prefix,
                                       struct arena *arena, struct demo_entry **out, size_t *n)
{
    struct walk w = { .prefix = prefix, .arena = arena };
    bool is_whole = walk(&w, s->dir, ".", 0, 0);
    *n = is_whole ? w.n : 0;
    *out = *n > 0 ? arena_alloc(arena, w.n * sizeof *w.entries) : NULL;
    if (*out != NULL) {
        qsort(w.entries, w.n, sizeof *w.entries, by_key);
        memcpy(*out, w.entries, w.n * sizeof *w.entries);
    }
    free(w.entries);
    errno = is_whole ? 0 : E2BIG;
    return is_whole && (w.n == 0 || *out != NULL) ? DEMO_STORE_OK : DEMO_STORE_FAILED;
}
