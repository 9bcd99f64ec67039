#pragma once
/*
 * The registry's list of an archive's files (docs/PROXY.md, "The list of files"): lines of
 *     CRC32-in-hex or "-"  size  location  name
 * with spaces between, each ended by CR LF, LF or CR. Pure; entries borrow from the text. Whether
 * a location's host is allowed is not judged here.
 */
#include "base/str.h"

enum {
    ZIP_LOCATION_BYTES = 16 * 1024,
    /* Of a line without its end. A longer one is bad, and so it is before its end has come: who
     * asks again with every block that arrives does not search a long text again and again. */
    ZIP_LINE_BYTES = 256 * 1024,
    /* Of blank lines in a row. They are passed over whenever the entry behind them is read, which
     * is once for every range of an archive. */
    ZIP_BLANK_BYTES = 16 * 1024,
};

struct zip_entry {
    struct str name;     /* checked: not empty, UTF-8, relative, no "..", no backslash, no control
                            character, at most ZIP_NAME_BYTES with the slash of a directory */
    struct str location; /* raw, "/HOST/KEY?QUERY"; empty for a directory */
    uint64_t size;       /* 0 for a directory; at most INT64_MAX */
    uint32_t crc;
    bool has_crc; /* true for what has no bytes */
    bool is_directory;
};

enum zip_manifest_step {
    ZIP_MANIFEST_ENTRY, /* *e; *at is behind its line */
    ZIP_MANIFEST_MORE,  /* no whole line is left: *at is text.n, or the start of one without an end
                         */
    ZIP_MANIFEST_BAD,   /* *why: static text, what is wrong with the line at *at */
};

/*
 * The next entry at or behind *at, which is 0 at first, or behind an entry. Blank lines (nothing,
 * or spaces) are skipped. When the text ends and *at is not at its end, the last line was not
 * ended: the list was cut.
 */
enum zip_manifest_step zip_manifest_next(struct str text, size_t *at, struct zip_entry *e,
                                         const char **why);
