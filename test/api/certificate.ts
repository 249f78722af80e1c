import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { isIPv4 } from 'node:net'

/**
 * A certificate that signs itself, or is signed by an authority, made for the length of a test: no key lies in the project. Source of
 * the structure: RFC 5280, 4.1.
 */
export interface Certificate {
  readonly cert: string
  readonly key: string
}

const ECDSA_WITH_SHA256 = Buffer.from('300a06082a8648ce3d040302', 'hex')
const COMMON_NAME = Buffer.from('0603550403', 'hex')
const SUBJECT_ALT_NAME = Buffer.from('0603551d11', 'hex')
/** Basic constraints, critical: it may sign others. */
const IS_AUTHORITY = Buffer.from('300f0603551d130101ff040530030101ff', 'hex')
const DAY_MS = 24 * 60 * 60 * 1000

interface Options {
  /** A name, or an IPv4 address. */
  readonly host: string
  readonly fromDay?: number
  readonly toDay?: number
}

interface Signer {
  readonly name: Buffer
  readonly privateKey: KeyObject
}

export function selfSigned(options: Options): Certificate {
  return make(options, null).certificate
}

/** @returns its own certificate, and how to have others signed */
export function authority(): { readonly cert: string; signed(options: Options): Certificate } {
  const { certificate, signer } = make({ host: 'an authority' }, null, IS_AUTHORITY)
  return { cert: certificate.cert, signed: (options) => make(options, signer).certificate }
}

function make(options: Options, signer: Signer | null, ...extensions: readonly Buffer[]) {
  const { host, fromDay = -1, toDay = 30 } = options
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const name = der(0x30, der(0x31, der(0x30, COMMON_NAME, der(0x0c, Buffer.from(host)))))
  const place = isIPv4(host) ? der(0x87, Buffer.from(host.split('.').map(Number))) : der(0x82, Buffer.from(host))
  const altName = der(0x30, SUBJECT_ALT_NAME, der(0x04, der(0x30, place)))
  const body = der(
    0x30,
    der(0xa0, der(0x02, Buffer.from([2]))),
    der(0x02, Buffer.from([1])),
    ECDSA_WITH_SHA256,
    signer?.name ?? name,
    der(0x30, time(fromDay), time(toDay)),
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, der(0x30, altName, ...extensions)),
  )
  const signature = Buffer.concat([Buffer.from([0]), sign('sha256', body, signer?.privateKey ?? privateKey)])
  const whole = der(0x30, body, ECDSA_WITH_SHA256, der(0x03, signature))
  const lines = whole.toString('base64').replace(/.{64}(?=.)/g, '$&\n')
  const certificate = {
    cert: `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`,
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  }
  return { certificate, signer: { name, privateKey } }
}

function der(tag: number, ...parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat(parts)
  const { length } = content
  const size = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.from([tag, ...size]), content])
}

function time(day: number): Buffer {
  const digits = new Date(Date.now() + day * DAY_MS).toISOString().replace(/\.\d+|[-:T]/g, '')
  return der(0x18, Buffer.from(digits))
}
