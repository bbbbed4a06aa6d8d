// Drives everything that a node has of OpenWhisk's API with the OpenWhisk project's client: `everything.js APIHOST KEY NAMESPACE ACTION.wasm`, with an action that
// returns its parameters. Prints the result of each step as a line of JSON.
'use strict'

const fs = require('fs')
const openwhisk = require('openwhisk')

const [apihost, key, namespace, codeFile] = process.argv.slice(2)
const ow = openwhisk({ apihost, api_key: key, retry: { retries: 0 } })
const code = fs.readFileSync(codeFile)
const kind = 'wasm:component'

const say = (step, value) => console.log(JSON.stringify({ step, value }))
const fails = async (step, promise) => {
  try {
    say(step, { unexpected: await promise })
  } catch (error) {
    say(step, { message: error.message, statusCode: error.statusCode })
  }
}
const fetched = async (step, path, options) => {
  const response = await fetch(`${apihost}/api/v1/web/${namespace}/${path}`, options)
  say(step, { status: response.status, type: response.headers.get('content-type'), text: await response.text() })
}
const ended = async id => {
  for (let tries = 0; tries < 3000; tries++) {
    const record = await ow.activations.get({ name: id }).catch(() => new Promise(resolve => setTimeout(resolve, 50)))
    if (record) return record
  }
  throw new Error(`no record of ${id}`)
}

async function packages () {
  say('package', await ow.packages.update({ name: 'tools', package: { publish: true, parameters: [{ key: 'from', value: 'package' }] }, annotations: { description: 'tools' } }))
  await ow.actions.update({ name: 'tools/echo', action: code, kind, params: { own: 1 } })
  say('binding', await ow.packages.update({ name: 'bound', package: { binding: { namespace, name: 'tools' }, parameters: [{ key: 'from', value: 'binding' }] } }))
  say('through the package', await ow.actions.invoke({ name: 'tools/echo', blocking: true, result: true }))
  say('through the binding', await ow.actions.invoke({ name: 'bound/echo', blocking: true, result: true, params: { more: 2 } }))
  say('packages', (await ow.packages.list({ limit: 10 })).map(one => one.name).sort())
  say('packages counted', await ow.packages.list({ count: true }))
  say('package got', await ow.packages.get({ name: 'tools' }))
  await fails('package not empty', ow.packages.delete({ name: 'tools' }))
  await fails('package again', ow.packages.create({ name: 'tools' }))
}

async function sequences () {
  say('sequence', (await ow.actions.create({ name: 'twice', sequence: [`/${namespace}/tools/echo`, `/${namespace}/bound/echo`] })).exec)
  const { activationId } = await ow.actions.invoke({ name: 'twice', blocking: true, params: { through: 'both' } })
  const record = await ended(activationId) // the response itself has no logs, as OpenWhisk's
  say('sequence record', record)
  say('sequence step', await ow.activations.get({ name: record.logs[0] }))
  say('sequence updated', (await ow.actions.update({ name: 'twice', sequence: [`/${namespace}/tools/echo`] })).version)
  await fails('sequence of nothing', ow.actions.create({ name: 'none', sequence: ['/_/nothing'] }))
}

