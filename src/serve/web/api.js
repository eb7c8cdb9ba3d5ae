// @ts-check
/** Speaks with the server: questions, changes with the token, and the stream of events. */

const TOKEN = "gridboard-token";

/** @returns {string} */
export function token() {
  return sessionStorage.getItem(TOKEN) ?? "";
}

/**
 * Keeps a token, and lets the browser read by it.
 * @param {string} text
 */
export async function enter(text) {
  sessionStorage.setItem(TOKEN, text.trim());
  try {
    await post("api/enter", {});
  } catch (error) {
    sessionStorage.removeItem(TOKEN);
    throw error;
  }
}

/** An answer that is none. */
export class ApiError extends Error {
  /**
   * @param {string} message
   * @param {number} status
   */
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

/** @param {Response} response */
async function answer(response) {
  if (response.ok) return response.json();
  let message = `the server answers ${response.status}`;
  try {
    message = (await response.json()).error ?? message;
  } catch {
    // No sentence of ours.
  }
  throw new ApiError(message, response.status);
}

/**
 * @param {string} path
 * @param {Record<string, any>} [query]
 */
export async function get(path, query = {}) {
  const known = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== "");
  const tail = known.length ? `?${new URLSearchParams(known.map(([name, value]) => [name, String(value)]))}` : "";
  return answer(await fetch(path + tail, { credentials: "same-origin" }));
}

/**
 * @param {string} path
 * @param {any} body
 */
export async function post(path, body) {
  const headers = { "Content-Type": "application/json", Authorization: `Bearer ${token()}` };
  return answer(await fetch(path, { method: "POST", headers, body: JSON.stringify(body), credentials: "same-origin" }));
}

/**
 * Listens to what is new. The browser comes back by itself where the stream breaks, and says what it has heard.
 * @param {Record<string, any>} query
 * @param {Record<string, (data: any) => void>} handlers by the kind of event; `state` hears whether the stream is there
 * @returns {() => void} ends it
 */
export function listen(query, handlers) {
  const known = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== "");
  const source = new EventSource(`api/events?${new URLSearchParams(known.map(([name, value]) => [name, String(value)]))}`);
  for (const [kind, handler] of Object.entries(handlers)) {
    if (kind === "state") continue;
    source.addEventListener(kind, (event) => handler(JSON.parse(/** @type {MessageEvent} */ (event).data)));
  }
  source.onopen = () => handlers.state?.("live");
  source.onerror = () => {
    handlers.state?.("away");
    // Refused, not cut off: the browser does not try again by itself.
    if (source.readyState === EventSource.CLOSED) setTimeout(() => handlers.reset?.({}), 3000);
  };
  return () => source.close();
}
