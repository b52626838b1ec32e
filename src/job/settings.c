/* settings.c: the table of settings, and one value of it as text.
 *
 * What a kind accepts, how it is stored, shown and explained stands in one row
 * of `kinds`; the table of settings says only which kind and which bounds.
 */
#include "job/settings.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/duration.h"
#include "base/nearest.h"
#include "base/num.h"
#include "base/text.h"
#include "job/job.h"

#define KEY_MAX 40 /* longer is no slip of a finger */
#define FIELD(name) offsetof(struct settings, name)
#define DAY_MS (24.0 * 3600 * 1000)

const struct setting settings_table[] = {
    {"max-retries", "default-max-retries", SETTING_INT, FIELD(max_retries), "3", 0, 1000, NULL,
     "Runs after the first that may follow failures; written into a job when it is accepted."},
    {"backoff-base", NULL, SETTING_FRACTION, FIELD(backoff_base), "2", 1, 1000, NULL,
     "Retry n waits this to the power of n, in seconds."},
    {"backoff-max", NULL, SETTING_DURATION, FIELD(backoff_max_ms), "1h", 1000, DURATION_MAX_MS,
     NULL, "No retry waits longer."},
    {"backoff-jitter", NULL, SETTING_FRACTION, FIELD(backoff_jitter), "0", 0, 1, NULL,
     "Spreads each wait by up to this part of it, so that many do not return at once."},
    {"timeout", "job-timeout", SETTING_DURATION, FIELD(timeout_ms), "0", 0, DURATION_MAX_MS, NULL,
     "Ends a run that lasts longer; 0 is none."},
    {"priority", NULL, SETTING_PRIORITY, FIELD(priority), "0", -NAME_PRIORITY_MAX,
     NAME_PRIORITY_MAX, NULL, "Of jobs that give none; higher runs first."},
    {"grace", NULL, SETTING_DURATION, FIELD(grace_ms), "10s", 0, DAY_MS, NULL,
     "From SIGTERM to SIGKILL when a run is ended."},
    {"count", NULL, SETTING_INT, FIELD(count), "1", 1, 10000, NULL,
     "Workers of a pool that is started without --count."},
    {"output-max", NULL, SETTING_SIZE, FIELD(output_max), "64M", 0, 9e18, NULL,
     "What a run may write to each of its two streams; 0 is no bound."},
    {"durability", NULL, SETTING_WORD, FIELD(durability), "auto", 0, 0, "auto|always|never",
     "Whether results are synced to the disk: auto syncs runs of 100 ms or more."},
    {"orphans", NULL, SETTING_WORD, FIELD(orphans), "end", 0, 0, "end|wait",
     "What is done with a run whose worker died while it goes on."},
    {"cgroup", NULL, SETTING_WORD, FIELD(cgroup), "auto", 0, 0, "auto|yes|no",
     "Whether jobs run in a cgroup: auto where systemd delegates the pool's (Delegate=yes)."},
    {"durable-claim", NULL, SETTING_BOOL, FIELD(durable_claim), "no", 0, 0, NULL,
     "Syncs each claim, for jobs that may take the host down."},
    {"allow-users", NULL, SETTING_TEXT, FIELD(allow_users), "", 0, 0, NULL,
     "Users whose files are taken in besides the workers' own and root's; names, with blanks."},
    {"allow-group", NULL, SETTING_TEXT, FIELD(allow_group), "", 0, 0, NULL,
     "Group whose members' files are taken in; init --group sets it."},
};
const size_t settings_count = sizeof settings_table / sizeof settings_table[0];

/* Key against name: a dash and an underscore are the same. */
static bool same_key(const char *key, const char *name)
{
    for (; *name != '\0'; key++, name++)
        if (*key != *name && !(*key == '_' && *name == '-'))
            return false;
    return *key == '\0';
}

const struct setting *setting_find(const char *key)
{
    for (size_t i = 0; i < settings_count; i++) {
        const struct setting *def = &settings_table[i];
        if (same_key(key, def->name) || (def->alias != NULL && same_key(key, def->alias)))
            return def;
    }
    return NULL;
}

const char *setting_nearest(const char *key)
{
    char plain[KEY_MAX + 1];
    size_t n = 0;
    struct nearest near;
    if (strlen(key) > KEY_MAX)
        return NULL;
    for (; key[n] != '\0'; n++)
        plain[n] = key[n] == '_' ? '-' : (char)tolower((unsigned char)key[n]);
    plain[n] = '\0';
    nearest_init(&near, plain);
    for (size_t i = 0; i < settings_count; i++) {
        nearest_offer(&near, settings_table[i].name);
        if (settings_table[i].alias != NULL)
            nearest_offer(&near, settings_table[i].alias);
    }
    const char *best = nearest_best(&near);
    return best == NULL ? NULL : setting_find(best)->name;
}

