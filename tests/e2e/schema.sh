#!/bin/sh
# fault list schema: what `fault check` takes is valid, what it refuses by a
# word is not, as a validator of JSON Schema sees it.
# run: parallel
. "$(dirname "$0")/../lib.sh"
[ -x "$FAULT" ] || t_skip_all "no fault yet"
python=
for p in python3 /usr/bin/python3; do
	[ -n "$python" ] || ! $p -c 'import jsonschema, yaml' 2>/dev/null ||
		python=$p
done
[ -n "$python" ] || t_skip_all "no python3-jsonschema and python3-yaml"

t_ok "the schema is printed" "$FAULT" list schema
mv "$T/out" "$T/schema"
t_ok "and is one" "$python" -c '
import json, sys
from jsonschema import Draft202012Validator as V
V.check_schema(json.load(open(sys.argv[1])))
' "$T/schema"

# valid FILE…: one line for each that is not: its name, and what is wrong with
# which key.  Keys are texts, as in the language.
cat >"$T/valid.py" <<'END'
import json, sys, yaml
from jsonschema import Draft202012Validator

def texts(v):
    if isinstance(v, dict):
        return {str(k): texts(w) for k, w in v.items()}
    return [texts(w) for w in v] if isinstance(v, list) else v

def leaves(error):
    for e in error.context:
        yield from leaves(e)
    if not error.context:
        yield "/".join(map(str, error.absolute_path)) + ": " + error.message

validator = Draft202012Validator(json.load(open(sys.argv[1])))
for path in sys.argv[2:]:
    value = texts(yaml.safe_load(open(path)))
    for error in validator.iter_errors(value):
        for leaf in leaves(error):
            print(path + ":", leaf)
END
valid() {
	"$python" "$T/valid.py" "$T/schema" "$@" 2>&1
}

cd "$top" || exit 1
# shellcheck disable=SC2046 # names without blanks
t_is "every scenario is valid" \
	"$(valid $(find scenarios tests/programs/suites -name '*.yaml'))" ""
t_is "so is one that has every key" \
	"$(valid tests/fixtures/printed/*.yaml)" ""

# The fixtures that are valid to `fault check`.
good=
for f in tests/fixtures/lang/*.yaml tests/fixtures/lang/parts/*.yaml; do
	case $f in
	# about what only YAML 1.1 makes of a text
	*/quoted-numbers.yaml) continue ;;
	esac
	! "$FAULT" check "$f" >/dev/null 2>&1 || good="$good $f"
done
t_match "many fixtures are valid" "$(echo "$good" | wc -w)" '^[2-9].$'
# shellcheck disable=SC2086 # a list
t_is "and the schema agrees" "$(valid $good)" ""

# refused SENTENCE PATTERN: the file on stdin, which `fault check` refuses too.
refused() {
	cat >"$T/bad.yaml"
	t_exit 2 "$1" "$FAULT" check "$T/bad.yaml"
	t_match "and the schema says which" "$(valid "$T/bad.yaml")" "$2"
}

refused "an unknown key at the top is refused" "'fualts' was unexpected" <<'END'
version: 1
fualts: [{call: recv, inject: reset}]
END
refused "so is a file without a version" "'version' is a required" <<'END'
faults: [{call: recv, inject: reset}]
END
refused "an unknown key of a rule" "faults/0: .*'injekt' was unexpected" <<'END'
version: 1
faults: [{call: recv, inject: reset, injekt: reset}]
END
refused "a rule without an action" "faults/0: 'inject' is a required" <<'END'
version: 1
faults: [{call: recv}]
END
refused "an unknown call" "faults/0/call: 'recvv' is not one of" <<'END'
version: 1
faults: [{call: recvv, inject: reset}]
END
refused "an unknown action" "faults/0/inject: 'rest' is not one of" <<'END'
version: 1
faults: [{call: recv, inject: rest}]
END
refused "an unknown errno" "inject/error: 'ECONRESET' is not one of" <<'END'
version: 1
faults: [{call: recv, inject: {error: ECONRESET}}]
END
refused "two actions in one map" "faults/0/inject: .* is valid under each of" <<'END'
version: 1
faults: [{call: recv, inject: {delay: 1s, short: 1B}}]
END
refused "a time without a unit" "faults/0/inject/delay: " <<'END'
version: 1
faults: [{call: recv, inject: {delay: 200}}]
END
refused "an unknown key of a program" "programs/a: .*'cwd' was unexpected" <<'END'
version: 1
programs: {a: {run: x, cwd: /}}
END
refused "an unknown key of an expectation" "expect/a: .*'exti' was unexp" <<'END'
version: 1
programs: {a: {run: x}}
expect: {a: {exti: 0}}
END
refused "an unknown verdict" "expect/allow/0: 'crahs' is not one of" <<'END'
version: 1
programs: {a: {run: x}}
expect: {allow: [crahs]}
END
refused "an unknown result" "expect/calls/0/result: 'EOK' is not" <<'END'
version: 1
programs: {a: {run: x}}
expect: {calls: [{call: recv, result: EOK}]}
END
refused "an unknown step" "steps/0: .*'sleep' was unexpected" <<'END'
version: 1
programs: {a: {run: x}}
steps: [{sleep: 1s}]
END
refused "cases in a case" "cases/a: .*'cases' was unexpected" <<'END'
version: 1
programs: {a: {run: x}}
cases: {a: {cases: {}}}
END
refused "an unknown key in a case" "cases/a: .*'fualts' was unexpected" <<'END'
version: 1
programs: {a: {run: x}}
cases: {a: {fualts: []}}
END
t_done
