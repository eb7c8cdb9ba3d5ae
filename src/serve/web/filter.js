// @ts-check
/**
 * The filter of the table: the words of SQL's WHERE, read and evaluated here, so that nothing that somebody sends in an address
 * is ever executed. As in SQL, what is compared with nothing is neither true nor false, and such a row is left out. Pure.
 */

/** @typedef {(row: Record<string, any>) => any} Evaluate */
/** @typedef {{kind: string, text: string, at: number, value?: any}} Token */

/** What is wrong with a filter, and where. */
export class FilterError extends Error {
  /**
   * @param {string} message
   * @param {number} at
   */
  constructor(message, at) {
    super(message);
    this.at = at;
  }
}

const WORDS = new Set(["and", "or", "not", "between", "in", "like", "is", "null", "true", "false"]);
/** So deep may parentheses be nested. */
const DEEPEST = 100;

/**
 * @param {string} text
 * @returns {Token[]}
 */
function tokens(text) {
  const pattern = /\s+|(\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?)|([\p{L}_][\p{L}\p{N}_]*)|"((?:[^"]|"")*)"|'((?:[^']|'')*)'|(<=|>=|<>|!=|==|[=<>(),+\-*/])/uy;
  /** @type {Token[]} */
  const found = [];
  let at = 0;
  while (at < text.length) {
    pattern.lastIndex = at;
    const match = pattern.exec(text);
    if (!match) throw new FilterError(`"${text[at]}" is not understood`, at);
    const [whole, digits, word, quoted, string, sign] = match;
    if (digits !== undefined) found.push({ kind: "value", text: whole, at, value: Number(digits) });
    else if (word !== undefined) {
      const small = word.toLowerCase();
      found.push(WORDS.has(small) ? { kind: small, text: whole, at } : { kind: "name", text: word, at });
    } else if (quoted !== undefined) found.push({ kind: "name", text: quoted.replaceAll('""', '"'), at });
    else if (string !== undefined) found.push({ kind: "value", text: whole, at, value: string.replaceAll("''", "'") });
    else if (sign !== undefined) found.push({ kind: sign, text: whole, at });
    at += whole.length;
  }
  found.push({ kind: "end", text: "the end", at });
  return found;
}

/**
 * @param {any} value
 * @returns {any}
 */
function plain(value) {
  if (value === undefined || value === null || Number.isNaN(value)) return null;
  if (typeof value === "boolean") return value ? 1 : 0;
  return value;
}

/**
 * Less than 0, 0, more than 0; null where one is nothing. A number is before any text, as in SQLite.
 * @param {any} left
 * @param {any} right
 */
function order(left, right) {
  [left, right] = [plain(left), plain(right)];
  if (left === null || right === null) return null;
  if (typeof left === "number" && typeof right === "number") return left - right;
  if (typeof left === "number") return -1;
  if (typeof right === "number") return 1;
  const [a, b] = [String(left), String(right)];
  return a < b ? -1 : a > b ? 1 : 0;
}

/** @param {any} value */
function truth(value) {
  value = plain(value);
  if (value === null) return null;
  return typeof value === "number" ? value !== 0 : false;
}

/** @type {Record<string, (order: number) => boolean>} */
const COMPARE = {
  "=": (by) => by === 0, "==": (by) => by === 0, "!=": (by) => by !== 0, "<>": (by) => by !== 0,
  "<": (by) => by < 0, "<=": (by) => by <= 0, ">": (by) => by > 0, ">=": (by) => by >= 0,
};

/** @type {Record<string, (left: number, right: number) => number | null>} */
const CALCULATE = {
  "+": (a, b) => a + b, "-": (a, b) => a - b, "*": (a, b) => a * b, "/": (a, b) => (b === 0 ? null : a / b),
};

class Parser {
  /**
   * @param {string} text
   * @param {string[]} columns
   */
  constructor(text, columns) {
    this.tokens = tokens(text);
    this.place = 0;
    this.depth = 0;
    this.columns = columns;
  }

  get next() {
    return this.tokens[this.place];
  }

  /** @param {...string} kinds */
  take(...kinds) {
    return kinds.includes(this.next.kind) ? this.tokens[this.place++] : null;
  }

  /** @param {string} kind */
  want(kind) {
    const token = this.take(kind);
    if (!token) throw new FilterError(`"${kind}" is expected before ${this.shown()}`, this.next.at);
    return token;
  }

  shown() {
    return this.next.kind === "end" ? "the end" : `"${this.next.text}"`;
  }

  /** @returns {Evaluate} */
  either() {
    if (++this.depth > DEEPEST) throw new FilterError("the filter is nested too deeply", this.next.at);
    let left = this.both();
    while (this.take("or")) {
      const [one, other] = [left, this.both()];
      left = (row) => {
        const [a, b] = [truth(one(row)), truth(other(row))];
        return a || b ? true : a === null || b === null ? null : false;
      };
    }
    this.depth -= 1;
    return left;
  }

  /** @returns {Evaluate} */
  both() {
    let left = this.negated();
    while (this.take("and")) {
      const [one, other] = [left, this.negated()];
      left = (row) => {
        const [a, b] = [truth(one(row)), truth(other(row))];
        return a === false || b === false ? false : a === null || b === null ? null : true;
      };
    }
    return left;
  }

