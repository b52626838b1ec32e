/* settings_file.c: queuectl.ini, read and rewritten.
 *
 * inih decides what a line means.  It is given the lines one by one, because
 * left alone it drops what is beyond its line limit, ends at a NUL byte, takes
 * an indented line for more of the value above, and does not tell its handler
 * where it is.  So the reader here counts lines, takes the blanks in front off,
 * and keeps back what inih would misread, noting the error.
 *
 * Rewriting: every line but the key's is copied byte for byte.  The new text is
 * read like any other before it replaces the old, so a file this program cannot
 * read is never written.  A crash leaves the old file or the new one, and at
 * most a .queuectl.ini.* beside it.
 */
#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/sys.h"
#include "job/settings.h"

#define FILE_MAX (64 * 1024)
#define SHOWN_KEY_MAX 60

/* One line of a text, without and with its end. */
struct line {
    const char *text;
    size_t len;
    size_t full;
};

/* The next line; false at the end. *at moves behind it. */
static bool next_line(const char **at, const char *end, struct line *line)
{
    if (*at == end)
        return false;
    const char *newline = memchr(*at, '\n', (size_t)(end - *at));
    line->text = *at;
    line->full = (size_t)((newline == NULL ? end : newline + 1) - *at);
    line->len = line->full - (newline != NULL);
    if (newline != NULL && line->len > 0 && line->text[line->len - 1] == '\r')
        line->len--;
    *at += line->full;
    return true;
}

/* A text on its way through inih. */
struct ini_reading {
    const char *at, *end;
    int line;
    void (*key)(struct ini_reading *r, const char *section, const char *key, const char *value);
    void *arg;
    int bad_line; /* 0: none so far */
    struct err err;
};

static void note(struct ini_reading *r, int line, const char *text)
{
    if (r->bad_line != 0 && r->bad_line <= line)
        return;
    r->bad_line = line;
    err_set(&r->err, ERR_BAD, SETTINGS_FILE ": line %d: %s", line, text);
}

/* An ini_reader: fgets(3) with line numbers. */
static char *give_line(char *out, int size, void *stream)
{
    struct ini_reading *r = stream;
    struct line line;
    if (!next_line(&r->at, r->end, &line))
        return NULL;
    r->line++;
    size_t blanks = 0, most = (size_t)size - 2; /* for a newline and a NUL */
    while (blanks < line.len && (line.text[blanks] == ' ' || line.text[blanks] == '\t'))
        blanks++;
    size_t n = line.len - blanks;
    if (n > most || memchr(line.text, '\0', line.len) != NULL) {
        char what[80] = "holds a NUL byte";
        if (n > most)
            snprintf(what, sizeof what, "longer than %zu bytes", most);
        note(r, r->line, what);
        n = 0;
    }
    memcpy(out, line.text + blanks, n);
    memcpy(out + n, "\n", 2);
    return out;
}

static int take_key(void *arg, const char *section, const char *key, const char *value)
{
    struct ini_reading *r = arg;
    r->key(r, section, key, value);
    return 1;
}

/* Give each key of the text to r->key; the first error is noted in r. */
static void read_text(struct ini_reading *r, const char *text, size_t n)
{
    r->at = text;
    r->end = text + n;
    int bad = ini_parse_stream(give_line, r, take_key, r);
    if (bad > 0)
        note(r, bad, "neither \"key = value\" nor a [section] nor a comment");
    else if (bad < 0)
        note(r, 1, "out of memory"); /* an inih built to use the heap */
}

static void say_unknown(const char *key, char what[200])
{
    const char *near = setting_nearest(key);
    int n = snprintf(what, 200, "unknown key \"%.*s\"", SHOWN_KEY_MAX, key);
    if (near != NULL)
        snprintf(what + n, 200 - (size_t)n, "; did you mean %s?", near);
}

static void assign_key(struct ini_reading *r, const char *section, const char *key, const char *value)
{
    const struct setting *def = setting_find(key);
    struct err why = ERR_INIT;
    char what[200];
    if (section[0] != '\0' && strcmp(section, "queuectl") != 0) {
        snprintf(what, sizeof what,
                 "in unknown section [%.*s]; settings stand at top level or in [queuectl]",
                 SHOWN_KEY_MAX, section);
        note(r, r->line, what);
    } else if (def == NULL) {
        say_unknown(key, what);
        note(r, r->line, what);
    } else if (setting_assign(def, r->arg, value, &why) != 0)
        note(r, r->line, why.text);
}

