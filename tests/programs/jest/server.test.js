// The server, which is started under `fault exec`: plain `jest`.
'use strict'
const { armed, start } = require('./fault')
const { ask } = require('./client')
let server

beforeAll(async () => { server = await start() })
afterAll(() => server.stop())

test('a connection that dies in the queue', async () => {
	await armed('aborted', async hits => {
		await expect(ask(server.port, 'hello', 1)).rejects.toThrow()
		expect(hits()).toBe(1)
	})
	expect(await ask(server.port, 'hello', 1)).toBe('olleh')
})

test('a client that dies before its answer', async () => {
	await armed('gone', async hits => {
		await expect(ask(server.port, 'hello', 1)).rejects.toThrow()
		expect(hits()).toBe(1)
	})
	expect(await ask(server.port, 'hello', 1)).toBe('olleh')
})

test('a request that comes in pieces', async () => {
	await armed('pieces', async hits => {
		expect(await ask(server.port, 'hello', 1)).toBe('olleh')
		expect(hits()).toBeGreaterThanOrEqual(6)
	})
})