  /** @returns {Evaluate} */
  negated() {
    let turned = false;
    let any = false;
    while (this.take("not")) [turned, any] = [!turned, true];
    const inner = this.comparison();
    if (!any) return inner;
    return (row) => {
      const value = truth(inner(row));
      return value === null ? null : value !== turned;
    };
  }

  /** @returns {Evaluate} */
  comparison() {
    const left = this.sum();
    const sign = this.take(...Object.keys(COMPARE));
    if (sign) {
      const right = this.sum();
      const holds = COMPARE[sign.kind];
      return (row) => {
        const by = order(left(row), right(row));
        return by === null ? null : holds(by);
      };
    }
    if (this.take("is")) {
      const turned = Boolean(this.take("not"));
      this.want("null");
      return (row) => (plain(left(row)) === null) !== turned;
    }
    const turned = Boolean(this.take("not"));
    /** @param {Evaluate} test @returns {Evaluate} */
    const maybe = (test) => (row) => {
      const value = test(row);
      return value === null ? null : value !== turned;
    };
    if (this.take("between")) {
      const low = this.sum();
      this.want("and");
      const high = this.sum();
      return maybe((row) => {
        const [from, to] = [order(left(row), low(row)), order(left(row), high(row))];
        return from === null || to === null ? null : from >= 0 && to <= 0;
      });
    }
    if (this.take("in")) {
      this.want("(");
      const values = [this.sum()];
      while (this.take(",")) values.push(this.sum());
      this.want(")");
      return maybe((row) => {
        const found = values.map((value) => order(left(row), value(row)));
        return found.includes(0) ? true : found.includes(null) ? null : false;
      });
    }
    if (this.take("like")) {
      const pattern = this.sum();
      return maybe((row) => {
        const [text, like] = [plain(left(row)), plain(pattern(row))];
        return text === null || like === null ? null : matches(String(text), String(like));
      });
    }
    if (turned) throw new FilterError(`"between", "in" or "like" is expected after "not"`, this.next.at);
    return left;
  }

  /** @returns {Evaluate} */
  sum() {
    return this.chain(["+", "-"], () => this.product());
  }

  /** @returns {Evaluate} */
  product() {
    return this.chain(["*", "/"], () => this.value());
  }

  /**
   * @param {string[]} signs
   * @param {() => Evaluate} part
   * @returns {Evaluate}
   */
  chain(signs, part) {
    let left = part();
    for (let sign = this.take(...signs); sign; sign = this.take(...signs)) {
      const [one, other, calculate] = [left, part(), CALCULATE[sign.kind]];
      left = (row) => {
        const [a, b] = [plain(one(row)), plain(other(row))];
        return typeof a === "number" && typeof b === "number" ? calculate(a, b) : null;
      };
    }
    return left;
  }

  /** @returns {Evaluate} */
  value() {
    let sign = 1;
    let signed = false;
    for (let token = this.take("-", "+"); token; token = this.take("-", "+")) {
      signed = true;
      if (token.kind === "-") sign = -sign;
    }
    const inner = this.atom();
    if (!signed) return inner;
    return (row) => {
      const value = plain(inner(row));
      return typeof value === "number" ? sign * value : null;
    };
  }

  /** @returns {Evaluate} */
  atom() {
    const token = this.take("value", "name", "(", "null", "true", "false");
    if (!token) throw new FilterError(`a column or a value is expected before ${this.shown()}`, this.next.at);
    switch (token.kind) {
      case "value":
        return () => token.value;
      case "null":
        return () => null;
      case "true":
      case "false":
        return () => (token.kind === "true" ? 1 : 0);
      case "(": {
        const inner = this.either();
        this.want(")");
        return inner;
      }
      default: {
        const exact = this.columns.find((column) => column === token.text);
        const name = exact ?? this.columns.find((column) => column.toLowerCase() === token.text.toLowerCase());
        if (name === undefined) {
          throw new FilterError(`there is no column "${token.text}"; there are ${this.columns.join(", ")}`, token.at);
        }
        return (row) => row[name];
      }
    }
  }
}

/**
 * SQL's LIKE: `%` is any text, `_` any letter; no notice is taken of case. Steps back once at most for each letter.
 * @param {string} text
 * @param {string} like
 */
export function matches(text, like) {
  const [letters, signs] = [[...text.toLowerCase()], [...like.toLowerCase()]];
  let [at, sign, star, mark] = [0, 0, -1, 0];
  while (at < letters.length) {
    if (signs[sign] === "%") [star, mark] = [sign++, at];
    else if (sign < signs.length && (signs[sign] === "_" || signs[sign] === letters[at])) [at, sign] = [at + 1, sign + 1];
    else if (star >= 0) [sign, at] = [star + 1, ++mark];
    else return false;
  }
  while (signs[sign] === "%") sign += 1;
  return sign === signs.length;
}

/**
 * A test of rows from an expression; an empty one lets every row pass.
 * @param {string} text
 * @param {string[]} columns
 * @returns {(row: Record<string, any>) => boolean}
 */
export function compile(text, columns) {
  if (text.trim() === "") return () => true;
  const parser = new Parser(text, columns);
  const test = parser.either();
  if (parser.next.kind !== "end") throw new FilterError(`${parser.shown()} is not expected`, parser.next.at);
  return (row) => truth(test(row)) === true;
}
