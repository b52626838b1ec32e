/* editor.h: let the user's editor have a go at some text. */
#ifndef CLI_EDITOR_H
#define CLI_EDITOR_H

#include <stddef.h>

#include "base/buf.h"

/* Put text into a private temporary file, run $VISUAL, $EDITOR or vi on it, and
 * read it back into *text (at most max bytes).  The file is removed; where that
 * would lose the user's work (it cannot be read back) it is left and named.
 * 0, or -1: it has been said why. */
int editor_run(struct buf *text, size_t max);

/* The work was refused: keep it in a file, and say where. */
void editor_keep(const struct buf *text);

#endif
