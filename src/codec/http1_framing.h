#pragma once
/* What the fields of a parsed head mean for the connection and the body. Used by http1_parse.c
 * only. */
#include "codec/http1.h"

/* Each fills framing, content_length, has_content_length, keep_alive, expects_continue and is_hop
 * of a head whose lines are parsed; false with *f set when the head must be refused. */
bool http1_frame_request(struct http_head *head, struct fault *f);
bool http1_frame_response(struct http_head *head, enum http_method method, struct fault *f);
