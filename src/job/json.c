/* json.c: documents whose members keep their bytes.
 *
 * json_scan() has proven the text and said where its members lie; the document
 * is a copy of it in which the byte behind each name and each value (a blank,
 * a colon, a comma, the last brace) became a NUL.  So reading costs three
 * allocations, and what nobody sets is printed as it came.
 */
#include "job/json.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/escape.h"
#include "base/text.h"
#include "job/json_scan.h"

#define PRINTED_MORE 600 /* bytes: what a first run adds */
#define ROOM_TO_GROW 16 /* members: what acceptance and a run add */

struct member {
    char *name;     /* decoded */
    char *spelled;  /* as written, with its quotes */
    char *raw;      /* the value as written */
    char *own_name; /* NULL while name and spelled lie in the document's text */
    char *own_raw;  /* the same of raw */
};

struct json_doc {
    char *text;
    char *names; /* the decoded ones */
    size_t size; /* of each of the two blocks */
    struct member *members;
    size_t count, cap;
    bool failed; /* a setter ran out of memory: the document is not whole */
};

struct json_doc *json_new(void)
{
    return calloc(1, sizeof(struct json_doc));
}

static void *copy_of(const void *bytes, size_t n)
{
    void *copy = malloc(n);
    if (copy != NULL && n > 0)
        memcpy(copy, bytes, n);
    return copy;
}

/* Where a pointer into one block points to in the copy of that block. */
static char *moved(char *at, const char *block, char *copy)
{
    return copy + (at - block);
}

static bool copy_member(struct member *m, const struct json_doc *from, const struct json_doc *to)
{
    if (m->own_name != NULL) {
        size_t spelled = (size_t)(m->spelled - m->own_name);
        m->own_name = m->name = copy_of(m->own_name, spelled + strlen(m->spelled) + 1);
        m->spelled = m->own_name != NULL ? m->own_name + spelled : NULL;
    } else {
        m->name = moved(m->name, from->names, to->names);
        m->spelled = moved(m->spelled, from->text, to->text);
    }
    if (m->own_raw != NULL)
        m->own_raw = m->raw = strdup(m->own_raw);
    else
        m->raw = moved(m->raw, from->text, to->text);
    return m->name != NULL && m->raw != NULL;
}

struct json_doc *json_copy(const struct json_doc *doc)
{
    struct json_doc *copy = doc->failed ? NULL : json_new();
    if (copy == NULL)
        return NULL;
    *copy = (struct json_doc){.size = doc->size, .cap = doc->count + ROOM_TO_GROW};
    copy->text = copy_of(doc->text, doc->size);
    copy->names = copy_of(doc->names, doc->size);
    copy->members = calloc(copy->cap, sizeof *copy->members);
    bool whole = copy->members != NULL && (doc->size == 0 || (copy->text != NULL && copy->names != NULL));
    for (size_t i = 0; i < doc->count && whole; i++) {
        copy->members[copy->count] = doc->members[i];
        whole = copy_member(&copy->members[copy->count++], doc, copy);
    }
    if (whole)
        return copy;
    json_free(copy);
    return NULL;
}

void json_free(struct json_doc *doc)
{
    if (doc == NULL)
        return;
    for (size_t i = 0; i < doc->count; i++) {
        free(doc->members[i].own_name);
        free(doc->members[i].own_raw);
    }
    free(doc->members);
    free(doc->names);
    free(doc->text);
    free(doc);
}

/* Cut the text into members.  A name decoded is shorter than the name spelled
 * by its two quotes at least, so `names` with the text's size holds them all. */
static void place_members(struct json_doc *doc, const struct json_spot *spots, size_t count)
{
    char *name = doc->names;
    for (size_t i = 0; i < count; i++) {
        struct member *m = &doc->members[i];
        m->spelled = doc->text + spots[i].name;
        m->raw = doc->text + spots[i].value;
        m->name = name;
        name += json_decode(m->spelled, spots[i].name_end - spots[i].name, name);
        *name++ = '\0';
        doc->text[spots[i].name_end] = '\0';
        doc->text[spots[i].value_end] = '\0';
    }
    doc->count = count;
}

static struct json_doc *build(const char *text, size_t n, const struct json_spot *spots,
                              size_t count)
{
    struct json_doc *doc = json_new();
    if (doc == NULL)
        return NULL;
    doc->size = n + 1;
    doc->text = malloc(doc->size);
    doc->names = malloc(doc->size);
    doc->cap = count + ROOM_TO_GROW;
    doc->members = calloc(doc->cap, sizeof *doc->members);
    if (doc->text == NULL || doc->names == NULL || doc->members == NULL) {
        json_free(doc);
        return NULL;
    }
    memcpy(doc->text, text, n);
    doc->text[n] = '\0';
    place_members(doc, spots, count);
    return doc;
}

struct json_doc *json_parse(const char *text, size_t n, bool *incomplete, struct err *err)
{
    struct json_spot *spots = NULL;
    size_t count = 0;
    bool early = false;
    int rc = json_scan(text, n, &spots, &count, &early, err);
    if (incomplete != NULL)
        *incomplete = early;
    if (rc != 0)
        return NULL;
    struct json_doc *doc = build(text, n, spots, count);
    free(spots);
    if (doc == NULL)
        err_no_memory(err);
    return doc;
}

size_t json_count(const struct json_doc *doc)
{
    return doc->count;
}

const char *json_name(const struct json_doc *doc, size_t i)
{
    return doc->members[i].name;
}

const char *json_raw_at(const struct json_doc *doc, size_t i)
{
    return doc->members[i].raw;
}

