// Kairos in a web page: who visits, what they do, and none of it lost on the way.
//
//   <script>window.kairos = window.kairos || []</script>
//   <script async src="https://cdp.shop.example/kairos.js" data-key="WRITE_KEY"></script>
//
// Every event waits in localStorage under a key of its own until the collector has it on disk. One
// key an event, since two tabs that write one list would overwrite each other's events. Sending
// twice does no harm: the engine knows copies by their messageId. So whatever is in doubt is kept.
//
// Comments are not served, nor is space that only eyes need, see collector/snippet.py: texts are in
// '…' or `…` on one line, and a comment has a line of its own. Nothing may throw into the page, and the page may have broken
// whatever it can reach: options for the browser have no prototype, JSON is written by hand.
(() => {
  'use strict'
  const script = document.currentScript
  const before = window.kairos
  if (!script || (before && before.track)) return
  const {key, pages, messages, cookieDomain} = script.dataset
  const base = new URL('v1/', script.src).href
  const tab = Math.random().toString(36).slice(2, 8)

  const EVENTS = 300, BYTES = 200000
  // What leaves with the page may be 64 KiB in all that is under way.
  const BATCH = 48000
  // A collector takes no event above 32 KiB.
  const LARGEST = 32000
  const SECOND = 1000, LONGEST = 300 * SECOND, LEASE = 15 * SECOND
  const ID = 'kairos.id', USER = 'kairos.user', WAIT = 'kairos.wait', QUEUE = 'kairos.e.', SEEN = 'kairos.seen'

  const attempt = (f, failed) => {
    try {
      return f()
    } catch (error) {
      return failed && failed(error)
    }
  }
  const safe = f => (...args) => attempt(() => f(...args), error => console.warn('kairos.js:', error))

  // Where storage is blocked or full, memory holds it for as long as the page lives.
  const memory = new Map()
  const get = name => memory.get(name) || attempt(() => localStorage.getItem(name)) || ''
  const drop = name => {
    memory.delete(name)
    attempt(() => localStorage.removeItem(name))
  }
  const set = (name, value) => {
    memory.delete(name)
    attempt(() => localStorage.setItem(name, value), () => memory.set(name, value))
  }
  const waiting = () => {
    const names = [...(attempt(() => Object.keys(localStorage)) || []), ...memory.keys()]
    return [...new Set(names)].filter(name => name.startsWith(QUEUE)).sort()
  }

  // Not JSON.stringify alone: older libraries give arrays and texts a toJSON that quotes twice.
  const encode = value => {
    if (!value || typeof value !== 'object') return JSON.stringify(value) || 'null'
    if (value instanceof Date) return encode(isNaN(value) ? null : value.toISOString())
    if (Array.isArray(value)) return `[${Array.from(value, encode).join()}]`
    const parts = []
    for (const name of Object.keys(value)) {
      if (value[name] !== undefined) parts.push(encode(name) + ':' + encode(value[name]))
    }
    return `{${parts.join()}}`
  }
  const bytes = text => new Blob([text]).size

  // Pages without TLS have no randomUUID.
  const draw = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), n => (n + 256).toString(16).slice(1)).join('')

  const cookie = () => attempt(() => document.cookie.match(/(?:^|; )kairos_id=([\w-]{16,64})/)[1])
  const remember = id => {
    set(ID, id)
    attempt(() => {
      const domain = cookieDomain ? `; domain=${cookieDomain}` : ''
      const secure = location.protocol === 'https:' ? '; secure' : ''
      document.cookie = `kairos_id=${id}; path=/; max-age=31536000; samesite=lax${domain}${secure}`
    })
    return id
  }
  let me = remember(cookie() || get(ID) || draw())

  const campaign = () => {
    const found = {__proto__: null}
    new URLSearchParams(location.search).forEach((value, name) => {
      if (name.startsWith('utm_')) found[name === 'utm_campaign' ? 'name' : name.slice(4)] = value
    })
    return found
  }

  let from = document.referrer
  const here = () => ({
    path: location.pathname, url: location.href, referrer: from,
    title: document.title,
  })

  // Each event has a time of its own: of two at one time nobody could say which came first.
  let count = 1e6, last = 0
  const add = (event, context) => {
    const at = new Date(last = Math.max(Date.now(), last + 1))
    const text = encode({
      messageId: draw(), anonymousId: me, timestamp: at,
      context: {
        page: here(), campaign: campaign(),
        gpc: navigator.globalPrivacyControl === true || undefined, ...context,
      },
      ...event,
    })
    if (bytes(text) > LARGEST) {
      api.dropped++
      return
    }
    set(`${QUEUE}${at.getTime().toString(36)}.${count++}.${tab}`, text)
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

  const batch = names => encode({
    writeKey: key, sentAt: new Date(),
    context: {
      userAgent: navigator.userAgent, locale: navigator.language,
      timezone: Intl.DateTimeFormat().resolvedOptions().timeZone,
    },
  }).slice(0, -1) + `,"batch":[${names.map(get).filter(Boolean).join()}]}`
  const some = names => {
    let size = 1000
    return names.filter((name, nth) => {
      size += bytes(get(name)) + 1
      return nth === 0 || size < BATCH
    })
  }

  // Of several tabs one sends, and after a failure none does for a while, also on the next page:
  // who, and until when. A tab that dies while it sends is waited for until its lease ends. Tabs
  // see late what another one stored, so they have a lock as well, but not on pages without TLS.
  const held = () => {
    const [who, until] = get(WAIT).split(' ')
    const left = until - Date.now()
    return {who, left: left > 0 && left <= 2 * LONGEST ? left : 0}
  }
  const hold = (who, pause) => set(WAIT, `${who} ${Date.now() + pause}`)
  const OFFLINE = 'offline', BUSY = 'busy'

  let timer, due = Infinity, flying = [], tries = 0
  const soon = pause => {
    const at = Date.now() + pause
    if (at >= due) return
    clearTimeout(timer)
    due = at
    timer = setTimeout(() => {
      due = Infinity
      only('kairos.send', got => got ? send() : soon(SECOND), true).catch(() => soon(SECOND))
    }, pause)
  }
  const only = async (name, f, ifAvailable = false) =>
    navigator.locks ? navigator.locks.request(name, {__proto__: null, ifAvailable}, f) : f(1)
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
    const names = some(waiting().filter(name => !flying.includes(name) && !handed.has(name)))
    const {who, left} = held()
    if (!names.length || (left && who !== tab)) return
    if (navigator.sendBeacon(`${base}batch`, batch(names))) names.forEach(name => handed.add(name))
  }
  const leave = () => {
    hide()
    if (held().who === tab) drop(WAIT)
    if (stop) stop()
  }

  // What the site is told to show. One stream a browser, in a tab that is looked at: the lock is of
  // all tabs. Pages without TLS have no lock, and then every tab that is looked at has a stream.
  const takers = [], unseen = []
  let stop, asking, busy
  const receipt = (name, id) => api.track(`web_${name}`, {message: id})
  const show = safe(() => {
    const message = !busy && unseen.shift()
    if (!message) return
    const {id} = message
    const seen = get(SEEN)
    if (seen.includes(id)) return show()
    // Said before it is shown: whatever ends the page then, nobody sees it twice.
    set(SEEN, `${id} ${seen}`.slice(0, 2000))
    receipt('opened', id)
    if (takers.length) {
      takers.forEach(f => safe(f)(message))
      show()
    } else banner(message)
  })
  const banner = ({id, subject, text}) => {
    busy = document.createElement('div')
    // The page's styles end here, and ours do too.
    const add = (into, tag, style, words) => {
      const node = document.createElement(tag)
      node.style.cssText = style
      node.textContent = words
      into.append(node)
      return node
    }
    const box = add(busy.attachShadow({mode: 'open'}), 'div', 'position:fixed;z-index:2147483647;right:16px;bottom:16px;margin-left:16px;max-width:360px;padding:16px 40px 16px 16px;border-radius:8px;background:#fff;color:#222;font:16px/1.4 sans-serif;border:1px solid #999', '')
    box.role = 'status'
    if (subject) add(box, 'strong', 'display:block', subject)
    const url = (text.match(/https?:[^\s<>"]+/) || [])[0]
    const words = add(box, url ? 'a' : 'span', 'color:inherit', text.replace(url, '').trim() || url)
    if (url) {
      words.href = url
      words.onclick = () => receipt('clicked', id)
    }
    const close = add(box, 'button', 'position:absolute;top:0;right:0;padding:8px;border:0;background:none;font:24px sans-serif', '×')
    close.ariaLabel = 'Close'
    close.onclick = safe(() => {
      busy.remove()
      busy = 0
      receipt('dismissed', id)
      show()
    })
    document.body.append(busy)
  }
  const listen = safe(() => {
    if (asking || stop || messages === 'off') return
    asking = 1
    const hold = () => new Promise(release => {
      asking = 0
      if (document.visibilityState === 'hidden') return release()
      const source = new EventSource(`${base}stream?writeKey=${encodeURIComponent(key)}&anonymousId=${me}`)
      stop = () => {
        stop = 0
        source.close()
        release()
      }
      source.onmessage = safe(({data}) => {
        unseen.push(JSON.parse(data))
        show()
      })
      // It was refused, and does not come back by itself.
      source.onerror = () => source.readyState === 2 && stop && setTimeout(listen, LONGEST, stop())
    })
    only('kairos.stream', hold)
  })
  const look = safe(() => document.visibilityState === 'hidden' ? stop && stop() : listen())

  const api = {
    dropped: 0,
    on: safe((what, f) => what === 'message' && takers.push(f)),
    track: safe((name, properties) => add({type: 'track', event: name, userId: user(), properties})),
    page: safe((name, properties) => add({
      type: 'page', name, userId: user(), properties: {...here(), ...properties},
    })),
    identify: safe((id, traits, options) => {
      if (id) set(USER, String(id))
      const token = options && options.token
      add({type: 'identify', userId: user(), traits}, {identity_token: token})
    }),
    // Under the visitor's own id alone: who somebody is, a browser only claims.
    consent: safe(choices => {
      for (const purpose of Object.keys(choices)) {
        const said = choices[purpose]
        const channels = said && typeof said === 'object' ? said : {'*': said}
        for (const channel of Object.keys(channels)) {
          const properties = {purpose, channel, granted: channels[channel] === true}
          add({type: 'track', event: 'consent_updated', properties})
        }
      }
    }),
    reset: safe(() => {
      drop(USER)
      me = remember(draw())
      if (stop) stop()
      listen()
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
    listen()
    document.addEventListener('visibilitychange', look)
    addEventListener('pagehide', safe(leave))
    document.addEventListener('visibilitychange', safe(() => document.visibilityState === 'hidden' && hide()))
    addEventListener('pageshow', safe(event => {
      if (event.persisted && pages !== 'off') api.page()
      listen()
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
