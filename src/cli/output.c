/* output.c: see output.h. */
#include "cli/output.h"

#include <stdio.h>
#include <string.h>

#include "base/stamp.h"
#include "job/json.h"

static bool lost;

void output_lose(void)
{
    lost = true;
}

bool output_is_lost(void)
{
    return lost;
}

void output_text(const struct buf *text)
{
    if (text->failed)
        output_lose();
    else
        fwrite(buf_str(text), 1, text->len, stdout);
}

void output_line(const struct buf *text)
{
    output_text(text);
    if (!text->failed)
        putchar('\n');
}

void output_item(struct output_array *a, const struct buf *json)
{
    size_t n = json->len;
    if (json->failed) {
        output_lose();
        return;
    }
    while (n > 0 && json->data[n - 1] == '\n')
        n--;
    fputs(a->started ? ",\n" : "[\n", stdout);
    fwrite(buf_str(json), 1, n, stdout);
    a->started = true;
}

void output_end(struct output_array *a)
{
    fputs(a->started ? "\n]\n" : "[]\n", stdout);
}

void output_string(struct buf *out, const char *name, const char *text)
{
    json_add_string(out, name, strlen(name));
    buf_adds(out, ": ");
    if (text)
        json_add_string(out, text, strlen(text));
    else
        buf_adds(out, "null");
}

void output_time(struct buf *out, const char *name, int64_t us)
{
    char text[STAMP_ISO_LEN + 1];
    if (us >= 0)
        stamp_iso_format(us, text);
    output_string(out, name, us >= 0 ? text : NULL);
}
