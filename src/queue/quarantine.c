/* quarantine.c: the report first, then the move.
 *
 * The report's id is made from the file's name and inode, so that a second try
 * (after a crash, or by another pool at the same moment) arrives at the same
 * report and makes no second one.
 */
#include "queue/quarantine.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/escape.h"
#include "base/text.h"
#include "queue/claim.h"
#include "queue/find.h"
#include "queue/journal.h"
#include "spool/file.h"
#include "spool/idlock.h"
#include "spool/scan.h"

#define STEM_MAX 80 /* producers look for the report by this (doc/PRODUCERS.md) */
#define PLAIN_MAX 230 /* bytes of the name before a suffix */
#define TRIES 8

/* A report names the file as JSON text, and people see the name with ls: there
 * each character that is hidden or no UTF-8 is "_". */
static void printable_name(const char *as, char out[FILE_NAME_MAX + 1])
{
    size_t len, at = 0, n = strnlen(as, FILE_NAME_MAX);
    for (size_t i = 0; i < n; i += len) {
        if (escape_is_hidden(utf8_next(as + i, n - i, &len))) {
            out[at++] = '_';
        } else {
            memcpy(out + at, as + i, len);
            at += len;
        }
    }
    out[at] = '\0';
}

/* A name in quarantine/ that nobody has: `as`, else `as` with a suffix. */
static void choose_name(struct queue *q, const char *as, char out[FILE_NAME_MAX + 1])
{
    struct stat st;
    char plain[FILE_NAME_MAX + 1], id[ID_MAX + 1];
    printable_name(as, plain);
    text_copy(out, FILE_NAME_MAX + 1, plain);
    size_t cut = strlen(plain) < PLAIN_MAX ? strlen(plain) : PLAIN_MAX;
    while (cut > 0 && ((unsigned char)plain[cut] & 0xC0) == 0x80)
        cut--; /* not in the middle of a character */
    while (fstatat(q->spool->dir[DIR_QUARANTINE], out, &st, AT_SYMLINK_NOFOLLOW) == 0) {
        name_new_id("x", 0, id);
        snprintf(out, FILE_NAME_MAX + 1, "%.*s.%s", (int)cut, plain, id + 2);
    }
}

void quarantine_report_id(const char *as, ino_t inode, char out[ID_MAX + 1])
{
    char stem[STEM_MAX + 1];
    size_t n = 0;
    for (const char *at = as; *at && n < STEM_MAX; at++) {
        bool plain = (*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') ||
                     (*at >= '0' && *at <= '9') || strchr("._-", *at);
        if (plain || n == 0 || stem[n - 1] != '_')
            stem[n++] = plain ? *at : '_';
    }
    stem[n] = '\0';
    snprintf(out, ID_MAX + 1, "rejected-%s-%llx", stem, (unsigned long long)inode);
}

enum under_id { UNDER_NOTHING, UNDER_SAME, UNDER_OTHER, UNDER_UNKNOWN };

/* What lies under the id of a report: nothing (an id alone is left of a try, and is the
 * one that is looked for), a report that speaks of a file still awaited or present under
 * `name`, or something else. */
static enum under_id look_under(struct queue *q, const char *id, const char *name,
                                struct err *err)
{
    struct found f;
    struct err why = ERR_INIT;
    enum dir state;
    char file[FILE_NAME_MAX + 1];
    if (scan_find_ended(q->spool, id, &state, file) == 0)
        return UNDER_NOTHING;
    if (find_job(q, id, &f, &why) != 0) {
        if (why.kind == ERR_UNKNOWN)
            return UNDER_NOTHING;
        if (err)
            *err = why;
        return UNDER_UNKNOWN;
    }
    bool same = f.job.doc && f.job.quarantined && strcmp(f.job.quarantined, name) == 0;
    found_release(&f);
    return same ? UNDER_SAME : UNDER_OTHER;
}

#define MEND_TEXT "mend {file}; then: queuectl dlq retry {report}"

/* A word for the shell: people paste what they are advised, and whoever dropped
 * the file chose its name. */
static void add_word(struct buf *out, const char *text)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-/";
    if (text[strspn(text, plain)] == '\0') {
        buf_adds(out, text);
        return;
    }
    buf_addc(out, '\'');
    for (; *text; text++)
        if (*text == '\'')
            buf_adds(out, "'\\''");
        else
            buf_addc(out, *text);
    buf_addc(out, '\'');
}

