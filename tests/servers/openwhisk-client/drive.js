// Tests an OpenWhisk server with the OpenWhisk project's client: `drive.js APIHOST KEY IMAGE ACTION.wasm`. Prints the result of each step as a line of JSON.
'use strict'

const fs = require('fs')
const openwhisk = require('openwhisk')

const [apihost, key, image, codeFile] = process.argv.slice(2)
const ow = openwhisk({ apihost, api_key: key })
const stranger = openwhisk({ apihost, api_key: key.replace(/.$/, '!') })

const say = (step, value) => console.log(JSON.stringify({ step, value }))
const fails = async (step, promise) => {
  try {
    say(step, { unexpected: await promise })
  } catch (error) {
    say(step, { name: error.name, message: error.message, statusCode: error.statusCode, error: error.error })
  }
}

async function main () {
  const name = 'hello'
  const code = fs.readFileSync(codeFile)
  say('namespaces', await ow.namespaces.list())
  say('none', await ow.actions.list())

  const created = await ow.actions.create({
    name,
    action: code,
    exec: { kind: 'blackbox', image },
    params: { name: 'Ada', n: 1.5 },
    limits: { timeout: 30000, memory: 256 }
  })
  say('created', { ...created, exec: { ...created.exec, code: created.exec.code.length } })
  await fails('again', ow.actions.create({ name, action: code, exec: { kind: 'blackbox', image } }))
  say('updated', (await ow.actions.update({ name, action: { limits: { memory: 512 }, annotations: [{ key: 'mine', value: { a: 1 } }] } })))
  say('got', await ow.actions.get({ name, code: false }))
  say('listed', await ow.actions.list({ limit: 10, skip: 0 }))
  say('counted', await ow.actions.list({ count: true }))

  say('record', await ow.actions.invoke({ name, blocking: true }))
  say('result', await ow.actions.invoke({ name, blocking: true, result: true, params: { name: 'Bea' } }))
  const { activationId } = await ow.actions.invoke({ name, params: { name: 'Cleo' } })
  say('accepted', activationId)
  let record
  for (let tries = 0; !record && tries < 100; tries++) {
    record = await ow.activations.get({ name: activationId }).catch(() => new Promise(resolve => setTimeout(resolve, 50)))
  }
  say('activation', record)
  say('activation result', await ow.activations.result({ name: activationId }))
  say('activation logs', await ow.activations.logs({ name: activationId }))
  say('activations', await ow.activations.list({ name, limit: 5 }))
  await fails('no such activation', ow.activations.get({ name: '0'.repeat(32) }))
  await fails('no activation id', ow.activations.get({ name: 'nonsense' }))

  await ow.packages.update({ name: 'tools' })
  say('packaged', (await ow.actions.create({ name: 'tools/hello', action: code, exec: { kind: 'blackbox', image } })).namespace)
  await fails('no such package', ow.actions.create({ name: 'nowhere/hello', action: code, exec: { kind: 'blackbox', image } }))
  await fails('no such kind', ow.actions.create({ name: 'x', action: 'x', kind: 'cobol:60' }))
  await fails('wrong limit', ow.actions.create({ name: 'x', action: code, exec: { kind: 'blackbox', image }, limits: { memory: 4096 } }))
  await fails('wrong type', ow.actions.create({ name: 'x', action: { exec: { kind: 'blackbox', image }, limits: { memory: 'much' } } }))
  await fails('stranger', stranger.actions.list())
  await fails('foreign', ow.actions.list({ namespace: 'other' }))

  say('deleted', (await ow.actions.delete({ name })).name)
  await fails('gone', ow.actions.get({ name }))
  await fails('gone too', ow.actions.delete({ name }))
}

main().catch(error => {
  console.error(error)
  process.exit(1)
})
