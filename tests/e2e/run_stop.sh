#!/bin/sh
# How services end: one that is already dying is not overtaken by its stop signal.
. "$(dirname "$0")/../lib.sh"
command -v python3 >/dev/null || t_skip_all "no python3"
cd "$T" || exit 1

# Serves one connection; when that has ended it thinks for a tenth of a second
# of processor time, and then does what its arguments say.
cat >server.py <<'END'
import os, signal, socket, sys, time
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
connection, _ = listener.accept()
connection.recv(1)
end = time.process_time() + 0.1
while time.process_time() < end:
    pass
exec(sys.argv[2])
END
# Ends a worker as above, and itself when that has ended.
cat >master.sh <<'END'
python3 server.py "$@" &
wait $!
exit $?
END
cat >client.py <<'END'
import socket, sys
socket.create_connection(("127.0.0.1", int(sys.argv[1])))
END

# scenario NAME SERVER END [EXPECT]
scenario() {
	cat >"$1.yaml" <<END
version: 1
programs:
  server: {run: [$2, "\${port}", "$3"], ready: listening}
  client: {run: "python3 client.py \${port}"}
${4:+expect: {server: {$4\}\}}
END
}
# several STATUS SENTENCE NAME: three times the same
several() {
	for _ in 1 2 3; do
		"$FAULT" run "$3.yaml" >out 2>&1
		echo $?
	done | sort | uniq -c | tr -s ' ' >statuses
	t_is "$2" "$(cat statuses)" " 3 $1"
}

scenario dies 'python3, server.py' 'sys.exit(3)'
several 1 "a service that is about to fail fails" dies
t_match "... of that" "$(cat out)" 'exit status 3 before the scenario was over'
scenario expected 'python3, server.py' 'sys.exit(3)' 'exit: 3'
several 0 "one whose end is expected has it" expected
scenario crashes 'python3, server.py' 'os.abort()'
several 1 "one that is about to crash crashes" crashes
t_match "... by that signal" "$(cat out)" 'SIGABRT'
scenario worker 'sh, master.sh' 'sys.exit(4)'
several 1 "one whose worker is about to end" worker
t_match "... with what follows" "$(cat out)" 'exit status 4 before the scenario was over'
scenario lives 'python3, server.py' 'signal.pause()'
several 0 "one that goes on waiting gets its signal" lives

# It says more than the pipe holds, and is done when all of that was read.
scenario talks 'python3, server.py' \
	'os.write(1, bytes(300000)); sys.exit(5)'
several 1 "one that still has to say something" talks
t_match "... has said it" "$(cat out)" 'exit status 5 before the scenario was over'

# Nobody waits for ever for one that never rests.
scenario spins 'python3, server.py' 'while True: pass'
several 0 "one that spins is stopped all the same" spins
t_done
