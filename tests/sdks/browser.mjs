// Drives an SDK for browsers in Chromium, on a page of another origin than the collector's.
// node browser.mjs segment|rudderstack MODE URL KEY ROUNDS PAUSE_MS CHROMIUM PROFILE
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { createRequire } from 'node:module'

const [, , which, mode, url, key, rounds, pause, chromium, profile] = process.argv
const require = createRequire(process.cwd() + '/')
const { build } = require('esbuild')
const { chromium: browser } = require('playwright-core')

const SETUP = {
  segment: `
    import { AnalyticsBrowser } from '@segment/analytics-next'
    const url = new URL(${JSON.stringify(url)})
    const deliveryStrategy = ${JSON.stringify(mode)} === 'batching'
      ? { strategy: 'batching', config: { size: 5, timeout: 300 } } : { strategy: 'standard' }
    window.sdk = AnalyticsBrowser.load(
      { writeKey: ${JSON.stringify(key)}, cdnURL: url.origin },
      { integrations: { 'Segment.io': { apiHost: url.host + '/v1', protocol: 'http', deliveryStrategy } } })
    window.screen_ = (n) => window.sdk.screen('Start', { n })`,
  rudderstack: `
    import { RudderAnalytics } from '@rudderstack/analytics-js/bundled'
    const beacon = ${JSON.stringify(mode)} === 'beacon'
    window.sdk = new RudderAnalytics()
    window.sdk.load(${JSON.stringify(key)}, ${JSON.stringify(url)}, {
      configUrl: ${JSON.stringify(url)}, useBeacon: beacon,
      plugins: [beacon ? 'BeaconQueue' : 'XhrQueue'],
      beaconQueueOptions: { maxItems: 5, flushQueueInterval: 300 },
      queueOptions: { minRetryDelay: 300, maxRetryDelay: 1000, maxAttempts: 30,
        batch: { enabled: ${JSON.stringify(mode)} === 'batch', maxItems: 5, flushInterval: 300 } } })
    window.screen_ = () => undefined  // RudderStack's browser SDK has no such call`,
}
const bundled = await build({
  stdin: { contents: SETUP[which], resolveDir: process.cwd() },
  bundle: true, write: false, format: 'iife', platform: 'browser', logLevel: 'error',
})
const script = bundled.outputFiles[0].text
const site = createServer((request, response) => {
  const isScript = request.url === '/sdk.js'
  response.writeHead(200, { 'content-type': isScript ? 'text/javascript' : 'text/html' })
  response.end(isScript ? script : request.url === '/' ? '<!doctype html><title>Shop</title><script src="/sdk.js"></script>' : 'bye')
})
await new Promise((done) => site.listen(0, '127.0.0.1', done))
const home = `http://127.0.0.1:${site.address().port}`

const context = await browser.launchPersistentContext(profile, {
  executablePath: chromium,
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-sync',
    '--disable-background-networking', '--disable-component-update'],
})
const page = await context.newPage()
const said = []
page.on('pageerror', (error) => said.push(String(error)))
await page.goto(home + '/')
// Before it may send, an SDK asks once for its settings, and a page whose question nobody answered sends
// nothing until it is opened again. So whoever kills the collector begins once the SDK has begun.
await page.evaluate(() => new Promise((ready) => sdk.ready(ready)))
writeFileSync(profile + '.ready', '')
await page.evaluate(async ([rounds, pause, which]) => {
  for (let n = 0; n < rounds; n++) {
    sdk.page('Docs', 'Home', { n })
    sdk.track('Product Viewed', { product_id: `p-${n}`, price: 19.9 })
    sdk.identify(`${which}-browser`, { email: `${which}@shop.example`, plan: 'pro', n })
    sdk.group('g-1', { name: 'Example', n })
    screen_(n)
    sdk.alias(`${which}-browser`, `${which}-old-${n}`)
    await new Promise((done) => setTimeout(done, pause))
  }
}, [Number(rounds), Number(pause), which])
// What is said in the last moment leaves with the page: it is sent once, and nobody hears whether it
// arrived. So whoever kills the collector is told, and it is back.
writeFileSync(profile + '.leaving', '')
const serves = () => fetch(url + '/readyz').then((answer) => answer.ok, () => false)
await page.waitForTimeout(300)
while (!await serves()) await page.waitForTimeout(50)
await page.evaluate(() => { sdk.track('Left Early', { why: 'done' }) })
await page.goto(home + '/bye')
await page.waitForTimeout(1_000)
// Some SDKs keep what did not arrive, and send it when the visitor is back: RudderStack's takes a queue
// that another page left behind after ten seconds.
await page.goto(home + '/')
const kept = () => page.evaluate(() => Object.entries(localStorage).some(
  ([name, value]) => /queue|progress/i.test(name) && !/^"?(\[\]|\{\})"?$/.test(value)))
const until = Date.now() + 30_000
do { await page.waitForTimeout(1_000) } while (await kept() && Date.now() < until)
await context.close()
site.close()
console.log(JSON.stringify({ said }))