/* The field is written by memcpy: it may be an enum. */
static void store_int(const struct setting *def, struct settings *s, int value)
{
    memcpy((char *)s + def->offset, &value, sizeof value);
}

static int load_int(const struct setting *def, const struct settings *s)
{
    int value;
    memcpy(&value, (const char *)s + def->offset, sizeof value);
    return value;
}

static void *field(const struct setting *def, struct settings *s)
{
    return (char *)s + def->offset;
}

static const void *const_field(const struct setting *def, const struct settings *s)
{
    return (const char *)s + def->offset;
}

static bool parse_int(const struct setting *def, struct settings *s, const char *value)
{
    int64_t n;
    if (!num_parse(value, (int64_t)def->min, (int64_t)def->max, &n))
        return false;
    store_int(def, s, (int)n);
    return true;
}

static bool parse_fraction(const struct setting *def, struct settings *s, const char *value)
{
    return num_parse_fraction(value, def->min, def->max, field(def, s));
}

static bool parse_duration(const struct setting *def, struct settings *s, const char *value)
{
    int64_t ms;
    if (!duration_parse(value, &ms) || (double)ms < def->min || (double)ms > def->max)
        return false;
    memcpy(field(def, s), &ms, sizeof ms);
    return true;
}

static bool parse_priority(const struct setting *def, struct settings *s, const char *value)
{
    return job_priority_parse(value, field(def, s));
}

static bool parse_size(const struct setting *def, struct settings *s, const char *value)
{
    return num_parse_size(value, field(def, s));
}

/* The place of a word in "one|two|three", or -1. */
static int word_index(const char *words, const char *word)
{
    size_t n = strlen(word);
    for (int i = 0; words != NULL; i++) {
        const char *bar = strchr(words, '|');
        size_t len = bar == NULL ? strlen(words) : (size_t)(bar - words);
        if (len == n && memcmp(words, word, n) == 0)
            return i;
        words = bar == NULL ? NULL : bar + 1;
    }
    return -1;
}

static bool parse_word(const struct setting *def, struct settings *s, const char *value)
{
    int i = word_index(def->words, value);
    if (i >= 0)
        store_int(def, s, i);
    return i >= 0;
}

static bool parse_bool(const struct setting *def, struct settings *s, const char *value)
{
    bool yes = word_index("yes|true|on|1", value) >= 0;
    if (!yes && word_index("no|false|off|0", value) < 0)
        return false;
    *(bool *)field(def, s) = yes;
    return true;
}

/* Names of the user database, as Linux, the BSDs and directories have them. */
static bool is_in_name(unsigned char c)
{
    return isalnum(c) || c >= 0x80 || (c != '\0' && strchr("._-@\\$+ ,", c) != NULL);
}

static bool parse_text(const struct setting *def, struct settings *s, const char *value)
{
    size_t n = 0;
    while (is_in_name((unsigned char)value[n]))
        n++;
    if (value[n] != '\0' || n > SETTINGS_TEXT_MAX)
        return false;
    text_copy(field(def, s), SETTINGS_TEXT_MAX + 1, value);
    return true;
}

static void show_int(const struct setting *def, const struct settings *s, struct buf *out)
{
    buf_addf(out, "%d", load_int(def, s));
}

/* The shortest text that reads back as the same number. */
static void show_fraction(const struct setting *def, const struct settings *s, struct buf *out)
{
    double value = *(const double *)const_field(def, s), back;
    char text[40];
    for (int digits = 0; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*f", digits, value);
        if (num_parse_fraction(text, def->min, def->max, &back) && !(back < value || back > value))
            break;
    }
    buf_adds(out, text);
}

static int64_t load_int64(const struct setting *def, const struct settings *s)
{
    return *(const int64_t *)const_field(def, s);
}

static void show_duration(const struct setting *def, const struct settings *s, struct buf *out)
{
    char text[DURATION_TEXT_LEN];
    duration_format(load_int64(def, s), text);
    buf_adds(out, text);
}

static void show_size(const struct setting *def, const struct settings *s, struct buf *out)
{
    char text[24];
    num_format_size(load_int64(def, s), text);
    buf_adds(out, text);
}

static void show_word(const struct setting *def, const struct settings *s, struct buf *out)
{
    const char *word = def->words;
    for (int i = load_int(def, s); i > 0; i--)
        word = strchr(word, '|') + 1;
    buf_add(out, word, strcspn(word, "|"));
}

static void show_bool(const struct setting *def, const struct settings *s, struct buf *out)
{
    buf_adds(out, *(const bool *)const_field(def, s) ? "yes" : "no");
}

static void show_text(const struct setting *def, const struct settings *s, struct buf *out)
{
    buf_adds(out, const_field(def, s));
}

