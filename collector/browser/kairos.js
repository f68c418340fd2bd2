// Kairos in a web page: who visits, what they do, and none of it lost on the way.
//
//   <script>window.kairos = window.kairos || []</script>
//   <script async src="https://cdp.shop.example/kairos.js" data-key="WRITE_KEY"></script>
//
// Every event waits in localStorage under a key of its own until the collector has it on disk. One
// key an event, since two tabs that write one list would overwrite each other's events. Sending
// twice does no harm: the engine knows copies by their messageId. So whatever is in doubt is kept.
//
// Lines that begin with two slashes, and the space before a line, are not served; so nothing here
// may span lines as one text. Nothing may throw into the page, and the page may have broken
// whatever it can reach: objects for the browser have no prototype, JSON is written by hand.
(() => {
  'use strict'
  const script = document.currentScript || document.querySelector('script[data-key]')
  const before = window.kairos
  if (!script || (before && before.track)) return
  const {key, pages, cookieDomain} = script.dataset
  const base = new URL('v1/', script.src).href
  const tab = Math.random().toString(36).slice(2, 8)

  const EVENTS = 300, BYTES = 200000
  // What leaves with the page may be 64 KiB in all that is under way.
  const BATCH = 48000
  // A collector takes no event above 32 KiB.
  const LARGEST = 32000
  const SECOND = 1000, LONGEST = 300 * SECOND, LEASE = 15 * SECOND
  const ID = 'kairos.id', USER = 'kairos.user', WAIT = 'kairos.wait', QUEUE = 'kairos.e.'

  const attempt = (f, failed) => {
    try {
      return f()
    } catch (error) {
      return failed && failed(error)
    }
  }
  const safe = (f) => (...args) => attempt(() => f(...args), (error) => console.warn('kairos.js:', error))

  // Where storage is blocked or full, memory holds it for as long as the page lives.
  const memory = new Map()
  const get = (name) => memory.get(name) || attempt(() => localStorage.getItem(name)) || ''
  const drop = (name) => {
    memory.delete(name)
    attempt(() => localStorage.removeItem(name))
  }
  const set = (name, value) => {
    memory.delete(name)
    attempt(() => localStorage.setItem(name, value), () => memory.set(name, value))
  }
  const waiting = () => {
    const names = [...(attempt(() => Object.keys(localStorage)) || []), ...memory.keys()]
    return [...new Set(names)].filter((name) => name.startsWith(QUEUE)).sort()
  }

  // Not JSON.stringify alone: older libraries give arrays and texts a toJSON that quotes twice.
  const encode = (value) => {
    if (typeof value === 'bigint') return `"${value}"`
    if (!value || typeof value !== 'object') return JSON.stringify(value) || 'null'
    if (value instanceof Date) return encode(isNaN(value) ? null : value.toISOString())
    if (Array.isArray(value)) return `[${Array.from(value, encode).join()}]`
    const parts = []
    for (const name of Object.keys(value)) {
      const type = typeof value[name]
      if (type !== 'undefined' && type !== 'function') parts.push(encode(name) + ':' + encode(value[name]))
    }
    return `{${parts.join()}}`
  }
  const bytes = (text) => new Blob([text]).size

  const uuid = () => {
    if (crypto.randomUUID) return crypto.randomUUID()
    // Pages without TLS have no randomUUID.
    return Array.from(crypto.getRandomValues(new Uint8Array(16)), (n) => (n + 256).toString(16).slice(1)).join('')
  }

  const cookie = () => attempt(() => document.cookie.match(/(?:^|; )kairos_id=([\w-]{16,64})/)[1])
  const remember = (id) => {
    set(ID, id)
    attempt(() => {
      const domain = cookieDomain ? `; domain=${cookieDomain}` : ''
      const secure = location.protocol === 'https:' ? '; secure' : ''
      document.cookie = `kairos_id=${id}; path=/; max-age=31536000; samesite=lax${domain}${secure}`
    })
    return id
  }
  let me = remember(cookie() || get(ID) || uuid())

  const campaign = () => {
    const found = {__proto__: null}
    new URLSearchParams(location.search).forEach((value, name) => {
      if (name.startsWith('utm_')) found[name === 'utm_campaign' ? 'name' : name.slice(4)] = value
    })
    return found
  }

  let from = document.referrer
  const here = () => ({
    __proto__: null, path: location.pathname, url: location.href, referrer: from,
    title: document.title, search: location.search,
  })

  let count = 0
  const add = (event, context) => {
    const at = new Date()
    const text = encode({
      __proto__: null, messageId: uuid(), anonymousId: me, timestamp: at,
      context: {
        __proto__: null, page: here(), campaign: campaign(),
        gpc: navigator.globalPrivacyControl === true || undefined, ...context,
      },
      ...event,
    })
    if (bytes(text) > LARGEST) {
      api.dropped++
      return
    }
    const nth = (count++).toString(36).padStart(4, '0')
    set(`${QUEUE}${at.getTime().toString(36)}.${nth}.${tab}`, text)
    const names = waiting()
    let size = names.reduce((sum, name) => sum + get(name).length, 0)
    while (names.length > EVENTS || size > BYTES) {
      const oldest = names.shift()
      size -= get(oldest).length
      drop(oldest)
      api.dropped++
    }
    soon(50)
  }
  const user = () => get(USER) || undefined

  const batch = (names) => encode({
    __proto__: null, writeKey: key, sentAt: new Date(),
    context: {
      __proto__: null, userAgent: navigator.userAgent, locale: navigator.language,
      timezone: attempt(() => Intl.DateTimeFormat().resolvedOptions().timeZone),
      library: {__proto__: null, name: 'kairos.js'},
    },
  }).slice(0, -1) + `,"batch":[${names.map(get).filter(Boolean).join()}]}`
  const some = (names) => {
    let size = 1000
    return names.filter((name, nth) => {
      size += bytes(get(name)) + 1
      return nth === 0 || size < BATCH
    })
  }

  // Of several tabs one sends, and after a failure none does for a while, also on the next page:
  // who, and until when. A tab that dies while it sends is waited for until its lease ends.
  const held = () => {
    const [who, until] = get(WAIT).split(' ')
    const left = until - Date.now()
    return {__proto__: null, who, left: left > 0 && left <= 2 * LONGEST ? left : 0}
  }
  const hold = (who, pause) => set(WAIT, `${who} ${Date.now() + pause}`)
  const OFFLINE = 'offline', BUSY = 'busy'

  let timer, due = Infinity, flying = [], tries = 0
  const soon = (pause) => {
    const at = Date.now() + pause
    if (at >= due) return
    clearTimeout(timer)
    due = at
    timer = setTimeout(() => {
      due = Infinity
      send().catch(() => soon(SECOND))
    }, pause)
  }
  const send = async () => {
    const names = some(waiting())
    if (!names.length || flying.length) return
    const {left} = held()
    if (left) {
      soon(left + Math.random() * 100)
      return
    }
    hold(tab, LEASE)
    flying = names
    let pause = Math.min(LONGEST, SECOND * 2 ** tries) * (0.5 + Math.random() / 2), why = OFFLINE
    try {
      const {status, headers} = await fetch(`${base}batch`, {
        __proto__: null, method: 'POST', body: batch(names), keepalive: true,
        credentials: 'omit', signal: AbortSignal.timeout(LEASE),
      })
      if (status < 400 || (status < 500 && status !== 408 && status !== 429)) {
        // 4xx: it would be refused again as it is.
        names.forEach(drop)
        if (status >= 400) api.dropped += names.length
        tries = pause = 0
      } else {
        why = BUSY
        pause = Math.max(pause, Math.min(LONGEST, SECOND * (headers.get('retry-after') || 0)))
      }
    } catch (error) {
      // No answer; the events may be there or not.
    } finally {
      flying = []
    }
    if (pause) {
      tries++
      hold(why, pause)
    } else drop(WAIT)
    soon(pause)
  }

  // What a beacon was handed is kept: nobody hears its answer. The next page sends it once more.
  const handed = new Set()
  const hide = () => {
    const names = some(waiting().filter((name) => !flying.includes(name) && !handed.has(name)))
    const {who, left} = held()
    if (!names.length || (left && who !== tab)) return
    if (navigator.sendBeacon(`${base}batch`, batch(names))) names.forEach((name) => handed.add(name))
  }
  const leave = () => {
    hide()
    if (held().who === tab) drop(WAIT)
  }

  const api = {
    dropped: 0,
    track: safe((name, properties) => add({__proto__: null, type: 'track', event: name, userId: user(), properties})),
    page: safe((name, properties) => add({
      __proto__: null, type: 'page', name, userId: user(), properties: {...here(), ...properties},
    })),
    identify: safe((id, traits, options) => {
      if (id) set(USER, String(id))
      const token = options && options.token
      add({__proto__: null, type: 'identify', userId: user(), traits}, {__proto__: null, identity_token: token})
    }),
    // Under the visitor's own id alone: who somebody is, a browser only claims.
    consent: safe((choices) => {
      for (const purpose of Object.keys(choices)) {
        const said = choices[purpose]
        const channels = said && typeof said === 'object' ? said : {__proto__: null, '*': said}
        for (const channel of Object.keys(channels)) {
          const properties = {__proto__: null, purpose, channel, granted: channels[channel] === true}
          add({__proto__: null, type: 'track', event: 'consent_updated', properties})
        }
      }
    }),
    reset: safe(() => {
      drop(USER)
      me = remember(uuid())
    }),
    anonymousId: () => me,
    push: safe(([name, ...args]) => api[name](...args)),
  }

  // A route counts, a jump within the page does not.
  const route = () => location.pathname + location.search + (/^#[/!]/.test(location.hash) ? location.hash : '')
  const follow = () => {
    let seen = route(), url = location.href
    const look = () => setTimeout(safe(() => {
      if (route() === seen) return
      seen = route()
      from = url
      url = location.href
      api.page()
    }))
    for (const name of ['pushState', 'replaceState']) {
      const original = history[name]
      history[name] = function (...args) {
        const result = original.apply(this, args)
        look()
        return result
      }
    }
    addEventListener('popstate', look)
    addEventListener('hashchange', look)
  }
  const begin = safe(() => {
    window.kairos = api
    if (pages !== 'off') {
      api.page()
      safe(follow)()
    }
    if (Array.isArray(before)) before.forEach(api.push)
    addEventListener('pagehide', safe(leave))
    document.addEventListener('visibilitychange', safe(() => document.visibilityState === 'hidden' && hide()))
    addEventListener('pageshow', safe((event) => {
      if (event.persisted && pages !== 'off') api.page()
      soon(0)
    }))
    addEventListener('online', safe(() => {
      if (held().who === OFFLINE) drop(WAIT)
      soon(0)
    }))
    soon(0)
  })
  // A page that is rendered ahead may never be seen.
  if (document.prerendering) document.addEventListener('prerenderingchange', begin, {__proto__: null, once: true})
  else begin()
})()
