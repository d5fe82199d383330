#!/bin/sh
# fault list: the tables, as text and as JSON.
# run: parallel
. "$(dirname "$0")/../lib.sh"
[ -x "$FAULT" ] || t_skip_all "no fault yet"

for list in calls errnos actions verdicts families gates states ways keys; do
	t_ok "list $list works" "$FAULT" list $list
	t_no_match "list $list ends no line in a blank" "$(cat "$T/out")" ' $'
	mv "$T/out" "$T/text"
	"$FAULT" list $list --json >"$T/json" 2>"$T/err"
	t_ok "list $list --json is JSON with as many rows" python3 -c '
import json, sys
rows = json.load(open(sys.argv[1]))
text = open(sys.argv[2]).read().splitlines()
assert len(rows) == len(text) - 1, (len(rows), len(text))
assert all(all(v != "" for v in row.values()) for row in rows), rows
' "$T/json" "$T/text"
done

"$FAULT" list calls >"$T/calls"
t_is "every row of calls.def is listed" \
	"$(tail -n +2 "$T/calls" | wc -l)" \
	"$(grep -cE '^(CALL|TWIN|NOTE|STUB|VARIADIC)\(' "$top/plan/calls.def")"
t_match "a call shows its family and kind" "$(cat "$T/calls")" \
	'^accept4 +accept +injectable'
t_is "every row of errnos.def is listed" \
	"$("$FAULT" list errnos | tail -n +2 | wc -l)" \
	"$(grep -c '^ERRNO(' "$top/plan/errnos.def")"

out=$("$FAULT" list errnos recv)
t_match "list errnos recv has ECONNRESET" "$out" '^recv +ECONNRESET +A +-'
t_no_match "and nothing of send" "$out" '^send'
t_is "a call shows the errnos of its family" \
	"$("$FAULT" list errnos __read_chk)" "$out"
t_match "getpeername has its own" "$("$FAULT" list errnos getpeername)" \
	'^getpeername +ENOTCONN'
t_no_match "and not those of setsockopt" "$("$FAULT" list errnos getpeername)" \
	EDOM
t_no_match "list actions bind leaves out what is not for bind" \
	"$("$FAULT" list actions bind)" '^short'
t_match "list actions bind has error" "$("$FAULT" list actions bind)" '^error'

t_ok "list schema works, see schema.sh" "$FAULT" list schema
t_exit 2 "schema takes no call" "$FAULT" list schema recv
t_exit 2 "a misspelt schema is refused" "$FAULT" list shema
t_match "with the nearest" "$(cat "$T/out")" 'did you mean .schema.'
t_exit 3 "a full disk is noticed" sh -c "$FAULT list schema >/dev/full"
t_exit 2 "an unknown list is refused" "$FAULT" list errno
t_match "with the nearest" "$(cat "$T/out")" 'did you mean .errnos.'
t_exit 2 "an unknown call is refused" "$FAULT" list errnos recvv
t_match "with the nearest" "$(cat "$T/out")" 'did you mean .recv.'
t_exit 2 "no list is refused" "$FAULT" list
t_match "with those there are" "$(cat "$T/out")" 'which table\? calls, families, .*, keys, schema$'
t_exit 2 "states take no call" "$FAULT" list states recv
t_exit 2 "too many words are refused" "$FAULT" list errnos recv send
t_exit 2 "an unknown option is refused" "$FAULT" list --yaml calls
t_ok "list --help works" "$FAULT" list --help
t_exit 3 "a full disk is noticed" sh -c "$FAULT list calls >/dev/full"
t_done
