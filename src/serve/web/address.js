// @ts-check
/** What a page shows, as the part of its address after the `#`, so that a view can be sent to somebody. Pure. */

/** @typedef {{page: "all"} | {page: "experiment", experiment: string} | {page: "run", experiment: string, run: string} | {page: "compare", experiment: string, keys: number[]}} Place */

/**
 * @param {string} hash
 * @returns {{place: Place, view: Record<string, string>}}
 */
export function read(hash) {
  const [path, query = ""] = hash.replace(/^#/, "").split("?", 2);
  const parts = path.split("/").filter(Boolean).map(decode);
  /** @type {Record<string, string>} */
  const view = Object.fromEntries(new URLSearchParams(query));
  const [kind, experiment, what, which] = parts;
  if (kind !== "e" || !experiment) return { place: { page: "all" }, view };
  if (what === "run" && which) return { place: { page: "run", experiment, run: which }, view };
  if (what === "compare" && which) {
    const keys = which.split(",").map(Number).filter(Number.isInteger);
    return { place: { page: "compare", experiment, keys }, view };
  }
  return { place: { page: "experiment", experiment }, view };
}

/**
 * @param {Place} place
 * @param {Record<string, string | null | undefined>} [view]
 * @returns {string}
 */
export function write(place, view = {}) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(view)) if (value) query.set(name, value);
  const tail = query.size > 0 ? `?${query}` : "";
  if (place.page === "all") return `#/${tail}`;
  const head = `#/e/${encodeURIComponent(place.experiment)}`;
  if (place.page === "run") return `${head}/run/${encodeURIComponent(place.run)}${tail}`;
  if (place.page === "compare") return `${head}/compare/${place.keys.join(",")}${tail}`;
  return `${head}${tail}`;
}

/** @param {string} part */
function decode(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/**
 * Ranges of dimensions in one word: `lr:0..1;accuracy:0.8..0.9`.
 * @param {Map<string, [number, number]>} ranges
 */
export function writeRanges(ranges) {
  return [...ranges].map(([name, [low, high]]) => `${encodeURIComponent(name)}:${low}..${high}`).join(";");
}

/**
 * @param {string | undefined} text
 * @returns {Map<string, [number, number]>}
 */
export function readRanges(text) {
  /** @type {Map<string, [number, number]>} */
  const ranges = new Map();
  for (const part of (text ?? "").split(";")) {
    const colon = part.lastIndexOf(":");
    const [low, high] = part.slice(colon + 1).split("..").map(Number);
    if (colon > 0 && Number.isFinite(low) && Number.isFinite(high)) ranges.set(decode(part.slice(0, colon)), [low, high]);
  }
  return ranges;
}
