#!/bin/sh
# fault check: files, folders, rules, and what is expanded.
# run: parallel
. "$(dirname "$0")/../lib.sh"
[ -x "$FAULT" ] || t_skip_all "no fault yet"
cd "$T" || exit 1

mkdir -p suite/deep suite/.hidden
cat >suite/one.yaml <<'END'
version: 1
name: one
matrix: {io: [poll, epoll]}
programs:
  server: {run: "server --port ${port} --io ${io}", ready: listening}
  client: {run: ["client", "say \"hi\"", "${port}"]}
faults:
  - {in: client, call: recv, connection: 1, inject: reset, nth: 3}
  - {name: spare, armed: false, in: server, call: send, inject: {delay: 20ms}}
expect:
  client: {exit: 1, stderr: /reset/}
END
cat >suite/deep/two.yaml <<'END'
version: 1
faults: [{call: recv, role: accepted, inject: {delay: 300ms}}]
END
cat >wrong.yaml <<'END'
version: 1
faults:
  - {call: recv, injekt: reset}
END
cp wrong.yaml suite/_part.yaml
cp wrong.yaml suite/.hidden/x.yaml
cp wrong.yaml suite/wrong.yml

# check STATUS SENTENCE ARGUMENT…: output in $T/stdout and $T/stderr.
check() {
	check_want=$1 check_sentence=$2
	shift 2
	"$FAULT" check "$@" >"$T/stdout" 2>"$T/stderr"
	t_is "$check_sentence" "$?" "$check_want"
}

check 0 "a valid file is valid" suite/one.yaml
t_is "and its cases are counted" "$(cat "$T/stdout")" "1 file, 2 cases: all valid"
t_is "nothing is said on stderr" "$(cat "$T/stderr")" ""
check 0 "a folder is searched, without parts and hidden entries" suite
t_is "and counted" "$(cat "$T/stdout")" "2 files, 3 cases: all valid"
check 0 "-v names the cases" -v suite
t_match "one by one" "$(cat "$T/stdout")" '^suite/one.yaml.*\[io=epoll\]$'

check 2 "a wrong file is not valid" wrong.yaml
t_match "the place is named" "$(cat "$T/stderr")" '^wrong.yaml:3:[0-9]+: '
t_match "and the word that was meant" "$(cat "$T/stderr")" 'inject'
t_is "nothing is said on stdout" "$(cat "$T/stdout")" ""
check 2 "one wrong file of several is enough" suite wrong.yaml
check 2 "a part can be checked by name" suite/_part.yaml
check 2 "no such file" missing.yaml
t_match "is named" "$(cat "$T/stderr")" 'missing.yaml'
check 2 "no path is a mistake"
mkdir empty
check 4 "an empty folder has nothing to check" empty

check 0 "-e checks a rule" -e recv:reset:nth=3
t_is "and says so" "$(cat "$T/stdout")" "1 rule: all valid"
check 2 "-e refuses a wrong rule" -e recv:rest
t_match "and names the place" "$(cat "$T/stderr")" '^-e:1:'
check 2 "-e refuses what cannot happen" -e recv:error=EPIPE

check 0 "--expand prints each case" --expand suite/one.yaml
t_is "two of them" "$(grep -c '^# suite/one.yaml' "$T/stdout")" 2
t_match "programs as argv" "$(cat "$T/stdout")" \
	'run: \["client", "say \\"hi\\"", "[0-9]+"\]'
t_match "rules as they are written" "$(cat "$T/stdout")" \
	'^  - \{in: client, call: recv, connection: 1, nth: 3, inject: reset\}$'
t_match "and where they count" "$(cat "$T/stdout")" \
	'# .*:8: recv:reset:.*nth=3[^,]*, per connection$'
t_match "and that one is not armed" "$(cat "$T/stdout")" 'armed: false'
t_match "expectations too" "$(cat "$T/stdout")" 'stderr: "/reset/"'
check 0 "one case can be chosen" --expand "suite/one.yaml[io=epoll]"
t_is "then it is one" "$(grep -c '^# suite/one.yaml' "$T/stdout")" 1
cp "$T/stdout" expanded.yaml
check 0 "what is printed is a scenario itself" --expand expanded.yaml
t_is "and the same one" "$(grep -v '^ *#' "$T/stdout")" \
	"$(grep -v '^ *#' expanded.yaml)"

# Cases, and what lies below them.
mkdir -p many/common
cat >many/common/_pair.yaml <<'END'
version: 1
programs:
  server: {run: "server ${port}", ready: listening}
  client: {run: "client ${port} ${here}/data"}
faults: [{in: client, call: recv, inject: {delay: 1ms}}]
expect: {client: {exit: 0}}
END
cat >many/of.yaml <<'END'
version: 1
use: common/_pair.yaml
cases:
  plain: {}
  reset:
    matrix: {io: [poll, epoll]}
    programs: {client: {env: {IO: "${io}"}}}
    faults: [{in: client, call: recv, inject: reset}]
    expect: {client: {exit: 1}}
END
check 0 "cases and a part are valid" -v many
t_is "each case has its id" "$(cat "$T/stdout")" "many/of.yaml::plain
many/of.yaml::reset[io=poll]
many/of.yaml::reset[io=epoll]
1 file, 3 cases: all valid"
check 0 "a case is chosen by its name" --expand many/of.yaml::reset
t_is "with all of its matrix" "$(grep '^# ' "$T/stdout")" \
	"# many/of.yaml::reset[io=poll]
# many/of.yaml::reset[io=epoll]"
check 0 "or by its id" --expand "many/of.yaml::reset[io=epoll]"
t_is "then it is one" "$(grep -c '^# many/of.yaml' "$T/stdout")" 1
cp "$T/stdout" whole.yaml
t_match "the part is there" "$(cat whole.yaml)" 'run: \["server", "1"\]'
t_match "with its own folder" "$(cat whole.yaml)" '/many/common/data|"many/common/data'
t_is "faults are appended" "$(grep -c '^  - {in: client, call: recv' whole.yaml)" 2
t_match "the rest is replaced" "$(cat whole.yaml)" 'exit: 1$'
check 0 "what is printed stands alone" --expand whole.yaml
t_is "and says the same" "$(grep -v '^ *#' "$T/stdout")" \
	"$(grep -v '^ *#' whole.yaml)"
sed -i 's/delay/deley/' many/common/_pair.yaml
check 2 "a mistake in a part" many/of.yaml
t_is "is named in the part, once" "$(grep -c ':[0-9]*:[0-9]*: ' "$T/stderr")" 1
t_match "by its place" "$(cat "$T/stderr")" \
	'^many/common/_pair.yaml:5:44: .*did you mean `delay`'

check 2 "a case that is not there is refused" --expand "suite/one.yaml::none"
t_done
