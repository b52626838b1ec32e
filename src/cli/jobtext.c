/* jobtext.c: see jobtext.h.  For waiting and running jobs the file name is the
 * authority for priority and attempts, for ended ones the document. */
#include "cli/jobtext.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/escape.h"
#include "cli/say.h"

void jobtext_command(const struct found *f, struct buf *out)
{
    if (f->job.doc)
        job_describe(&f->job, out);
    else
        buf_addf(out, "(unreadable: %s)", f->job.last_error ? f->job.last_error : "no reason");
}

static bool has_ended(const struct found *f)
{
    return f->state == DIR_DONE || f->state == DIR_DEAD;
}

int jobtext_priority(const struct found *f)
{
    return has_ended(f) ? f->job.priority : f->name.priority;
}

void jobtext_attempts(const struct queue *q, const struct found *f, char out[32])
{
    int attempts = has_ended(f) ? f->job.attempts : f->name.attempts;
    int retries = f->job.has_max_retries ? f->job.max_retries : q->settings.max_retries;
    snprintf(out, 32, "%d/%d", attempts, retries + 1);
}

int64_t jobtext_updated_us(const struct found *f)
{
    if (f->job.doc && f->job.updated_us >= 0)
        return f->job.updated_us;
    return f->st.st_mtim.tv_sec * US_PER_SEC + f->st.st_mtim.tv_nsec / 1000;
}

void jobtext_value(const char *raw, struct buf *out)
{
    if (!raw)
        return;
    errno = 0;
    cJSON *value = raw[0] == '"' ? cJSON_Parse(raw) : NULL;
    out->failed |= !value && errno == ENOMEM;
    escape_adds(out, cJSON_IsString(value) ? value->valuestring : raw);
    cJSON_Delete(value);
}

int jobtext_check_format(const char *format)
{
    for (const char *at = format; (at = strchr(at, '{'));) {
        if (at[1] == '{') {
            at += 2;
        } else if (!(at = strchr(at, '}'))) {
            say("--format: a { without its }; use {{ for a brace");
            return -1;
        }
    }
    return 0;
}

/* Returns what lies behind. */
static const char *add_member(const char *at, const struct json_doc *doc, struct buf *out)
{
    char name[128];
    size_t n = strcspn(at, "}");
    snprintf(name, sizeof name, "%.*s", (int)(n < sizeof name ? n : sizeof name - 1), at);
    jobtext_value(json_raw(doc, name), out);
    return at + n + 1;
}

static const char *add_escape(const char *at, struct buf *out)
{
    static const char letters[] = "tn\\", meant[] = "\t\n\\";
    const char *letter = *at ? strchr(letters, *at) : NULL;
    if (!letter) {
        buf_addc(out, '\\');
        return at;
    }
    buf_addc(out, meant[letter - letters]);
    return at + 1;
}

void jobtext_format(const char *format, const struct json_doc *doc, struct buf *out)
{
    for (const char *at = format; *at;) {
        if (at[0] == '{' && at[1] != '{') {
            at = add_member(at + 1, doc, out);
        } else if (at[0] == '\\') {
            at = add_escape(at + 1, out);
        } else {
            buf_addc(out, *at);
            at += at[0] == '{' || (at[0] == '}' && at[1] == '}') ? 2 : 1;
        }
    }
    buf_addc(out, '\n');
}
