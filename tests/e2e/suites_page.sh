#!/bin/sh
# docs/suites.md is true: its files, its commands and what these print.
# run: parallel
. "$(dirname "$0")/../lib.sh"
[ -x "$FAULT" ] || t_skip_all "no fault yet"
PATH=$(dirname "$FAULT"):$PATH
unset NO_COLOR FORCE_COLOR CI_NODE_INDEX CI_NODE_TOTAL
export PATH PYTHONDONTWRITEBYTECODE=1
page=$top/docs/suites.md script=$top/tests/e2e/suites_page.py
mkdir "$T/kv" && cd "$T/kv" || exit 1
python3 "$script" "$page"