/* Over what *s holds. */
static int settings_read(const char *text, size_t n, struct settings *s, struct err *err)
{
    struct ini_reading r = {.key = assign_key, .arg = s};
    read_text(&r, text, n);
    if (r.bad_line == 0)
        return 0;
    if (err != NULL)
        *err = r.err;
    return -1;
}

/* A missing file is an empty one. */
static int load_file(int dirfd, struct buf *text, struct err *err)
{
    if (io_read_file(dirfd, SETTINGS_FILE, text, FILE_MAX) == 0 || errno == ENOENT)
        return 0;
    switch (errno) {
    case EFBIG: return err_set(err, ERR_BAD, SETTINGS_FILE ": larger than %d bytes", FILE_MAX);
    case EINVAL:
        return err_set(err, ERR_BAD, SETTINGS_FILE ": not a regular file; links are not followed");
    default: return err_sys(err, "cannot read", SETTINGS_FILE);
    }
}

int settings_load(int dirfd, struct settings *s, struct err *err)
{
    struct buf text = BUF_INIT;
    settings_init(s);
    int rc = load_file(dirfd, &text, err);
    if (rc == 0)
        rc = settings_read(buf_str(&text), text.len, s, err);
    buf_release(&text);
    return rc;
}

struct wanted {
    const struct setting *def;
    bool found;
};

static void look_for_key(struct ini_reading *r, const char *section, const char *key,
                         const char *value)
{
    struct wanted *w = r->arg;
    (void)section, (void)value;
    w->found = w->found || setting_find(key) == w->def;
}

/* Does this text (a line, or a whole file) set it? */
static bool sets(const char *text, size_t n, const struct setting *def)
{
    struct wanted w = {def, false};
    struct ini_reading r = {.key = look_for_key, .arg = &w};
    read_text(&r, text, n);
    return w.found;
}

