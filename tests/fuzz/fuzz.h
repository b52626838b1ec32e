/* fuzz.h: what the fuzz targets share.
 *
 * A target is one file, fuzz_FORMAT.c: libFuzzer calls LLVMFuzzerTestOneInput with
 * bytes, which the target reads as the format's text and of which it asserts
 * properties with must().  A broken one prints itself and aborts; the sanitizers
 * do the same for what C does not define.  How to run them: see run.
 */
#ifndef FUZZ_FUZZ_H
#define FUZZ_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The property in words, with what broke it behind it. */
#define must(condition, ...) \
    ((condition) ? (void)0 : fuzz_broken(__FILE__, __LINE__, #condition, __VA_ARGS__))
void fuzz_broken(const char *file, int line, const char *condition, const char *fmt, ...)
    __attribute__((format(printf, 4, 5), noreturn));

/* A C string of exactly these bytes: AddressSanitizer sees who reads on behind it.
 * The caller frees. */
char *fuzz_string(const void *bytes, size_t n);

/* Cut the text at its first line break: what lies behind it, "" where there is none. */
char *fuzz_cut_line(char *text);

/* Numbers that follow from the input: the same each time it is run. */
void fuzz_seed(const void *bytes, size_t n);
int64_t fuzz_pick(int64_t least, int64_t most);

/* A folder of this process alone, in TMPDIR, which the caller of the target gives and
 * removes: an open descriptor. */
int fuzz_folder(void);
void fuzz_write_file(int dir, const char *name, const void *bytes, size_t n);
/* false: there is none. */
bool fuzz_read_file(int dir, const char *name, struct buf *out);

/* A date by the C library: is it one, and when?  Years 1970 to 9999. */
struct fuzz_date {
    int year, month, day, hour, minute, second;
};
bool fuzz_date_real(const struct fuzz_date *d, int64_t *seconds);

#endif
