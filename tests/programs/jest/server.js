// node server.js PORT: answers each line with the line backwards.
'use strict'
const net = require('net')
const readline = require('readline')

exports.create = () => net.createServer(socket => {
	let rest = ''
	socket.on('error', () => {}) // that client is gone; without this, so are we
	socket.on('data', data => {
		const lines = (rest + data).split('\n')
		rest = lines.pop()
		for (const line of lines) socket.write([...line].reverse().join('') + '\n')
	})
})

if (require.main === module)
	exports.create().listen(process.argv[2], '127.0.0.1', () => console.log('ready'))
