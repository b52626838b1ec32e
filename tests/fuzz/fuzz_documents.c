/* fuzz_documents.c: documents as text (src/job/json.h).
 *
 * Input: a document, or what is none.  Asserted:
 *   - what is one, what is none, and what may still become one, is what a second
 *     reader says (json_oracle.c), and every prefix of one may become one
 *   - print(parse(x)) holds the bytes of each name and value, in their order, and
 *     nothing else; parse(print(x)) == x
 *   - names are decoded as cJSON does it; a value set comes out again, beside the others
 *   - text made a string comes back, and holds nothing that a terminal obeys
 * What is done with documents that are jobs: fuzz_jobs.c.
 */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "base/escape.h"
#include "job/json.h"
#include "json_oracle.h"

static const char *const words[] = {"a document", "the beginning of one", "no document", "?"};

static void check_error(const struct err *err)
{
    must(err->kind == ERR_BAD && err->text[0] != '\0' && strchr(err->text, '\n') == NULL,
         "the error \"%s\"", err->text);
}

/* As json_print() should print it. */
static void expect_print(const char *text, const struct oracle_member *m, size_t count,
                         struct buf *out)
{
    buf_adds(out, "{\n");
    for (size_t i = 0; i < count; i++) {
        buf_adds(out, "  ");
        buf_add(out, text + m[i].name, m[i].name_end - m[i].name);
        buf_adds(out, ": ");
        buf_add(out, text + m[i].value, m[i].value_end - m[i].value);
        buf_adds(out, i + 1 < count ? ",\n" : "\n");
    }
    buf_adds(out, "}\n");
}

static void must_print(const struct json_doc *doc, const struct buf *want)
{
    struct buf got = BUF_INIT;
    must(json_print(doc, &got) == 0, "no memory");
    must(got.len == want->len && memcmp(got.data, want->data, got.len) == 0,
         "printed %s\ninstead of %s", got.data, want->data);
    buf_release(&got);
}

static void check_print(const char *text, size_t n, const struct json_doc *doc,
                        const struct oracle_member *m, size_t count)
{
    struct buf want = BUF_INIT;
    expect_print(text, m, count, &want);
    must_print(doc, &want);
    must(want.len <= n + 4 * count + 2, "printing adds more than json.h says");
    struct json_doc *again = json_parse(want.data, want.len, NULL, NULL);
    must(again != NULL, "what is printed is refused: %s", want.data);
    must_print(again, &want);
    json_free(again);
    buf_release(&want);
}

static void check_names(const char *text, const struct json_doc *doc,
                        const struct oracle_member *m, size_t count)
{
    must(json_count(doc) == count, "%zu members, not %zu", json_count(doc), count);
    for (size_t i = 0; i < count; i++) {
        char *spelled = fuzz_string(text + m[i].name, m[i].name_end - m[i].name);
        cJSON *name = cJSON_Parse(spelled);
        must(cJSON_IsString(name) && strcmp(name->valuestring, json_name(doc, i)) == 0,
             "%s is decoded as %s", spelled, json_name(doc, i));
        must(strcmp(json_raw(doc, json_name(doc, i)), json_raw_at(doc, i)) == 0,
             "%s is found elsewhere", spelled);
        cJSON_Delete(name);
        free(spelled);
    }
}

static void check_prefix(const char *text, size_t n)
{
    size_t end = n;
    bool incomplete;
    while (text[end - 1] != '}')
        end--;
    char *begun = fuzz_string(text, (size_t)fuzz_pick(0, (int64_t)end - 1));
    struct json_doc *doc = json_parse(begun, strlen(begun), &incomplete, NULL);
    must(doc == NULL && incomplete, "the beginning of a document is %s: %s",
         doc != NULL ? "taken for one" : "given up", begun);
    free(begun);
}

/* Set a member of this name to this value: it is there, and the others as before. */
static void check_set(struct json_doc *doc, const char *name, const char *raw)
{
    size_t had = json_has(doc, name), count = json_count(doc);
    struct buf before = BUF_INIT, after = BUF_INIT;
    json_print(doc, &before);
    json_set_raw(doc, name, raw);
    must(json_count(doc) == count + !had && strcmp(json_raw(doc, name), raw) == 0, "%s: %s", name,
         raw);
    json_print(doc, &after);
    struct json_doc *again = json_parse(after.data, after.len, NULL, NULL);
    must(again != NULL && strcmp(json_raw(again, name), raw) == 0, "%s does not come back: %s",
         name, after.data);
    json_remove(doc, name);
    must(!json_has(doc, name) && json_count(doc) == count - had, "%s is not removed", name);
    if (!had)
        must_print(doc, &before);
    json_free(again);
    buf_release(&before);
    buf_release(&after);
}

static void check_document(const char *text, size_t n)
{
    struct oracle_member members[ORACLE_MEMBERS_MAX];
    size_t count;
    struct err err = ERR_INIT;
    bool incomplete;
    enum verdict verdict = json_oracle(text, n, members, &count);
    struct json_doc *doc = json_parse(text, n, &incomplete, &err);
    enum verdict is = doc != NULL ? VALID : incomplete ? CUT : WRONG;
    must(verdict == is || verdict == UNSURE, "is %s, and is taken for %s (%s)", words[verdict],
         words[is], err.text);
    if (doc == NULL)
        check_error(&err);
    else if (verdict == VALID) {
        check_print(text, n, doc, members, count);
        check_names(text, doc, members, count);
        check_prefix(text, n);
        if (count > 1)
            check_set(doc, json_name(doc, count / 2), json_raw_at(doc, 0));
        check_set(doc, "not there \x1b\"\xc3\xa9", "[1]");
    }
    json_free(doc);
}

static void check_string(const char *text, size_t n)
{
    struct buf b = BUF_INIT;
    size_t len;
    json_add_string(&b, text, n);
    for (size_t at = 0; at < b.len; at += len)
        must(!escape_is_hidden(utf8_next(b.data + at, b.len - at, &len)), "shows raw: %s", b.data);
    cJSON *back = cJSON_Parse(b.data);
    bool whole = utf8_valid(text, n, NULL) && memchr(text, '\0', n) == NULL;
    must(cJSON_IsString(back), "no string: %s", b.data);
    must(!whole || (strlen(back->valuestring) == n && memcmp(back->valuestring, text, n) == 0),
         "does not come back: %s", b.data);
    cJSON_Delete(back);
    buf_release(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_string(data, size);
    fuzz_seed(data, size);
    check_document(text, size);
    check_string(text, size);
    free(text);
    return 0;
}
