// A client that comes back.
'use strict'
const net = require('net')
const { setTimeout: sleep } = require('timers/promises')

const once = (port, question) => new Promise((resolve, reject) => {
	let answer = ''
	const socket = net.connect(port, '127.0.0.1')
		.on('error', reject)
		.on('data', data => {
			answer += data
			if (answer.endsWith('\n')) socket.end()
		})
		.on('close', () => answer.endsWith('\n') ? resolve(answer.slice(0, -1))
			: reject(new Error('an answer without an end')))
	socket.write(question + '\n')
})

exports.ask = async (port, question, attempts = 3, pause = 50) => {
	for (;;) {
		try {
			return await once(port, question)
		} catch (error) {
			if (--attempts === 0) throw error
		}
		await sleep(pause)
	}
}
