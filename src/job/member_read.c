/* member_read.c: the readers of values (see member_read.h).
 *
 * A reader gets the value through cJSON and as it was written.  Whole numbers
 * are read from what was written, so that no double rounds them; 3.0 and 3e0
 * are whole too, since many languages print 3 so.  Bounds and words come from
 * the row; what a reader accepts beyond them, the row's column `schema` has to
 * say, and tests/cli/schema.bats compares the two.
 */
#include "job/member_read.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/duration.h"
#include "base/num.h"
#include "base/stamp.h"
#include "job/members.h"

#define NUMBER_MAX 60 /* characters; cJSON stops reading at 63 */

/* --- strings and lists -------------------------------------------------------- */

static int copy_string(const cJSON *value, char **out)
{
    if (!cJSON_IsString(value) || value->valuestring[0] == '\0')
        return EINVAL;
    *out = strdup(value->valuestring);
    return *out == NULL ? ENOMEM : 0;
}

int member_read_string(const struct member_reading *r)
{
    return copy_string(r->value, r->field);
}

int member_read_path(const struct member_reading *r)
{
    bool absolute = cJSON_IsString(r->value) && r->value->valuestring[0] == '/';
    return absolute ? copy_string(r->value, r->field) : EINVAL;
}

int member_read_id(const struct member_reading *r)
{
    if (!cJSON_IsString(r->value) || !name_id_valid(r->value->valuestring))
        return EINVAL;
    memcpy(r->field, r->value->valuestring, strlen(r->value->valuestring) + 1);
    return 0;
}

void member_free_list(char **list)
{
    for (char **p = list; p != NULL && *p != NULL; p++)
        free(*p);
    free(list);
}

/* A NULL-terminated list of what `copy` makes of each child. */
static int read_list(const struct member_reading *r, int (*copy)(const cJSON *child, char **out))
{
    size_t n = 0;
    const cJSON *child;
    cJSON_ArrayForEach(child, r->value) n++;
    char **list = calloc(n + 1, sizeof *list);
    int rc = list == NULL ? ENOMEM : 0;
    n = 0;
    for (child = r->value->child; child != NULL && rc == 0; child = child->next) {
        *r->bad = child;
        rc = copy(child, &list[n++]);
    }
    if (rc != 0) {
        member_free_list(list);
        return rc;
    }
    *(char ***)r->field = list;
    return 0;
}

static int copy_argument(const cJSON *child, char **out)
{
    if (!cJSON_IsString(child))
        return EINVAL;
    *out = strdup(child->valuestring);
    return *out == NULL ? ENOMEM : 0;
}

int member_read_argv(const struct member_reading *r)
{
    const cJSON *program = cJSON_IsArray(r->value) ? r->value->child : NULL;
    *r->bad = program;
    if (!cJSON_IsString(program) || program->valuestring[0] == '\0')
        return EINVAL;
    return read_list(r, copy_argument);
}

static int copy_variable(const cJSON *child, char **out)
{
    if (!cJSON_IsString(child) || child->string[0] == '\0' || strchr(child->string, '=') != NULL)
        return EINVAL;
    struct buf b = BUF_INIT;
    buf_adds(&b, child->string);
    buf_addc(&b, '=');
    buf_adds(&b, child->valuestring);
    *out = buf_detach(&b);
    return *out == NULL ? ENOMEM : 0;
}

int member_read_env(const struct member_reading *r)
{
    return cJSON_IsObject(r->value) ? read_list(r, copy_variable) : EINVAL;
}

/* --- numbers -------------------------------------------------------------------- */

static bool is_number(const struct member_reading *r)
{
    return cJSON_IsNumber(r->value) && strlen(r->raw) <= NUMBER_MAX;
}

static bool parse_whole(const struct member_reading *r, int64_t *out)
{
    return is_number(r) && num_parse_whole(r->raw, r->m->min, r->m->max, out);
}

int member_read_int(const struct member_reading *r)
{
    int64_t n;
    if (!parse_whole(r, &n))
        return EINVAL;
    *(int *)r->field = (int)n;
    return 0;
}

int member_read_ms(const struct member_reading *r)
{
    return parse_whole(r, r->field) ? 0 : EINVAL;
}

