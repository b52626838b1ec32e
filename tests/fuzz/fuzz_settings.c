/* fuzz_settings.c: queuectl.ini, read and rewritten (src/job/settings.h).
 *
 * Input: a line "set KEY VALUE" or "unset KEY", then the file as it was.  Asserted:
 *   - refused: the file is as it was, and the reason is one line
 *   - done: get(set(x)) == x; every other line of the file is there, byte for byte and
 *     in its order; the comment behind the value too; all other settings say the same
 *   - the same once more changes nothing, nor do another value and back again, twice;
 *     unset leaves the file without the key's lines
 *   - any value in force, printed, is read as the same
 */
#include "fuzz.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "job/settings.h"

/* --- which lines of a file are about a key: once more, by hand --------------------- */

static bool same_key(const char *name, const char *key, size_t n)
{
    if (name == NULL || strlen(name) != n)
        return false;
    for (size_t i = 0; i < n; i++)
        if (name[i] != key[i] && !(name[i] == '-' && key[i] == '_'))
            return false;
    return true;
}

static bool is_about(const char *line, size_t n, const struct setting *def)
{
    size_t from = 0, to = 0, end;
    while (n > 0 && isspace((unsigned char)line[n - 1]))
        n--;
    while (from < n && isspace((unsigned char)line[from]))
        from++;
    if (from == n || strchr(";#[", line[from]) != NULL || memchr(line, '\0', n) != NULL)
        return false;
    for (to = from; to < n && line[to] != '=' && line[to] != ':';)
        to++;
    for (end = from; end < n && end <= to; end++) /* no key: a comment begins before */
        if (line[end] == ';' && end > from && isspace((unsigned char)line[end - 1]))
            return false;
    if (to == n)
        return false;
    for (end = to; end > from && isspace((unsigned char)line[end - 1]);)
        end--;
    return same_key(def->name, line + from, end - from) ||
           same_key(def->alias, line + from, end - from);
}

/* From the comment behind a value, or from the line's end, on. */
static const char *tail_of(const char *line, size_t n)
{
    size_t from = 0, end = n;
    end -= end > 0 && line[end - 1] == '\n';
    end -= end < n && end > 0 && line[end - 1] == '\r';
    while (line[from] != '=' && line[from] != ':')
        from++;
    for (from++; from < end; from++)
        if (line[from] == ';' && (line[from - 1] == ' ' || line[from - 1] == '\t'))
            return line + from;
    return line + end;
}

/* What a file says beside a key, and the last line about it. */
struct beside {
    struct buf others; /* all other lines */
    size_t about;      /* lines that are */
    struct buf tail;   /* of the last of these */
};

static struct beside look_beside(const struct buf *file, const struct setting *def)
{
    struct beside b = {BUF_INIT, 0, BUF_INIT};
    const char *at = buf_str(file), *end = at + file->len;
    while (at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        const char *next = newline == NULL ? end : newline + 1;
        if (is_about(at, (size_t)(next - at), def)) {
            const char *tail = tail_of(at, (size_t)(next - at));
            buf_reset(&b.tail);
            buf_add(&b.tail, tail, (size_t)(next - tail));
            b.about++;
        } else
            buf_add(&b.others, at, (size_t)(next - at));
        at = next;
    }
    return b;
}

static void forget(struct beside *b)
{
    buf_release(&b->others);
    buf_release(&b->tail);
}

/* --- the file --------------------------------------------------------------------- */

static void read_file(struct buf *out)
{
    fuzz_read_file(fuzz_folder(), SETTINGS_FILE, out);
}

static bool same(const struct buf *a, const struct buf *b)
{
    return a->len == b->len && memcmp(buf_str(a), buf_str(b), a->len) == 0;
}

static char *value_of(const struct setting *def, const struct settings *s)
{
    struct buf b = BUF_INIT;
    setting_text(def, s, &b);
    return buf_detach(&b);
}

/* A last line without its end may have got one. */
static bool same_but_for_end(const struct buf *old, const struct buf *new)
{
    size_t n = old->len;
    if (new->len < n || memcmp(buf_str(old), buf_str(new), n) != 0)
        return false;
    const char *more = buf_str(new) + n;
    return new->len == n || strcmp(more, "\n") == 0 || strcmp(more, "\r\n") == 0;
}

static void check_lines(const struct buf *old, const struct setting *def, bool set)
{
    struct buf new = BUF_INIT;
    read_file(&new);
    struct beside was = look_beside(old, def), is = look_beside(&new, def);
    must(is.about == (set ? 1 : 0), "%zu lines about %s in:\n%s", is.about, def->name, buf_str(&new));
    must(was.about == 0 && set ? same_but_for_end(&was.others, &is.others)
                               : same(&was.others, &is.others),
         "other lines changed:\n%s\ninto:\n%s", buf_str(old), buf_str(&new));
    must(set || was.about > 0 || same(old, &new), "changed without need:\n%s", buf_str(&new));
    must(!set || was.about == 0 || same(&was.tail, &is.tail),
         "what stands behind the value changed:\n%s\ninto:\n%s", buf_str(old), buf_str(&new));
    forget(&was);
    forget(&is);
    buf_release(&new);
}

static void check_others(const struct settings *before, const struct settings *after,
                         const struct setting *changed)
{
    for (size_t i = 0; i < settings_count; i++) {
        const struct setting *def = &settings_table[i];
        char *old = value_of(def, before), *new = value_of(def, after);
        must(def == changed || strcmp(old, new) == 0, "%s was %s and is %s", def->name, old, new);
        free(old);
        free(new);
    }
}

