import type { Context } from 'hono'

/** A whole page. Never from a cache: it shows this moment. */
export async function page(c: Context, body: unknown, status: 200 | 404 | 409 | 503 = 200): Promise<Response> {
  return c.html(`<!doctype html>${String(await body)}`, status, { 'cache-control': 'no-store' })
}
