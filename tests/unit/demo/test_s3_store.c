#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "demo/s3_store.h"
#include "folder.h"

struct rig {
    char outside[64], path[64 + 16];
    struct demo_store store;
};

/* A secret stands beside the folder that is served. */
static int setup(void **state)
{
    struct rig *r = calloc(1, sizeof *r);
    if (r == NULL)
        return -1;
    struct fault f = { 0 };
    folder_make(r->outside);
    snprintf(r->path, sizeof r->path, "%s/served", r->outside);
    folder_put(r->outside, "secret.txt", "secret");
    assert_int_equal(mkdir(r->path, 0777), 0);
    folder_put(r->path, "a/b/deep.txt", "deep");
    folder_put(r->path, "top.txt", "top");
    assert_true(demo_store_open(&r->store, r->path, &f));
    *state = r;
    return 0;
}

static int teardown(void **state)
{
    struct rig *r = *state;
    demo_store_close(&r->store);
    folder_remove(r->outside);
    free(r);
    return 0;
}

static void link_to(const struct rig *r, const char *target, const char *name)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", r->path, name);
    assert_int_equal(symlink(target, path), 0);
}

static enum demo_store_result put(struct rig *r, struct str key, struct str data)
{
    struct demo_upload u;
    struct demo_object o;
    assert_int_equal(demo_upload_begin(&r->store, &u), DEMO_STORE_OK);
    assert_true(demo_upload_write(&u, data));
    enum demo_store_result result = demo_upload_commit(&r->store, &u, key, &o);
    assert_int_equal(u.fd, -1);
    return result;
}

static void nothing_outside_is_reached(void **state)
{
    static const struct str keys[] = {
        STR_INIT("../secret.txt"),
        STR_INIT("a/../../secret.txt"),
        STR_INIT("a/b/../../../secret.txt"),
        STR_INIT("./top.txt"),
        STR_INIT("a/./b/deep.txt"),
        STR_INIT("a//b/deep.txt"),
        STR_INIT("/top.txt"),
        STR_INIT("/etc/passwd"),
        STR_INIT("top.txt/"),
        STR_INIT("top.txt/x"),
        STR_INIT("a"),
        STR_INIT("a/b"),
        STR_INIT(".."),
        STR_INIT("."),
        STR_INIT(""),
        STR_INIT("/"),
        STR_INIT("top.txt\0.png"),
        STR_INIT("link.txt"),
        STR_INIT("folder/secret.txt"),
        STR_INIT("folder"),
        STR_INIT("fifo"),
    };
    struct rig *r = *state;
    struct demo_object o;
    char fifo[256];
    link_to(r, "../secret.txt", "link.txt");
    link_to(r, "..", "folder");
    snprintf(fifo, sizeof fifo, "%s/fifo", r->path);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        int fd = -1;
        if (demo_store_get(&r->store, keys[i], &fd, &o) != DEMO_STORE_NO_KEY || fd != -1)
            fail_msg("GET %.*s", STR_ARG(keys[i]));
    }
    static const struct str unwritable[] = {
        STR_INIT("../new.txt"),
        STR_INIT("a/../new.txt"),
        STR_INIT("folder/new.txt"),
        STR_INIT("a//new.txt"),
        STR_INIT("/new.txt"),
        STR_INIT("a/b"),
        STR_INIT("new/"),
        STR_INIT(""),
        STR_INIT("top.txt/new.txt"),
    };
    for (size_t i = 0; i < sizeof unwritable / sizeof *unwritable; i++)
        if (put(r, unwritable[i], STR("x")) != DEMO_STORE_BAD_KEY)
            fail_msg("PUT %.*s", STR_ARG(unwritable[i]));
    assert_int_equal(demo_store_delete(&r->store, STR("../secret.txt")), DEMO_STORE_OK);
    assert_int_equal(demo_store_delete(&r->store, STR("folder/secret.txt")), DEMO_STORE_OK);
    char path[128];
    snprintf(path, sizeof path, "%s/secret.txt", r->outside);
    assert_int_equal(access(path, R_OK), 0);
    snprintf(path, sizeof path, "%s/new.txt", r->outside);
    assert_int_not_equal(access(path, F_OK), 0);
}

