// A browser that does what it is told, a line of JSON at a time, and a website for it to visit.
// node pages.mjs CHROMIUM PROFILE
import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import { createInterface } from 'node:readline'

const [, , chromium, profile] = process.argv
const { chromium: browser } = createRequire(process.cwd() + '/')('playwright-core')

const sites = new Map()
const site = createServer((request, response) => {
  const { html, headers } = sites.get(request.url.split('?')[0]) ?? sites.get('/')
  response.writeHead(200, { 'content-type': 'text/html', ...headers })
  response.end(html)
})
await new Promise((done) => site.listen(0, '127.0.0.1', done))
const home = `http://127.0.0.1:${site.address().port}`
const context = await browser.launchPersistentContext(profile, {
  executablePath: chromium,
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-sync',
    '--disable-background-networking', '--disable-component-update'],
})

const tabs = new Map()
const errors = []
const DO = {
  serve: ({ path, html, headers }) => void sites.set(path, { html, headers }),
  init: ({ code }) => context.addInitScript(code),
  open: async ({ tab, path }) => {
    if (!tabs.has(tab)) {
      tabs.set(tab, await context.newPage())
      tabs.get(tab).on('pageerror', (error) => errors.push(String(error)))
      tabs.get(tab).on('console', (said) => said.type() === 'error' && errors.push(said.text()))
    }
    await tabs.get(tab).goto(home + path)
  },
  arrives: ({ tab, path }) => tabs.get(tab).waitForURL(home + path),
  run: ({ tab, code }) => tabs.get(tab).evaluate(code),
  click: ({ tab, text }) => tabs.get(tab).getByText(text).click({ timeout: 5000 }),
  focus: ({ tab }) => tabs.get(tab).bringToFront(),
  texts: ({ tab }) => tabs.get(tab).getByRole('status').allInnerTexts(),
  href: ({ tab }) => tabs.get(tab).getByRole('status').getByRole('link').getAttribute('href', { timeout: 2000 }),
  back: ({ tab }) => tabs.get(tab).goBack(),
  close: async ({ tab }) => {
    await tabs.get(tab).close({ runBeforeUnload: true })
    tabs.delete(tab)
  },
  offline: ({ on }) => context.setOffline(on),
  shot: ({ tab, file }) => tabs.get(tab).screenshot({ path: file }).then(() => null),
  forget: () => context.clearCookies(),
  errors: () => errors,
}
for await (const line of createInterface({ input: process.stdin })) {
  const { what, ...how } = JSON.parse(line)
  let said
  try {
    said = { value: (await DO[what](how)) ?? null }
  } catch (error) {
    said = { error: String(error) }
  }
  console.log(JSON.stringify(said))
}
await context.close()
site.close()
