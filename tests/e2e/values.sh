#!/bin/sh
# What a program is started with: ports by name, host, tmp, its environment, its
# stdin, its folder.
. "$(dirname "$0")/../lib.sh"
cd "$T" || exit 1

# run SENTENCE [OPTION…] <SCENARIO: it passes.
run() {
	cat >s.yaml
	sentence=$1
	shift
	rm -f seen
	t_ok "$sentence" "$FAULT" run s.yaml "$@"
}

# ---- ports and host ---------------------------------------------------------

run "the same name is the same port wherever it stands" <<'END'
version: 1
files: {conf: "${port} ${port.admin} ${port.b-2}\n"}
setup: ["sh -c 'echo ${port} ${port.admin} ${port.b-2} >>seen'"]
teardown: ["sh -c 'echo ${port} ${port.admin} ${port.b-2} >>seen'"]
programs:
  a: {run: "sh -c 'cat ${tmp}/conf >>seen; echo $P >>seen'", env: {P: "${port} ${port.admin} ${port.b-2}"}}
END
t_is "... in files, setup, programs, env and teardown" "$(sort -u seen | wc -l) of $(wc -l <seen)" "1 of 4"
t_is "... each name another one" "$(head -1 seen | tr ' ' '\n' | sort -u | grep -cx '[1-9][0-9]*')" 3
for port in $(head -1 seen); do
	port_known "$port" && t_fail "port $port is free behind it"
done
cat >two.yaml <<'END'
version: 1
matrix: {n: [a, b, c, d]}
programs:
  s: {run: "python3 -u serve.py ${host} ${port} ${port.two}", ready: both}
END
cat >serve.py <<'END'
import signal, socket, sys
open = []
for port in sys.argv[2:]:
    s = socket.socket()
    s.bind((sys.argv[1], int(port)))
    s.listen()
    open.append(s)
print("both", flush=True)
signal.pause()
END
if command -v python3 >/dev/null; then
	t_ok "scenarios beside each other have ports of their own, which can be bound" \
		"$FAULT" run -j 4 two.yaml
else
	t_skip "scenarios beside each other have ports of their own" "no python3"
fi

# ---- environment, stdin, folder ---------------------------------------------

mkdir -p folder/sub
printf '#!/bin/sh\npwd\n' >folder/where
chmod +x folder/where
echo "from outside" >input
ln -s "$T/folder" link
OUTSIDE=outside OTHER=other run "env adds to what is there" <<'END'
version: 1
vars: {v: "a b"}
programs:
  a: {run: [sh, -c, 'echo "$OUTSIDE $OTHER $NEW" >seen'], env: {OUTSIDE: "in $${v}side", NEW: "${v}=c"}}
END
t_is "... with values as they are" "$(cat seen)" 'in ${v}side other a b=c'
run "stdin is a file from where fault was started, whatever dir is" <<'END'
version: 1
programs:
  a: {run: "sh -c 'cat >seen'", stdin: input, dir: folder}
  b: {run: "sh -c 'cat >../seen2'", stdin: "${tmp}/made/text", dir: folder/}
files: {made/text: "of the scenario\n"}
END
t_is "... it is read" "$(cat folder/seen)" "from outside"
t_is "... one of files is below tmp" "$(cat seen2)" "of the scenario"
run "without stdin there is nothing to read" <<'END'
version: 1
programs: {a: {run: "sh -c 'test -z \"$(cat)\"'"}}
END
run "dir is the folder it runs in, and from where a relative program is taken" <<'END'
version: 1
programs: {a: {run: ./where, dir: folder}, b: {run: ../where, dir: "${here}/link/sub"}}
expect: {a: {stdout: "/folder\n"}, b: {stdout: "/sub\n"}}
END
cat >s.yaml <<'END'
version: 1
programs: {a: {run: ./where}}
END
t_exit 3 "... and from nowhere else" "$FAULT" run s.yaml

# ---- here, tmp, seed --------------------------------------------------------

mkdir -p suite/deep
cat >suite/deep/s.yaml <<'END'
version: 1
programs: {a: {run: [sh, -c, 'echo ${here} >seen; echo ${seed} >>seen; test -d ${tmp} -a -w ${tmp}; echo $? >>seen']}}
END
t_ok "here is the folder of the file" "$FAULT" run --seed 42 suite/deep
t_is "... seed the seed, tmp a folder to write to" "$(cat seen)" "$T/suite/deep
42
0"
t_done