/* Write it; -1: the file is as it was. */
static int write_setting(const char *key, const char *value)
{
    struct err err = ERR_INIT;
    struct buf old = BUF_INIT, new = BUF_INIT;
    read_file(&old);
    int rc = settings_write(fuzz_folder(), key, value, &err);
    read_file(&new);
    if (rc != 0) {
        must(err.kind != ERR_SYSTEM && err.text[0] != '\0' && strchr(err.text, '\n') == NULL,
             "the error \"%s\"", err.text);
        must(same(&old, &new), "refused (%s), and changed:\n%s", err.text, buf_str(&new));
    }
    buf_release(&old);
    buf_release(&new);
    return rc;
}

static void check_once_more(const char *key, const char *value)
{
    struct buf old = BUF_INIT, new = BUF_INIT;
    read_file(&old);
    must(write_setting(key, value) == 0, "refused the second time");
    read_file(&new);
    must(same(&old, &new), "the same again changes\n%s\ninto:\n%s", buf_str(&old), buf_str(&new));
    buf_release(&old);
    buf_release(&new);
}

/* A file does not grow by going from one value to another. */
static void check_there_and_back(const char *key, const char *value)
{
    struct buf once = BUF_INIT, twice = BUF_INIT;
    const char *other = setting_find(key)->initial;
    if (write_setting(key, other) != 0 || write_setting(key, value) != 0)
        return; /* 64 KiB are reached, or a line's limit */
    read_file(&once);
    must(write_setting(key, other) == 0 && write_setting(key, value) == 0, "refused at last");
    read_file(&twice);
    must(same(&once, &twice), "there and back changes\n%s\ninto:\n%s", buf_str(&once),
         buf_str(&twice));
    buf_release(&once);
    buf_release(&twice);
}

/* Blanks around it are no part of a value. */
static bool assign_trimmed(const struct setting *def, const char *value, struct settings *s)
{
    bool good = setting_assign(def, s, value, NULL) == 0;
    while (isspace((unsigned char)*value))
        value++;
    char *plain = fuzz_string(value, strlen(value));
    for (size_t n = strlen(plain); n > 0 && isspace((unsigned char)plain[n - 1]); n--)
        plain[n - 1] = '\0';
    good = good && setting_assign(def, s, plain, NULL) == 0;
    free(plain);
    return good;
}

static void check_set(const char *key, const char *value)
{
    const struct setting *def = setting_find(key);
    struct settings meant, before, after;
    struct buf old = BUF_INIT;
    settings_init(&meant);
    bool good = def != NULL && assign_trimmed(def, value, &meant);
    bool readable = settings_load(fuzz_folder(), &before, NULL) == 0;
    read_file(&old);
    if (write_setting(key, value) == 0) {
        must(good, "%s = %s is taken", key, value);
        must(settings_load(fuzz_folder(), &after, NULL) == 0 &&
             settings_is_set(fuzz_folder(), def), "%s = %s is not there", key, value);
        char *want = value_of(def, &meant), *got = value_of(def, &after);
        must(strcmp(want, got) == 0, "%s was set to %s and is %s", key, want, got);
        free(want);
        free(got);
        if (readable)
            check_others(&before, &after, def);
        check_lines(&old, def, true);
        check_once_more(key, value);
        check_there_and_back(key, value);
    }
    buf_release(&old);
}

static void check_unset(const char *key)
{
    const struct setting *def = setting_find(key);
    struct settings before, after, initial;
    struct buf old = BUF_INIT;
    bool readable = settings_load(fuzz_folder(), &before, NULL) == 0;
    read_file(&old);
    if (write_setting(key, NULL) == 0) {
        settings_init(&initial);
        must(settings_load(fuzz_folder(), &after, NULL) == 0 &&
             !settings_is_set(fuzz_folder(), def), "%s is still set", key);
        char *want = value_of(def, &initial), *got = value_of(def, &after);
        must(strcmp(want, got) == 0, "%s is %s without a line, not %s", key, got, want);
        free(want);
        free(got);
        if (readable)
            check_others(&before, &after, def);
        check_lines(&old, def, false);
        check_once_more(key, NULL);
    }
    buf_release(&old);
}

/* Whatever the file says, each value in force is printed as it would be read. */
static void check_values(void)
{
    struct settings s, again;
    struct err err = ERR_INIT;
    bool readable = settings_load(fuzz_folder(), &s, &err) == 0;
    must(readable || (err.kind == ERR_BAD && strchr(err.text, '\n') == NULL), "the error \"%s\"",
         err.text);
    settings_init(&again);
    for (size_t i = 0; i < settings_count; i++) {
        const struct setting *def = &settings_table[i];
        char *text = value_of(def, &s);
        must(setting_assign(def, &again, text, &err) == 0, "%s: %s", def->name, err.text);
        char *back = value_of(def, &again);
        must(strcmp(text, back) == 0, "%s: %s is read as %s", def->name, text, back);
        must(def->kind != SETTING_FRACTION ||
             memcmp((char *)&s + def->offset, (char *)&again + def->offset, sizeof(double)) == 0,
             "%s: %s is not the number it was", def->name, text);
        free(text);
        free(back);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_string(data, size), *file = fuzz_cut_line(text);
    char *key = strchr(text, ' '), *value = NULL;
    unlinkat(fuzz_folder(), SETTINGS_FILE, 0);
    if (file < text + size)
        fuzz_write_file(fuzz_folder(), SETTINGS_FILE, file, (size_t)(text + size - file));
    check_values();
    if (key != NULL) {
        *key++ = '\0';
        value = strchr(key, ' ');
    }
    if (value != NULL)
        *value++ = '\0';
    if (key != NULL && value != NULL && strcmp(text, "set") == 0)
        check_set(key, value);
    else if (key != NULL && strcmp(text, "unset") == 0)
        check_unset(key);
    check_values();
    free(text);
    return 0;
}