int member_read_max_retries(const struct member_reading *r)
{
    r->j->has_max_retries = member_read_int(r) == 0;
    return r->j->has_max_retries ? 0 : EINVAL;
}

int member_read_fraction(const struct member_reading *r)
{
    double base = r->value->valuedouble;
    if (!is_number(r) || !(base >= (double)r->m->min && base <= (double)r->m->max))
        return EINVAL;
    *(double *)r->field = base;
    return 0;
}

int member_read_bool(const struct member_reading *r)
{
    if (!cJSON_IsBool(r->value))
        return EINVAL;
    *(bool *)r->field = cJSON_IsTrue(r->value);
    return 0;
}

/* --- words ------------------------------------------------------------------------- */

static const struct member_word *find_word(const struct member_word *words, const char *text)
{
    for (; words->word != NULL; words++)
        if (strcmp(text, words->word) == 0)
            return words;
    return NULL;
}

static const struct member_word *word_of(const struct member_reading *r)
{
    return cJSON_IsString(r->value) ? find_word(r->m->words, r->value->valuestring) : NULL;
}

bool job_priority_parse(const char *text, int *priority)
{
    const struct job_member *m = member_find("priority");
    const struct member_word *word = find_word(m->words, text);
    int64_t n;
    if (word == NULL && !num_parse(text, m->min, m->max, &n))
        return false;
    *priority = word != NULL ? word->value : (int)n;
    return true;
}

int member_read_priority(const struct member_reading *r)
{
    const struct member_word *word = word_of(r);
    if (word != NULL)
        *(int *)r->field = word->value;
    r->j->has_priority = word != NULL || member_read_int(r) == 0;
    return r->j->has_priority ? 0 : EINVAL;
}

int member_read_policy(const struct member_reading *r)
{
    const struct member_word *word = word_of(r);
    if (word == NULL)
        return EINVAL;
    *(bool *)r->field = word->value;
    return 0;
}

/* --- times -------------------------------------------------------------------------- */

int member_read_seconds(const struct member_reading *r)
{
    return is_number(r) && duration_from_seconds(r->value->valuedouble, r->field) ? 0 : EINVAL;
}

int member_read_duration(const struct member_reading *r)
{
    if (!cJSON_IsString(r->value))
        return member_read_seconds(r);
    return duration_parse(r->value->valuestring, r->field) ? 0 : EINVAL;
}

/* Seconds are read as text where they have no exponent: a double has not the
 * digits for microseconds in every year. */
int member_read_time(const struct member_reading *r)
{
    if (cJSON_IsString(r->value))
        return stamp_parse(r->value->valuestring, r->field) ? 0 : EINVAL;
    if (!is_number(r))
        return EINVAL;
    if (stamp_parse(r->raw, r->field))
        return 0;
    double seconds = r->value->valuedouble;
    if (!(seconds >= 0 && seconds < (double)MEMBER_TIME_END))
        return EINVAL;
    *(int64_t *)r->field = (int64_t)(seconds * (double)US_PER_SEC + 0.5);
    return 0;
}

/* --- what the queue writes ------------------------------------------------------------ */

int member_read_worker(const struct member_reading *r)
{
    if (!cJSON_IsString(r->value) || strlen(r->value->valuestring) > TOKEN_MAX)
        return EINVAL;
    memcpy(r->field, r->value->valuestring, strlen(r->value->valuestring) + 1);
    return 0;
}

/* The file is deleted or put back under this word, so it may not lead out. */
int member_read_quarantined(const struct member_reading *r)
{
    const char *name = cJSON_IsString(r->value) ? r->value->valuestring : "";
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || strchr(name, '/') != NULL ||
        strlen(name) > FILE_NAME_MAX)
        return EINVAL;
    return copy_string(r->value, r->field);
}

static bool member_is(const cJSON *object, const char *name, const char *text)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(object, name);
    return cJSON_IsString(value) && strcmp(value->valuestring, text) == 0;
}

/* The row is counted anew from each run that was not lost. */
int member_read_history(const struct member_reading *r)
{
    int row = 0;
    const cJSON *run;
    if (!cJSON_IsArray(r->value))
        return EINVAL;
    cJSON_ArrayForEach(run, r->value)
        row = member_is(run, "outcome", "lost") && !member_is(run, "fate", "dead") ? row + 1 : 0;
    *(int *)r->field = row;
    return 0;
}