static struct member *find(const struct json_doc *doc, const char *name)
{
    for (size_t i = 0; i < doc->count; i++)
        if (doc->members[i].name[0] == name[0] && strcmp(doc->members[i].name, name) == 0)
            return &doc->members[i];
    return NULL;
}

bool json_has(const struct json_doc *doc, const char *name)
{
    return find(doc, name) != NULL;
}

const char *json_raw(const struct json_doc *doc, const char *name)
{
    const struct member *m = find(doc, name);
    return m == NULL ? NULL : m->raw;
}

/* Most versions of cJSON read 63 characters of a number and stumble over the
 * rest: then errno is EINVAL, so that nobody takes it for a lack of memory. */
cJSON *json_value(const struct json_doc *doc, const char *name)
{
    const char *raw = json_raw(doc, name);
    if (raw == NULL) {
        errno = ENOENT;
        return NULL;
    }
    errno = 0;
    cJSON *value = cJSON_ParseWithOpts(raw, NULL, 1);
    if (value == NULL && errno != ENOMEM)
        errno = EINVAL;
    return value;
}

/* A member at the end, its value still to be set; NULL: no memory. */
static struct member *append(struct json_doc *doc, const char *name)
{
    if (doc->count == doc->cap) {
        size_t cap = doc->cap == 0 ? 16 : doc->cap * 2;
        struct member *bigger = realloc(doc->members, cap * sizeof *bigger);
        if (bigger == NULL)
            return NULL;
        doc->members = bigger;
        doc->cap = cap;
    }
    size_t n = strlen(name) + 1;
    struct buf both = BUF_INIT; /* the name, its NUL, the name as JSON */
    buf_add(&both, name, n);
    json_add_string(&both, name, n - 1);
    char *block = buf_detach(&both);
    if (block == NULL)
        return NULL;
    struct member *m = &doc->members[doc->count++];
    *m = (struct member){.name = block, .spelled = block + n, .own_name = block};
    return m;
}

/* `raw` becomes the document's; NULL: there was no memory for it. */
static void set_own(struct json_doc *doc, const char *name, char *raw)
{
    struct member *m = raw == NULL ? NULL : find(doc, name);
    if (raw != NULL && m == NULL)
        m = append(doc, name);
    if (m == NULL) {
        free(raw);
        doc->failed = true;
        return;
    }
    free(m->own_raw);
    m->own_raw = m->raw = raw;
}

void json_set_raw(struct json_doc *doc, const char *name, const char *raw)
{
    set_own(doc, name, raw == NULL ? NULL : strdup(raw));
}

void json_set_text(struct json_doc *doc, const char *name, struct buf *raw)
{
    set_own(doc, name, buf_detach(raw));
}

void json_set_string(struct json_doc *doc, const char *name, const char *text)
{
    struct buf b = BUF_INIT;
    json_add_string(&b, text, strlen(text));
    json_set_raw(doc, name, b.failed ? NULL : b.data); /* a copy is shorter than its buffer */
    buf_release(&b);
}

void json_set_int(struct json_doc *doc, const char *name, int64_t value)
{
    char digits[24];
    struct text t = text_in(digits, sizeof digits);
    text_add_int(&t, value);
    json_set_raw(doc, name, digits);
}

void json_remove(struct json_doc *doc, const char *name)
{
    struct member *m = find(doc, name);
    if (m == NULL)
        return;
    free(m->own_name);
    free(m->own_raw);
    doc->count--;
    memmove(m, m + 1, (size_t)(doc->members + doc->count - m) * sizeof *m);
}

bool json_failed(const struct json_doc *doc)
{
    return doc->failed;
}

int json_print(const struct json_doc *doc, struct buf *out)
{
    buf_room(out, doc->size + PRINTED_MORE); /* most often all of it */
    buf_adds(out, "{\n");
    for (size_t i = 0; i < doc->count; i++) {
        buf_adds(out, "  ");
        buf_adds(out, doc->members[i].spelled);
        buf_adds(out, ": ");
        buf_adds(out, doc->members[i].raw);
        buf_adds(out, i + 1 < doc->count ? ",\n" : "\n");
    }
    buf_adds(out, "}\n");
    if (doc->failed || out->failed) {
        errno = ENOMEM;
        return -1;
    }
    return 0;
}

/* What a terminal obeys or hides is never raw: documents are shown with cat. */
static void add_character(struct buf *out, const char *at, size_t len, long c)
{
    static const char plain[] = "\"\\\b\f\n\r\t", letter[] = "\"\\bfnrt";
    const char *p = c > 0 && c < 0x80 ? strchr(plain, (int)c) : NULL;
    if (c < 0)
        buf_adds(out, "\xEF\xBF\xBD");
    else if (p != NULL)
        buf_addf(out, "\\%c", letter[p - plain]);
    else if (escape_is_hidden(c))
        buf_addf(out, "\\u%04lx", c);
    else
        buf_add(out, at, len);
}

/* Bytes of printable ASCII that stand for themselves, from here on. */
static size_t plain_length(const char *text, size_t n)
{
    size_t len = 0;
    while (len < n && text[len] >= ' ' && text[len] < 0x7f && text[len] != '"' &&
           text[len] != '\\')
        len++;
    return len;
}

void json_add_string(struct buf *out, const char *text, size_t n)
{
    buf_addc(out, '"');
    for (size_t at = 0, len; at < n; at += len) {
        len = plain_length(text + at, n - at);
        if (len > 0) {
            buf_add(out, text + at, len);
            continue;
        }
        long c = utf8_next(text + at, n - at, &len);
        add_character(out, text + at, len, c);
    }
    buf_addc(out, '"');
}