/* A PUT onto a symbolic link replaces the link, and not what it leads to. */
static void a_link_is_replaced(void **state)
{
    struct rig *r = *state;
    struct demo_object o;
    char text[16] = "", path[128];
    link_to(r, "../secret.txt", "link.txt");
    assert_int_equal(put(r, STR("link.txt"), STR("new")), DEMO_STORE_OK);
    assert_int_equal(demo_store_get(&r->store, STR("link.txt"), NULL, &o), DEMO_STORE_OK);
    snprintf(path, sizeof path, "%s/secret.txt", r->outside);
    FILE *f = fopen(path, "r");
    assert_non_null(fgets(text, sizeof text, f));
    fclose(f);
    assert_string_equal(text, "secret");
}

static void written_and_read(void **state)
{
    struct rig *r = *state;
    struct demo_object before, after;
    int fd;
    char data[8] = "";
    static const struct str key = STR_INIT("new/folders/a b+c%d.txt");
    assert_int_equal(put(r, key, STR("first")), DEMO_STORE_OK);
    assert_int_equal(demo_store_get(&r->store, key, NULL, &before), DEMO_STORE_OK);
    assert_int_equal(before.size, 5);
    assert_int_equal(before.etag[0], '"');
    assert_int_equal(put(r, key, STR("other")), DEMO_STORE_OK);
    assert_int_equal(demo_store_get(&r->store, key, &fd, &after), DEMO_STORE_OK);
    assert_string_not_equal(before.etag, after.etag);
    assert_int_equal(read(fd, data, sizeof data), 5);
    assert_memory_equal(data, "other", 5);
    close(fd);
    assert_int_equal(demo_store_delete(&r->store, key), DEMO_STORE_OK);
    assert_int_equal(demo_store_delete(&r->store, key), DEMO_STORE_OK);
    assert_int_equal(demo_store_get(&r->store, key, NULL, &after), DEMO_STORE_NO_KEY);
}

static void uploads_are_invisible(void **state)
{
    struct rig *r = *state;
    struct demo_upload u;
    struct demo_object o;
    struct demo_entry *entries;
    struct arena arena;
    size_t n;
    assert_int_equal(demo_upload_begin(&r->store, &u), DEMO_STORE_OK);
    assert_true(demo_upload_write(&u, STR("half")));
    assert_int_equal(demo_store_get(&r->store, str_from_c(u.name), NULL, &o), DEMO_STORE_NO_KEY);
    arena_init(&arena, 1 << 20);
    assert_int_equal(demo_store_list(&r->store, STR(""), &arena, &entries, &n), DEMO_STORE_OK);
    assert_int_equal(n, 2);
    demo_upload_abandon(&r->store, &u);
    demo_upload_abandon(&r->store, &u);
    arena_done(&arena);
    char path[256];
    snprintf(path, sizeof path, "%s/%s", r->path, u.name);
    assert_int_not_equal(access(path, F_OK), 0);
}

static void listed_in_order(void **state)
{
    struct rig *r = *state;
    static const struct {
        const char *prefix, *keys;
    } rows[] = {
        { "", "a.txt a/b/deep.txt a0 top.txt " },
        { "a/", "a/b/deep.txt " },
        { "a", "a.txt a/b/deep.txt a0 " },
        { "a/b/d", "a/b/deep.txt " },
        { "a/b/x", "" },
        { "t", "top.txt " },
        { "../", "" },
    };
    folder_put(r->path, "a.txt", "1");
    folder_put(r->path, "a0", "1");
    link_to(r, "..", "folder");
    folder_put(r->path, "\xff\xfe", "no UTF-8");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct arena arena;
        struct demo_entry *entries;
        char keys[256] = "";
        size_t n;
        arena_init(&arena, 1 << 20);
        assert_int_equal(
            demo_store_list(&r->store, str_from_c(rows[i].prefix), &arena, &entries, &n),
            DEMO_STORE_OK);
        for (size_t k = 0; k < n; k++) {
            strncat(keys, entries[k].key.p, entries[k].key.n);
            strcat(keys, " ");
        }
        assert_string_equal(keys, rows[i].keys);
        arena_done(&arena);
    }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nothing_outside_is_reached), TEST(a_link_is_replaced), TEST(written_and_read),
        TEST(uploads_are_invisible),      TEST(listed_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
