#pragma once
/*
 * The AWS shared files' format ("Configuration and credential file settings" of the AWS SDKs):
 * sections, key = value, comments, indented lines that belong to the key above (and are passed
 * over here). All is borrowed from the text.
 */
#include "base/str.h"

enum ini_file {
    INI_CREDENTIALS, /* [name] */
    INI_CONFIG,      /* [profile name], [default] */
};

/* Is there a section for that profile? */
bool ini_has_profile(struct str text, enum ini_file kind, struct str profile);

/* The value that a profile has for a key (in lower case; letter case in the file does not matter).
 * The last one counts, also over several sections of one name. False: there is none; an empty value
 * is one. */
bool ini_get(struct str text, enum ini_file kind, struct str profile, struct str key,
             struct str *value);