/* In `mend`, {path} is where the file lies, {file} the same from the spool on,
 * {report} the report's id. */
static void add_advice(const struct queue *q, struct buf *out, const char *mend, const char *name,
                       const char *id)
{
    struct buf file = BUF_INIT, path = BUF_INIT;
    buf_addf(&file, "%s/%s", dir_name(DIR_QUARANTINE), name);
    buf_addf(&path, "%s/%s", q->spool->path, buf_str(&file));
    const char *const words[][2] = {
        {"{file}", buf_str(&file)}, {"{path}", buf_str(&path)}, {"{report}", id}};
    for (const char *at = mend && *mend ? mend : MEND_TEXT; *at;) {
        size_t i = 0;
        while (i < 3 && strncmp(at, words[i][0], strlen(words[i][0])) != 0)
            i++;
        if (i < 3) {
            add_word(out, words[i][1]);
            at += strlen(words[i][0]);
        } else
            buf_addc(out, *at++);
    }
    out->failed |= file.failed || path.failed;
    buf_release(&file);
    buf_release(&path);
}

static int print_report(const struct queue *q, const char *id, const char *name,
                        const struct misfit *m, struct buf *out)
{
    struct buf advice = BUF_INIT, dropped_as = BUF_INIT;
    char as[FILE_NAME_MAX + 1];
    printable_name(m->as, as);
    buf_addf(&dropped_as, "%s/%s", dir_name(m->from), as);
    add_advice(q, &advice, m->mend, name, id);
    struct job_report r = {id, name, buf_str(&dropped_as), m->reason, buf_str(&advice)};
    int result = job_print_report(&r, clock_wall_us(), out);
    if (advice.failed || dropped_as.failed) {
        errno = ENOMEM;
        result = -1;
    }
    buf_release(&advice);
    buf_release(&dropped_as);
    return result;
}

static int write_report(struct queue *q, const char *id, const char *name, const struct misfit *m,
                        struct err *err)
{
    struct buf text = BUF_INIT;
    struct name n = {0};
    char tmp[FILE_NAME_MAX + 1], file[FILE_NAME_MAX + 1];
    text_copy(n.id, sizeof n.id, id);
    name_format(DIR_DEAD, &n, file);
    int r = -1;
    if (print_report(q, id, name, m, &text) != 0)
        err_sys(err, "report", name);
    else if (file_make_tmp(q->spool, text.data, text.len, FILE_WRITTEN, tmp) != 0)
        file_error(err, "report", name, "write", DIR_TMP, tmp);
    else if (file_publish(q->spool, tmp, DIR_DEAD, file) != 0) {
        file_error(err, "report", name, "rename to", DIR_DEAD, file);
        file_drop_tmp(q->spool, tmp);
    } else
        r = 0;
    buf_release(&text);
    return r;
}

/* The report about this file, made unless it is there. */
static int make_report(struct queue *q, const struct misfit *m, const char *name, ino_t inode,
                       char id[ID_MAX + 1], struct err *err)
{
    int lock;
    bool fresh;
    quarantine_report_id(m->as, inode, id);
    enum under_id under = look_under(q, id, name, err);
    if (under == UNDER_SAME || under == UNDER_UNKNOWN)
        return under == UNDER_SAME ? 0 : -1;
    if (under == UNDER_OTHER)
        name_new_id("rejected", 0, id);
    if (idlock_take_new(q->spool, id, &lock, &fresh) != IDLOCK_OWNED)
        return idlock_error(q->spool, id, err);
    int r = write_report(q, id, name, m, err);
    if (r != 0)
        idlock_forget(q->spool, id);
    close(lock);
    return r;
}

