// Drives an SDK for Node: every call there is, again and again for some seconds, then flushes.
// node servers.mjs segment|rudderstack URL KEY ROUNDS PAUSE_MS
import { createRequire } from 'node:module'

const [, , which, url, key, rounds, pause] = process.argv
const require = createRequire(process.cwd() + '/')
const sleep = (ms) => new Promise((done) => setTimeout(done, ms))

function client() {
  if (which === 'segment') {
    const { Analytics } = require('@segment/analytics-node')
    const made = new Analytics({ writeKey: key, host: url, flushAt: 5, flushInterval: 200, maxRetries: 20 })
    return [made, () => made.closeAndFlush({ timeout: 60_000 })]
  }
  const Rudder = require('@rudderstack/rudder-sdk-node')
  const made = new (Rudder.default ?? Rudder)(key, { dataPlaneUrl: url, flushAt: 5, flushInterval: 200, maxQueueSize: 1_000_000 })
  return [made, () => new Promise((done) => made.flush(done))]
}

const [sdk, end] = client()
const failed = []
sdk.on?.('error', (error) => failed.push(String(error.reason ?? error)))
for (let n = 0; n < Number(rounds); n++) {
  const who = { userId: `${which}-${n}` }
  sdk.identify({ ...who, traits: { email: `${which}-${n}@shop.example`, plan: 'pro' } })
  sdk.track({ ...who, event: 'Product Viewed', properties: { product_id: `p-${n}`, price: 19.9 } })
  sdk.page({ ...who, category: 'Docs', name: 'Home', properties: { path: '/' } })
  sdk.screen({ ...who, name: 'Start', properties: { dark: true } })
  sdk.group({ ...who, groupId: 'g-1', traits: { name: 'Example' } })
  sdk.alias({ previousId: `${which}-anon-${n}`, userId: `${which}-${n}` })
  await sleep(Number(pause))
}
await end()
console.log(JSON.stringify({ failed }))
process.exit(0)
