#pragma once
/*
 * An archive that is made while it is sent: the registry's list of files is read, and the ZIP of
 * them goes to the client, their data fetched from S3, the coming ones ahead of their turn
 * (docs/PROXY.md, "Archives"). Nothing that is not what the list says is ever ended cleanly. Owned
 * by its transaction, which it serves as two of its steps.
 */
#include "proxy/tx_step.h"

enum {
    ZIP_MAX_PARTS = 32,         /* of one archive that are fetched or held at once */
    ZIP_TURN_BYTES = 64 * 1024, /* of the list that are read before others get their turn */
};

struct zip_download;

/* Does this response of the registry hold a list of files, rather than something to be passed on?
 */
bool zip_download_is_list(const struct http_head *response);
/* Takes over from HEAD: the response head is in tx->x. */
enum tx_result zip_download_begin(struct tx *tx);
enum tx_result step_list(struct tx *tx);
enum tx_result step_archive(struct tx *tx);
void zip_download_free(struct zip_download *d);

/* For the access line. */
struct zip_counts {
    uint64_t n_entries;
    uint64_t n_parts; /* that were asked for */
    uint64_t n_tries; /* beyond the first one each */
};
struct zip_counts zip_download_count(const struct zip_download *d);
