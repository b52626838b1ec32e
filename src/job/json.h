/* json.h: strict JSON on top of cJSON, and documents whose unknown members
 * keep their bytes.
 *
 * cJSON alone takes names without regard to case, stops at NUL, ignores what
 * follows, keeps duplicate keys and reads numbers as doubles.  So a document is
 * first checked here byte by byte (RFC 8259: UTF-8, no BOM, no duplicate names
 * in any object, nothing behind the value, bounded nesting), which also finds
 * where each top-level member lies.  A member keeps the bytes of its name and
 * value as they were written; only the value of a member we know is given to
 * cJSON.
 */
#ifndef JOB_JSON_H
#define JOB_JSON_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

#define JSON_NESTING_MAX 64
#define JSON_DOCUMENT_MAX (1024 * 1024) /* bytes of what is taken in */
/* What we print of such a document, results included, stays under this: a
 * reader of our own files must allow it.  (At most 4 bytes a member are added,
 * and names differ, so members are longer than 8 in the mean.) */
#define JSON_STORED_MAX (2 * JSON_DOCUMENT_MAX)

struct json_doc; /* an object: its members in order */

/* Read one object.  Errors name the byte and what is wrong:
 * "invalid JSON at byte 57: expected ',' or '}'", `duplicate member "id"`.
 * *incomplete (may be NULL) is set when the text is a true prefix of a possible
 * document (it ended too early), so that a reader of a file still being written
 * knows to wait. The text is copied. */
struct json_doc *json_parse(const char *text, size_t n, bool *incomplete, struct err *err);
struct json_doc *json_new(void); /* {} ; NULL: no memory */
struct json_doc *json_copy(const struct json_doc *doc); /* NULL: no memory */
void json_free(struct json_doc *doc);

size_t json_count(const struct json_doc *doc);
/* Decoded name of member i (escapes resolved), and its value's bytes as below.
 * Who walks all members asks by number: a name is searched for. */
const char *json_name(const struct json_doc *doc, size_t i);
const char *json_raw_at(const struct json_doc *doc, size_t i);

bool json_has(const struct json_doc *doc, const char *name);
/* The value's bytes as written, NUL-terminated; NULL if absent. Valid until the
 * member is set or removed. */
const char *json_raw(const struct json_doc *doc, const char *name);
/* The value through cJSON; NULL and errno: ENOENT absent, ENOMEM, EINVAL beyond
 * cJSON (a number of over 63 characters). The caller deletes it. */
cJSON *json_value(const struct json_doc *doc, const char *name);

/* Put a value: in place where the member is there, at the end where not.  raw
 * must be valid.  Allocation failure is remembered (raw NULL counts as one, of
 * the caller); see json_print. */
void json_set_raw(struct json_doc *doc, const char *name, const char *raw);
/* The same; raw's memory becomes the document's, and raw BUF_INIT. */
void json_set_text(struct json_doc *doc, const char *name, struct buf *raw);
void json_set_string(struct json_doc *doc, const char *name, const char *text);
void json_set_int(struct json_doc *doc, const char *name, int64_t value);
void json_remove(struct json_doc *doc, const char *name);

/* Did a setter run out of memory? */
bool json_failed(const struct json_doc *doc);

/* One member a line, two blanks before it, name and value bytes as they were;
 * a newline at the end.  -1 if an allocation failed now or in a setter (ENOMEM). */
int json_print(const struct json_doc *doc, struct buf *out);

/* Append text as a JSON string, quotes included; malformed UTF-8 becomes
 * U+FFFD, and what a terminal obeys or hides (base/escape.h) is spelled \uXXXX. */
void json_add_string(struct buf *out, const char *text, size_t n);

#endif
