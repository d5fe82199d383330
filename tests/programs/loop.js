// An HTTP server of node's loop: `node loop.js PORT [UPSTREAM]`.
//
// A path /up/NAME asks the server on port UPSTREAM for /NAME, over a new
// connection, and passes its answer on. TIMEOUT in the environment: so many seconds for a
// request, and for the upstream's answer.
'use strict';
const http = require('http');
const [port, upstream] = process.argv.slice(2).map(Number);
const timeout = 1000 * (process.env.TIMEOUT || 10);

function pass(path, reply) {
	let answered = false;
	const fail = (status, why) => {
		console.log(`upstream: ${why}`);
		if (!answered)
			reply.writeHead(status, {'Content-Length': 0}).end();
		answered = true;
	};
	const request = http.get({
		host: '127.0.0.1', port: upstream, path, agent: false,
	}, (got) => {
		const parts = [];
		got.on('data', (part) => parts.push(part));
		got.on('error', (error) => fail(502, error.message));
		got.on('end', () => {
			if (!answered)
				reply.end(Buffer.concat(parts));
			answered = true;
		});
	});
	const timer = setTimeout(() => {
		fail(504, 'timed out');
		request.destroy();
	}, timeout);
	request.on('close', () => clearTimeout(timer));
	request.on('error', (error) => fail(502, error.message));
}

const server = http.createServer({
	headersTimeout: timeout, requestTimeout: timeout,
	connectionsCheckingInterval: 100,
}, (request, reply) => {
	if (request.url.startsWith('/up/'))
		pass(request.url.slice(3), reply);
	else
		reply.end('hello\n');
});
server.on('clientError', (error, socket) => {
	console.log(`client: ${error.code}`);
	if (socket.writable)
		socket.end('HTTP/1.1 400 Bad Request\r\n\r\n');
});
server.keepAliveTimeout = 0;
server.listen(port, '127.0.0.1');
