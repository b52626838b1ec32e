#!/bin/bash
# test_trees.sh: a slice of trees.py (`make trees` runs all of it), and stranger.py.
# shellcheck source=tests/trees/parts.bash
. "$(dirname "${BASH_SOURCE[0]}")/parts.bash"

part "no tree is left, whoever ends it" \
    "$here/trees.py" --kinds session,deaf,chain-bare,threads,heir,renamed --side-by-side 4
part "in a cgroup also what nothing else can find" \
    "$here/trees.py" --cgroup --kinds lost,lost-deaf,chain-lost --ends timeout,itself,pool,detach \
    --side-by-side 4
part "TERM reaches all, the stopped too" \
    "$here/trees.py" --by-term --kinds session,stopped --ends timeout
part "a chain is found however it slips away" \
    "$here/trees.py" --shy --kinds chain-shy --ends worker
part "a group whose number others have now gets no signal" "$here/stranger.py"
report
