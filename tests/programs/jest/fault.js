'use strict'
const { execFileSync, spawn } = require('child_process')
const net = require('net')
const readline = require('readline')

// The environment is named, since that of a test is a copy.
const run = (...words) =>
	execFileSync('fault', words, { encoding: 'utf8', env: process.env }).trim()

// await armed(NAME, async hits => ...): the rule acts in there, hits() times so far.
exports.armed = async (name, body) => {
	const before = Number(run('hits', name))
	run('arm', name)
	try {
		return await body(() => Number(run('hits', name)) - before)
	} finally {
		run('disarm', name)
	}
}

// A server under faults.yaml, which `fault arm` then reaches; its port.
exports.start = async () => {
	if (process.env.PORT) // tests.yaml has started it
		return { port: Number(process.env.PORT), stop: () => {} }
	const port = await freePort()
	const server = spawn('fault', ['exec', '-s', 'faults.yaml', '--',
		'sh', '-c', 'echo $FAULT_SHM; exec "$@"', 'sh',
		process.execPath, 'server.js', port],
	{ cwd: __dirname, stdio: ['ignore', 'pipe', 'inherit'] })
	const lines = readline.createInterface({ input: server.stdout })[Symbol.asyncIterator]()
	process.env.FAULT_SHM = (await lines.next()).value
	await lines.next() // "ready"
	return { port, stop: () => server.kill() }
}

const freePort = () => new Promise(resolve => {
	const server = net.createServer().listen(0, '127.0.0.1', () => {
		const { port } = server.address()
		server.close(() => resolve(port))
	})
})