async function webActions () {
  await ow.actions.update({ name: 'web', action: code, kind, annotations: { 'web-export': true, final: true }, params: { fixed: 1 } })
  await fetched('web json', 'default/web.json?x=1')
  await fetched('web post', 'default/web.json', { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"y":2}' })
  await fetched('web protected', 'default/web.json?fixed=2')
  await fetched('web in a package', 'tools/echo.json')
  await ow.actions.update({ name: 'raw', action: code, kind, annotations: { 'web-export': true, 'raw-http': true, 'require-whisk-auth': 'secret' } })
  await fetched('web without its key', 'default/raw.json')
  await fetched('web with its key', 'default/raw.json?a=b', { headers: { 'x-require-whisk-auth': 'secret' } })
}

async function limits () {
  const name = 'limited'
  say('limits', (await ow.actions.update({ name, action: code, kind, limits: { timeout: 5000, memory: 128, logs: 1 } })).limits)
  say('limits changed', (await ow.actions.update({ name, action: { limits: { memory: 256 } } })).limits)
  await fails('limits beyond', ow.actions.update({ name, action: { limits: { timeout: 10 ** 9 } } }))
  say('annotated', (await ow.actions.update({ name, action: { annotations: [{ key: 'mine', value: { a: 1 } }] } })).annotations)
  await fails('timed out', ow.actions.invoke({ name, blocking: true, result: true, params: { do: 'sleep', ms: 20000 } }))
  await fails('failed', ow.actions.invoke({ name, blocking: true, params: { do: 'error' } }))
}

async function activations () {
  const name = 'logging'
  await ow.actions.update({ name, action: code, kind })
  const ids = []
  for (let number = 0; number < 4; number++) {
    const { activationId } = await ow.actions.invoke({ name, params: { do: 'lines', count: 2, bytes: 10, id: `n${number}` } })
    ids.push(activationId)
    await ended(activationId)
    await new Promise(resolve => setTimeout(resolve, 5)) // starts are in milliseconds
  }
  const records = await Promise.all(ids.map(ended))
  const listed = async options => (await ow.activations.list(options)).map(one => ids.indexOf(one.activationId))
  const [first, second] = records.map(record => record.start)
  say('by name', await listed({ name }))
  say('by limit and skip', await listed({ name, limit: 2, skip: 1 }))
  say('since', await listed({ name, since: second }))
  say('upto', await listed({ name, upto: first }))
  say('since and upto', await listed({ name, since: first, upto: second }))
  say('counted', await ow.activations.list({ name, count: true }))
  say('with docs', (await ow.activations.list({ name, docs: true, limit: 1 }))[0])
  say('of a package', (await ow.activations.list({ name: 'tools/echo' })).length)
  say('logs', await ow.activations.logs({ name: ids[0] }))
  say('result', await ow.activations.result({ name: ids[0] }))
  await fails('beyond the limit', ow.activations.list({ limit: 201 }))
}

async function missing () {
  say('namespaces', await ow.namespaces.list())
  say('namespace', await ow.namespaces.get({ namespace }))
  await fails('trigger created', ow.triggers.create({ name: 'tick' }))
  await fails('trigger fired', ow.triggers.invoke({ name: 'tick' }))
  await fails('trigger got', ow.triggers.get({ name: 'tick' }))
  await fails('trigger deleted', ow.triggers.delete({ name: 'tick' }))
  await fails('rule created', ow.rules.create({ name: 'rule', action: 'web', trigger: 'tick' }))
  await fails('rule enabled', ow.rules.enable({ name: 'rule' }))
  await fails('routes', ow.routes.list())
  await fails('route created', ow.routes.create({ relpath: '/a', operation: 'get', action: 'web' }))
  await fails('feed', ow.feeds.create({ name: '/whisk.system/alarms/alarm', trigger: 'tick' }))
}

async function handOver () {
  await ow.actions.update({ name: 'slow', action: code, kind, limits: { timeout: 120000 } })
  const accepted = await ow.actions.invoke({ name: 'slow', blocking: true, params: { do: 'sleep', ms: 63000 } })
  say('handed over', accepted)
  say('ended later', await ended(accepted.activationId))
}

async function removed () {
  for (const name of ['twice', 'web', 'raw', 'limited', 'logging', 'slow', 'tools/echo']) {
    await ow.actions.delete({ name })
  }
  await ow.packages.delete({ name: 'bound' })
  say('package deleted', (await ow.packages.delete({ name: 'tools' })).name)
  await fails('package gone', ow.packages.get({ name: 'tools' }))
  say('nothing left', await ow.namespaces.get({ namespace }))
}

async function main () {
  await packages()
  await sequences()
  await Promise.all([webActions(), limits()])
  await activations()
  await missing()
  await handOver()
  await removed()
}

main().catch(error => {
  console.error(error)
  process.exit(1)
})
