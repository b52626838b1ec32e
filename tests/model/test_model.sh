#!/bin/bash
# The protocol under every interleaving of its steps, as far as seconds go; the rest is
# `make model`.  Each broken variant must be seen to break.
exec tests/model/check