static void refuse_text(const struct setting *def, struct buf *out)
{
    (void)def;
    buf_addf(out, "no list of names of at most %d bytes", SETTINGS_TEXT_MAX);
}

static void refuse_int(const struct setting *def, struct buf *out)
{
    buf_addf(out, "no whole number from %.0f to %.0f", def->min, def->max);
}

static void refuse_fraction(const struct setting *def, struct buf *out)
{
    buf_addf(out, "no number from %g to %g", def->min, def->max);
}

static void refuse_duration(const struct setting *def, struct buf *out)
{
    char low[DURATION_TEXT_LEN], high[DURATION_TEXT_LEN];
    duration_format((int64_t)def->min, low);
    duration_format((int64_t)def->max, high);
    buf_addf(out, "no duration from %s to %s; use 90, 90s, 5m", low, high);
}

static void refuse_priority(const struct setting *def, struct buf *out)
{
    buf_addf(out, "no priority; use %.0f to %.0f, low, medium, normal, high", def->min, def->max);
}

static void refuse_size(const struct setting *def, struct buf *out)
{
    (void)def;
    buf_adds(out, "no size; use 1500, 64K, 64M, 1G");
}

static void refuse_word(const struct setting *def, struct buf *out)
{
    buf_adds(out, "none of ");
    for (const char *c = def->words; *c != '\0'; c++)
        buf_adds(out, *c == '|' ? ", " : (char[]){*c, '\0'});
}

static void refuse_bool(const struct setting *def, struct buf *out)
{
    (void)def;
    buf_adds(out, "neither yes nor no");
}

static void explain_int(const struct setting *def, const struct settings *s, struct buf *out)
{
    if (def->offset == FIELD(max_retries))
        buf_addf(out, "%d (at most %d runs)", s->max_retries, s->max_retries + 1);
}

/* 60000 is often meant to be a minute, in milliseconds. */
static void explain_duration(const struct setting *def, const struct settings *s, struct buf *out)
{
    int64_t ms = load_int64(def, s);
    char text[DURATION_TEXT_LEN];
    duration_format(ms, text);
    if (ms >= 60000 && ms % 1000 == 0)
        buf_addf(out, "%lld s (%s)", (long long)ms / 1000, text);
    else if (ms == 0 && def->offset == FIELD(timeout_ms))
        buf_adds(out, "0 (none)");
}

static void explain_size(const struct setting *def, const struct settings *s, struct buf *out)
{
    int64_t bytes = load_int64(def, s);
    char text[24];
    num_format_size(bytes, text);
    if (bytes == 0)
        buf_adds(out, "0 (no bound)");
    else
        buf_addf(out, "%s (%lld bytes)", text, (long long)bytes);
}

static void explain_nothing(const struct setting *def, const struct settings *s, struct buf *out)
{
    (void)def, (void)s, (void)out;
}

static const struct kind {
    bool (*parse)(const struct setting *def, struct settings *s, const char *value);
    void (*show)(const struct setting *def, const struct settings *s, struct buf *out);
    void (*refusal)(const struct setting *def, struct buf *out); /* "VALUE is ..." */
    void (*explain)(const struct setting *def, const struct settings *s, struct buf *out);
} kinds[] = {
    [SETTING_INT] = {parse_int, show_int, refuse_int, explain_int},
    [SETTING_FRACTION] = {parse_fraction, show_fraction, refuse_fraction, explain_nothing},
    [SETTING_DURATION] = {parse_duration, show_duration, refuse_duration, explain_duration},
    [SETTING_PRIORITY] = {parse_priority, show_int, refuse_priority, explain_nothing},
    [SETTING_SIZE] = {parse_size, show_size, refuse_size, explain_size},
    [SETTING_WORD] = {parse_word, show_word, refuse_word, explain_nothing},
    [SETTING_BOOL] = {parse_bool, show_bool, refuse_bool, explain_nothing},
    [SETTING_TEXT] = {parse_text, show_text, refuse_text, explain_nothing},
};

void settings_init(struct settings *s)
{
    *s = (struct settings){0};
    for (size_t i = 0; i < settings_count; i++)
        kinds[settings_table[i].kind].parse(&settings_table[i], s, settings_table[i].initial);
}

int setting_assign(const struct setting *def, struct settings *s, const char *value,
                   struct err *err)
{
    if (kinds[def->kind].parse(def, s, value))
        return 0;
    struct buf what = BUF_INIT;
    kinds[def->kind].refusal(def, &what);
    err_set(err, ERR_BAD, "%s: \"%.60s\" is %s", def->name, value, buf_str(&what));
    buf_release(&what);
    return -1;
}

void setting_text(const struct setting *def, const struct settings *s, struct buf *out)
{
    kinds[def->kind].show(def, s, out);
}

void setting_explain(const struct setting *def, const struct settings *s, struct buf *out)
{
    kinds[def->kind].explain(def, s, out);
}
