// A mail server that takes mails, and says in a line of JSON each how readers understand them.
// node catcher.mjs RECORDS   names and TXT records, for signatures; ends with its standard input
import { createRequire } from 'node:module'

const require = createRequire(process.cwd() + '/')
const { SMTPServer } = require('smtp-server')
const { simpleParser } = require('mailparser')
const { dkimVerify } = require('mailauth/lib/dkim/verify')

const records = JSON.parse(process.argv[2])
const resolver = async (name) => [[records[name]]]
const say = (said) => process.stdout.write(JSON.stringify(said) + '\n')

async function read(raw) {
  const mail = await simpleParser(raw, { skipHtmlToText: true, skipTextToHtml: true, skipImageLinks: true })
  const { results } = await dkimVerify(raw, { resolver })
  return {
    from: mail.from.value,
    to: mail.to.value,
    subject: mail.subject,
    text: mail.text,
    html: mail.html,
    messageId: mail.messageId,
    list: mail.headers.get('list'),
    headers: mail.headerLines,
    dkim: results.map(({ status, signingDomain }) => ({ result: status.result, domain: signingDomain })),
    raw: raw.toString('latin1'),
  }
}

const server = new SMTPServer({
  authOptional: true,
  disabledCommands: ['STARTTLS'],
  async onData(stream, session, done) {
    const chunks = []
    for await (const chunk of stream) chunks.push(chunk)
    try {
      say({ envelope: session.envelope.rcptTo[0].address, ...(await read(Buffer.concat(chunks))) })
      done()
    } catch (error) {
      say({ error: String(error.stack) })
      done(error)
    }
  },
})
server.listen(0, '127.0.0.1', () => say({ port: server.server.address().port }))
process.stdin.on('end', () => process.exit(0)).resume()
