// The client, which is in this process: `fault exec -s faults.yaml -- jest -i`.
'use strict'
const { armed } = require('./fault')
const { ask } = require('./client')
const server = require('./server').create()
let port

beforeAll(done => {
	server.listen(0, '127.0.0.1', () => {
		port = server.address().port
		done()
	})
})
afterAll(done => { server.close(done) })

test('gives up after three refusals', async () => {
	await armed('outage', async hits => {
		await expect(ask(port, 'hello')).rejects.toThrow('ECONNREFUSED')
		expect(hits()).toBe(3)
	})
	expect(await ask(port, 'hello')).toBe('olleh')
})

test('half an answer is none', async () => {
	await armed('cut', async hits => {
		await expect(ask(port, 'hello', 2)).rejects.toThrow()
		expect(hits()).toBe(2)
	})
})

test('comes back when the outage is over', async () => {
	let answer, over = false
	await armed('outage', async hits => {
		answer = ask(port, 'hello', 100).finally(() => { over = true })
		while (hits() < 2) {
			expect(over).toBe(false)
			await new Promise(setImmediate)
		}
	})
	expect(await answer).toBe('olleh')
})
