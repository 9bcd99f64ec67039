#pragma once
/*
 * Objects of one bucket as files of a directory: key "a/b.txt" is file b.txt in folder a. Nothing
 * outside the directory can be reached: a key's parts are walked one by one, ".", ".." and empty
 * parts are no names of files, and symbolic links are never followed. Calls block on the disk.
 */
#include "base/arena.h"
#include "base/fault.h"

enum {
    DEMO_KEY_BYTES = 1024,
    DEMO_ETAG_BYTES = 40,
    DEMO_MAX_ENTRIES = 100000, /* of a listing */
    DEMO_MAX_DEPTH = 64,
};

struct demo_store {
    int dir;
    unsigned n_uploads; /* ever begun, for names of files in the making */
};

enum demo_store_result {
    DEMO_STORE_OK,
    DEMO_STORE_NO_KEY,  /* no such object, or a key that no file can have */
    DEMO_STORE_BAD_KEY, /* cannot be written: a part is missing, "." or "..", or a file is a folder
                         */
    DEMO_STORE_FAILED,  /* the disk; errno says what */
};

struct demo_object {
    uint64_t size;
    int64_t mtime_s;            /* Unix time */
    char etag[DEMO_ETAG_BYTES]; /* strong, quoted: changes with every write of the file */
};

/* An object in the making: a file of its own, which takes the key's place when it is whole. */
struct demo_upload {
    int fd;
    char name[40];
    uint64_t n;
};

/* False with a fault CONFIG when path is no directory that can be read. */
bool demo_store_open(struct demo_store *s, const char *path, struct fault *f);
void demo_store_close(struct demo_store *s);

/* *fd is the caller's, open for reading; fd NULL: the facts alone. */
enum demo_store_result demo_store_get(const struct demo_store *s, struct str key, int *fd,
                                      struct demo_object *out);
/* Deleting what is not there is OK, as in S3. */
enum demo_store_result demo_store_delete(const struct demo_store *s, struct str key);

enum demo_store_result demo_upload_begin(struct demo_store *s, struct demo_upload *u);
bool demo_upload_write(struct demo_upload *u, struct str data);
/* Puts it in the place of key, with the folders that it needs; ends the upload either way. */
enum demo_store_result demo_upload_commit(const struct demo_store *s, struct demo_upload *u,
                                          struct str key, struct demo_object *out);
/* Harmless on an upload that ended. */
void demo_upload_abandon(const struct demo_store *s, struct demo_upload *u);

struct demo_entry {
    struct str key;
    struct demo_object object;
};
/*
 * All objects whose key starts with prefix, sorted by the bytes of their keys. The entries live in
 * the arena; FAILED when there are more than DEMO_MAX_ENTRIES or the arena is full. Names that are
 * no UTF-8 are left out.
 */
enum demo_store_result demo_store_list(const struct demo_store *s, struct str prefix,
                                       struct arena *arena, struct demo_entry **out, size_t *n);
