# shellcheck shell=sh
# The stock programs below build/stock: how to run, start and ask them.
# Sourced after lib.sh; README.md has examples.

stock_root=${top:-$PWD}/build/stock/root

# Where the unpacked programs find their libraries. For them alone: set it with
# env in front of the program, not for a whole test.
STOCK_LIBS=
for stock_dir in "$stock_root"/usr/lib/*-linux-gnu* "$stock_root"/lib/*-linux-gnu*; do
	[ -d "$stock_dir" ] && STOCK_LIBS=$STOCK_LIBS${STOCK_LIBS:+:}$stock_dir
done

# stock_path NAME: the program's absolute path; fails if it is not there.
stock_path() {
	for stock_dir in usr/sbin usr/bin sbin bin; do
		if [ -x "$stock_root/$stock_dir/$1" ]; then
			echo "$stock_root/$stock_dir/$1"
			return
		fi
	done
	return 1
}

# stock NAME ARGUMENT…: run it. Node is at home in usr/share, see fetch.
stock() {
	stock_name=$1
	shift
	if [ "$stock_name" = node ]; then
		set -- -C "$stock_root/usr/share" \
			LD_LIBRARY_PATH="$STOCK_LIBS" "$(stock_path node)" "$@"
	else
		set -- LD_LIBRARY_PATH="$STOCK_LIBS" "$(stock_path "$stock_name")" "$@"
	fi
	env "$@"
}

# stock_commands FOLDER: makes a command of each, so that what finds commands by
# PATH, a scenario, can say `nginx`.
stock_commands() {
	mkdir -p "$1"
	for stock_name in nginx lighttpd haproxy redis-server redis-cli memcached \
		curl wget python3 node socat busybox websocketd musl-hello \
		pytest jest; do
		stock_command=$(stock_path "$stock_name") || continue
		{
			echo '#!/bin/sh'
			[ "$stock_name" != node ] || echo "cd '$stock_root/usr/share'"
			case $stock_name in
			# Statically linked, or by another C library.
			busybox | websocketd | musl-hello) ;;
			*) echo "export LD_LIBRARY_PATH='$STOCK_LIBS'" ;;
			esac
			case $stock_name in
			pytest) stock_command="$(stock_path python3)' -m 'pytest" ;;
			# Its working directory is the project's, which needs a link
			# to what node reads: nodejs.
			jest)
				echo "export NODE_PATH='$stock_root/usr/share/nodejs'"
				stock_command="$(stock_path node)' '$stock_command"
				;;
			esac
			echo "exec '$stock_command' \"\$@\""
		} >"$1/$stock_name"
		chmod +x "$1/$stock_name"
	done
}

# serve NAME PORT [PREFIX…]: start the server on 127.0.0.1, in the background,
# through the words of PREFIX, and wait until it listens. Its pid is in $t_pid,
# its output in $T/NAME-PORT.log, its directory is $T/NAME-PORT.
serve() {
	stock_name=$1 stock_port=$2
	stock_dir=$T/$1-$2
	shift 2
	mkdir -p "$stock_dir/www"
	echo hello >"$stock_dir/www/index.html"
	set -- "$@" env
	[ "$stock_name" != node ] || set -- "$@" -C "$stock_root/usr/share"
	set -- "$@" LD_LIBRARY_PATH="$STOCK_LIBS" "$(stock_path "$stock_name")"
	case $stock_name in
	nginx)
		nginx_conf >"$stock_dir/conf"
		set -- "$@" -p "$stock_dir" -e stderr -c "$stock_dir/conf"
		;;
	lighttpd)
		lighttpd_conf >"$stock_dir/conf"
		set -- "$@" -D -f "$stock_dir/conf" \
			-m "$(dirname "$(find "$stock_root" -name mod_proxy.so)")"
		;;
	haproxy)
		haproxy_conf >"$stock_dir/conf"
		set -- "$@" -f "$stock_dir/conf"
		;;
	redis-server)
		set -- "$@" --port "$stock_port" --bind 127.0.0.1 --save '' \
			--appendonly no --dir "$stock_dir"
		;;
	memcached)
		set -- "$@" -l 127.0.0.1 -p "$stock_port" -U 0
		[ "$(id -u)" != 0 ] || set -- "$@" -u nobody
		;;
	python3)
		set -- "$@" -u -m http.server -b 127.0.0.1 \
			-d "$stock_dir/www" "$stock_port"
		;;
	node)
		node_js >"$stock_dir/server.js"
		set -- "$@" "$stock_dir/server.js"
		;;
	socat)
		set -- "$@" "TCP-LISTEN:$stock_port,bind=127.0.0.1,reuseaddr,fork" \
			PIPE
		;;
	busybox)
		set -- "$@" httpd -f -p "127.0.0.1:$stock_port" \
			-h "$stock_dir/www"
		;;
	websocketd)
		set -- "$@" --address=127.0.0.1 --port="$stock_port" \
			--staticdir="$stock_dir/www"
		;;
	musl-hello)
		set -- "$@" "$stock_port"
		;;
	esac
	spawn "$stock_name-$stock_port" "$@"
	wait_for listening "$stock_port"
}

# ask NAME PORT: one request to such a server; prints the reply, which is
# "hello" where the server can be told what to say.
ask() {
	case $1 in
	redis-server) stock redis-cli -p "$2" ping ;;
	memcached) printf 'version\r\nquit\r\n' | stock_talk "$2" ;;
	socat) echo hello | stock_talk "$2" ;;
	musl-hello) stock_talk "$2" </dev/null ;;
	*) stock curl -sS -m 10 "http://127.0.0.1:$2/" ;;
	esac
}

stock_talk() {
	stock socat -t 10 - "TCP:127.0.0.1:$1"
}

node_js() {
	cat <<-END
	require('http').createServer((request, reply) => reply.end('hello\n'))
		.listen($stock_port, '127.0.0.1')
	END
}

# A test may set nginx_level, the level of its log, nginx_workers, their number,
# and nginx_http: directives.
nginx_conf() {
	# The directory of a test is its owner's alone: root's workers stay root.
	[ "$(id -u)" != 0 ] || echo 'user root root;'
	cat <<-END
	daemon off;
	worker_processes ${nginx_workers:-1};
	pid $stock_dir/pid;
	error_log stderr ${nginx_level:-error};
	events { worker_connections 64; }
	http {
		access_log off;
		${nginx_http:-}
		client_body_temp_path $stock_dir/body;
		proxy_temp_path $stock_dir/proxy;
		fastcgi_temp_path $stock_dir/fastcgi;
		uwsgi_temp_path $stock_dir/uwsgi;
		scgi_temp_path $stock_dir/scgi;
		server {
			listen 127.0.0.1:$stock_port;
			root $stock_dir/www;
		}
	}
	END
}

lighttpd_conf() {
	cat <<-END
	server.document-root = "$stock_dir/www"
	server.bind = "127.0.0.1"
	server.port = $stock_port
	index-file.names = ( "index.html" )
	END
}

haproxy_conf() {
	cat <<-END
	defaults
		mode http
		timeout connect 10s
		timeout client 10s
		timeout server 10s
	frontend hello
		bind 127.0.0.1:$stock_port
		http-request return status 200 content-type text/plain string "hello\n"
	END
}
