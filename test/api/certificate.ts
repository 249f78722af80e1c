import { generateKeyPairSync, sign } from 'node:crypto'

/**
 * A certificate that signs itself, made for the length of a test: no key lies in the project. Source of
 * the structure: RFC 5280, 4.1.
 */
export interface Certificate {
  readonly cert: string
  readonly key: string
}

const ECDSA_WITH_SHA256 = Buffer.from('300a06082a8648ce3d040302', 'hex')
const COMMON_NAME = Buffer.from('0603550403', 'hex')
const SUBJECT_ALT_NAME = Buffer.from('0603551d11', 'hex')
const DAY_MS = 24 * 60 * 60 * 1000

export function selfSigned(options: {
  readonly host: string
  readonly fromDay?: number
  readonly toDay?: number
}): Certificate {
  const { host, fromDay = -1, toDay = 30 } = options
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const name = der(0x30, der(0x31, der(0x30, COMMON_NAME, der(0x0c, Buffer.from(host)))))
  const altName = der(0x30, SUBJECT_ALT_NAME, der(0x04, der(0x30, der(0x82, Buffer.from(host)))))
  const body = der(
    0x30,
    der(0xa0, der(0x02, Buffer.from([2]))),
    der(0x02, Buffer.from([1])),
    ECDSA_WITH_SHA256,
    name,
    der(0x30, time(fromDay), time(toDay)),
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, der(0x30, altName)),
  )
  const signature = Buffer.concat([Buffer.from([0]), sign('sha256', body, privateKey)])
  const certificate = der(0x30, body, ECDSA_WITH_SHA256, der(0x03, signature))
  const lines = certificate.toString('base64').replace(/(.{64})/g, '$1\n')
  return {
    cert: `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`,
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  }
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