int settings_is_set(int dirfd, const struct setting *def)
{
    struct buf text = BUF_INIT;
    int is_set = load_file(dirfd, &text, NULL);
    if (is_set == 0)
        is_set = sets(buf_str(&text), text.len, def);
    buf_release(&text);
    return is_set;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* The line with another value: the key's spelling, the blanks and a comment
 * behind the value stay.  A comment needs a blank before it; of those around an empty
 * value it has the last, so that they do not grow from one writing to the next. */
static void add_changed(struct buf *out, const struct line *line, const char *value)
{
    const char *text = line->text;
    size_t from = 0, to, comment;
    while (from < line->len && text[from] != '=' && text[from] != ':')
        from++;
    for (from++; from < line->len && is_blank(text[from]);)
        from++;
    for (comment = from; comment < line->len; comment++)
        if (text[comment] == ';' && is_blank(text[comment - 1]))
            break;
    for (to = comment; to > from && is_blank(text[to - 1]);)
        to--;
    bool shares = comment < line->len && to == from && is_blank(text[from - 1]);
    if (shares && is_blank(text[from - 2]))
        to = --from;
    buf_add(out, text, from);
    buf_adds(out, value);
    if (shares && to == comment && value[0] != '\0')
        buf_addc(out, ' ');
    buf_add(out, text + to, line->full - to);
}

static void add_new(struct buf *out, const struct setting *def, const char *value,
                    const char *newline)
{
    if (out->len > 0 && out->data[out->len - 1] != '\n')
        buf_adds(out, newline);
    buf_addf(out, "%s = %s%s", def->name, value, newline);
}

/* The old text with the key set to value, or without it.  Of several lines that
 * set it the last one counts, so that one is kept. */
static void rewrite(const struct buf *old, const struct setting *def, const char *value,
                    struct buf *out)
{
    const char *start = buf_str(old), *end = start + old->len, *at = start, *last = NULL;
    const char *newline = "\n";
    struct line line;
    while (next_line(&at, end, &line)) {
        if (line.text == start && line.full - line.len == 2)
            newline = "\r\n";
        if (sets(line.text, line.full, def))
            last = line.text;
    }
    for (at = start; next_line(&at, end, &line);) {
        if (value != NULL && line.text == last)
            add_changed(out, &line, value);
        else if (last == NULL || !sets(line.text, line.full, def))
            buf_add(out, line.text, line.full);
    }
    if (value != NULL && last == NULL)
        add_new(out, def, value, newline);
}

/* Would the new text be read, and as what was meant? */
static int check_text(const struct buf *text, const struct setting *def,
                      const struct settings *meant, struct err *err)
{
    struct settings s;
    struct buf got = BUF_INIT, want = BUF_INIT;
    settings_init(&s);
    if (settings_read(buf_str(text), text->len, &s, err) != 0)
        return err_prefix(err, "not written");
    setting_text(def, &s, &got);
    setting_text(def, meant, &want);
    int rc = got.failed || want.failed ? err_no_memory(err) : 0;
    if (rc == 0 && strcmp(buf_str(&got), buf_str(&want)) != 0)
        rc = err_set(err, ERR_BAD, "%s: cannot be written as a line of " SETTINGS_FILE,
                     def->name);
    buf_release(&got);
    buf_release(&want);
    return rc;
}

/* Mode and owner stay those of the old file: root may set what a user's pool
 * reads. */
static int write_and_sync(int dirfd, int fd, const struct buf *text)
{
    struct stat old;
    if (fstatat(dirfd, SETTINGS_FILE, &old, AT_SYMLINK_NOFOLLOW) == 0) {
        if (fchown(fd, old.st_uid, old.st_gid) != 0 && errno != EPERM)
            return -1;
        if (fchmod(fd, old.st_mode & 07777) != 0)
            return -1;
    }
    return io_write_all(fd, buf_str(text), text->len) == 0 && io_sync(fd) == 0 ? 0 : -1;
}

static int replace_file(int dirfd, const struct buf *text, struct err *err)
{
    char name[64];
    unsigned random;
    sys_random(&random, sizeof random);
    snprintf(name, sizeof name, "." SETTINGS_FILE ".%ld.%08x", (long)getpid(), random);
    int fd = io_open(dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
    if (fd < 0)
        return err_sys(err, "cannot make", name);
    int rc = write_and_sync(dirfd, fd, text);
    if (rc != 0)
        err_sys(err, "cannot write", name);
    if (close(fd) != 0 && rc == 0)
        rc = err_sys(err, "cannot write", name);
    if (rc == 0 && renameat(dirfd, name, dirfd, SETTINGS_FILE) != 0) /* lint: allow names */
        rc = err_sys(err, "cannot replace", SETTINGS_FILE);
    if (rc != 0) {
        unlinkat(dirfd, name, 0); /* lint: allow names */
        return -1;
    }
    return io_sync(dirfd) == 0 ? 0 : err_sys(err, "cannot sync the folder of", SETTINGS_FILE);
}

/* value NULL: without the key.  meant: as the new file must be read. */
static int write_value(int dirfd, const struct setting *def, const char *value,
                       const struct settings *meant, struct err *err)
{
    struct buf old = BUF_INIT, new = BUF_INIT;
    int rc = load_file(dirfd, &old, err);
    if (rc == 0) {
        rewrite(&old, def, value, &new);
        rc = new.failed ? err_no_memory(err) : 0;
    }
    if (rc == 0)
        rc = check_text(&new, def, meant, err);
    bool same = new.len == old.len && memcmp(buf_str(&new), buf_str(&old), new.len) == 0;
    if (rc == 0 && !same)
        rc = replace_file(dirfd, &new, err);
    buf_release(&old);
    buf_release(&new);
    return rc;
}

/* Blanks around a value are no part of it when the file is read, so they are not
 * written: else each writing of the same would add some. */
static void add_trimmed(struct buf *out, const char *value)
{
    size_t from = strspn(value, " \t\v\f"), end = strlen(value);
    while (end > from && strchr(" \t\v\f", value[end - 1]) != NULL)
        end--;
    buf_add(out, value + from, end - from);
}

int settings_write(int dirfd, const char *key, const char *value, struct err *err)
{
    const struct setting *def = setting_find(key);
    struct settings meant;
    struct buf plain = BUF_INIT;
    settings_init(&meant);
    if (def == NULL) {
        char what[200];
        say_unknown(key, what);
        return err_set(err, ERR_USAGE, "%s", what);
    }
    if (value == NULL)
        return write_value(dirfd, def, NULL, &meant, err);
    if (strpbrk(value, "\r\n") != NULL)
        return err_set(err, ERR_BAD, "%s: a value is one line", def->name);
    if (setting_assign(def, &meant, value, err) != 0)
        return -1;
    add_trimmed(&plain, value);
    int rc = plain.failed ? err_no_memory(err) : setting_assign(def, &meant, buf_str(&plain), err);
    if (rc == 0)
        rc = write_value(dirfd, def, buf_str(&plain), &meant, err);
    buf_release(&plain);
    return rc;
}
