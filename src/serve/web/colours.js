// @ts-check
/** One colour a run, the same in every chart and for everybody: by its place in the experiment. Pure. */

/** Okabe and Ito's colours, which are told apart with any kind of sight, without the two that are too pale or too dark. */
export const PALETTE = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#8c6bb1", "#7f7f00"];

const DASHES = [[], [8, 4], [2, 3], [8, 3, 2, 3]];

/**
 * @param {number} place of the run in its experiment
 * @returns {{colour: string, dash: number[]}}
 */
export function ofPlace(place) {
  const turn = Math.floor(place / PALETTE.length) % DASHES.length;
  return { colour: PALETTE[place % PALETTE.length], dash: DASHES[turn] };
}

/** Viridis at nine places: light and dark go with less and more, with any kind of sight. */
const VIRIDIS = [[68, 1, 84], [71, 44, 122], [59, 81, 139], [44, 113, 142], [33, 144, 141], [39, 173, 129], [92, 200, 99], [170, 220, 50], [253, 231, 37]];

/**
 * @param {number} part from 0 to 1
 * @returns {{background: string, text: string}}
 */
export function heatColour(part) {
  const at = Math.min(Math.max(part, 0), 1) * (VIRIDIS.length - 1);
  const low = Math.min(Math.floor(at), VIRIDIS.length - 2);
  const mixed = VIRIDIS[low].map((from, channel) => Math.round(from + (VIRIDIS[low + 1][channel] - from) * (at - low)));
  const light = 0.299 * mixed[0] + 0.587 * mixed[1] + 0.114 * mixed[2];
  return { background: `rgb(${mixed.join(",")})`, text: light > 130 ? "#000" : "#fff" };
}

/**
 * More or less than nothing: orange and blue, white between.
 * @param {number} part from -1 to 1
 */
export function difference(part) {
  const size = Math.min(Math.abs(part), 1);
  const end = part > 0 ? [0, 114, 178] : [213, 94, 0];
  const mixed = end.map((channel) => Math.round(255 + (channel - 255) * size));
  return { background: `rgb(${mixed.join(",")})`, text: size > 0.6 ? "#fff" : "#000" };
}