static int put(struct queue *q, enum dir d, const char *file, const struct misfit *m,
                   struct err *err)
{
    char name[FILE_NAME_MAX + 1], id[ID_MAX + 1];
    struct stat st;
    for (int i = 0; i < TRIES; i++) {
        if (fstatat(q->spool->dir[d], file, &st, AT_SYMLINK_NOFOLLOW) != 0)
            return errno == ENOENT ? 0 : file_error(err, "put aside", file, "look at", d, file);
        choose_name(q, m->as, name);
        if (make_report(q, m, name, st.st_ino, id, err) != 0)
            return -1;
        if (file_move(q->spool, d, file, DIR_QUARANTINE, name) == 0) {
            journal_note(q, "quarantined", id, "reason", m->reason);
            return 0;
        }
        if (errno == ENOENT)
            return 0;
        if (errno != EEXIST)
            break;
    }
    return file_error(err, "put aside", file, "rename to", DIR_QUARANTINE, name);
}

int quarantine_put(struct queue *q, enum dir d, const char *file, const struct misfit *m,
                   struct err *err)
{
    struct buf reason = BUF_INIT;
    struct misfit safe = *m;
    escape_adds(&reason, m->reason);
    safe.reason = buf_str(&reason);
    int r = reason.failed ? err_no_memory(err) : put(q, d, file, &safe, err);
    buf_release(&reason);
    return r;
}

static int no_file(const struct job *report, struct err *err)
{
    return err_set(err, ERR_UNKNOWN, "the file this report is about is no longer in %s/; remove "
                   "the report: queuectl delete %s", dir_name(DIR_QUARANTINE), report->id);
}

/* By way of a dot name of ours: the report must be gone before a pool can see
 * the file, or a second verdict on it would lean on a report about to go.  A
 * crash in between leaves the dot name, which a pool puts back. */
int quarantine_restore(struct queue *q, const struct job *report, struct err *err)
{
    const char *name = report->quarantined;
    struct stat st;
    struct name n = {0};
    char file[FILE_NAME_MAX + 1], own[2 * FILE_NAME_MAX];
    snprintf(own, sizeof own, ".%s.%s", q->spool->token, name);
    if (strlen(own) > FILE_NAME_MAX)
        return err_set(err, ERR_BAD, "%s: its name is too long; move it to %s/ under a shorter one",
                       name, dir_name(DIR_PENDING));
    if (fstatat(q->spool->dir[DIR_PENDING], name, &st, AT_SYMLINK_NOFOLLOW) == 0)
        return err_set(err, ERR_EXISTS, "%s/%s is there again already", dir_name(DIR_PENDING),
                       name);
    if (file_move(q->spool, DIR_QUARANTINE, name, DIR_PENDING, own) != 0)
        return errno == ENOENT
                   ? no_file(report, err)
                   : file_error(err, "put back", name, "rename to", DIR_PENDING, own);
    text_copy(n.id, sizeof n.id, report->id);
    name_format(DIR_DEAD, &n, file);
    file_remove(q->spool, DIR_DEAD, file);
    idlock_forget(q->spool, report->id);
    if (file_move(q->spool, DIR_PENDING, own, DIR_PENDING, name) != 0)
        return file_error(err, "put back", name, "rename to", DIR_PENDING, name);
    if (file_sync_dir(q->spool, DIR_PENDING) != 0)
        return file_error(err, "put back", name, "sync", DIR_PENDING, "");
    return 0;
}

int quarantine_namesake(struct queue *q, enum dir d, const char *file, struct claim *c)
{
    char name[FILE_NAME_MAX + 1];
    choose_name(q, file, name);
    if (file_move(q->spool, d, file, DIR_QUARANTINE, name) != 0)
        return errno == ENOENT ? 0 : -1;
    buf_addf(&c->aside, "%s%s/%s", c->aside.len > 0 ? ", " : "", dir_name(DIR_QUARANTINE), name);
    journal_note(q, "namesake", c->name.id, "moved_to", name);
    return 0;
}
