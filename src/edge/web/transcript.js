// A transcript as lines. What is known already is not read again: an answer says how many bytes of the text come before it.

const CUT = /^\[… (\d+) bytes before this\]\n/;
/** The first look and the look at what is new: enough for some minutes of an agent's talk. */
export const TAIL_BYTES = 128 * 1024;
/** As much as the server gives at most. */
export const WHOLE_BYTES = 16 * 1024 * 1024;

const encoder = new TextEncoder();
// eslint-disable-next-line no-control-regex
const bytesOf = (text) => (/^[\x00-\x7f]*$/.test(text) ? text.length : encoder.encode(text).length);

export class Transcript {
  constructor() {
    this.lines = [];
    /** Bytes before the end of each line, counted from the beginning of the whole text. */
    this.ends = [];
    /** What is missing in front of the first line. */
    this.missing = 0;
  }

  get bytes() {
    return this.ends.at(-1) ?? this.missing;
  }

  /** Takes an answer to a question for `asked` bytes. False: there is a gap, more has to be asked for. */
  take(text, asked) {
    const cut = CUT.exec(text);
    const rest = cut ? text.slice(cut[0].length) : text;
    // An agent may write such a line itself; a real one stands before as much as was asked for.
    const isCut = cut !== null && bytesOf(rest) > asked - 8;
    const from = isCut ? Number(cut[1]) : 0;
    const body = isCut ? rest : text;
    if (from === 0 || (this.lines.length === 0 && this.missing === 0)) this.#replace(body, from);
    else if (from > this.bytes || from < this.missing) return this.#other(body, from);
    else this.#join(body, from);
    return this.missing === 0;
  }

  #other(body, from) {
    if (from < this.missing) this.#replace(body, from);
    return this.missing === 0 && from <= this.bytes;
  }

  #replace(body, from) {
    Object.assign(this, { lines: [], ends: [], missing: from });
    this.#add(body, from);
  }

  /** `from` lies in what is known: what is known from the next line on is replaced. */
  #join(body, from) {
    let [low, high] = [0, this.ends.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.ends[middle] > from) high = middle;
      else low = middle + 1;
    }
    const starts = low > 0 ? this.ends[low - 1] : this.missing;
    const skip = starts === from ? 0 : body.indexOf('\n') + 1;
    const keep = starts === from ? low : low + 1;
    this.lines = this.lines.slice(0, keep);
    this.ends = this.ends.slice(0, keep);
    this.#add(body.slice(skip), from + bytesOf(body.slice(0, skip)));
  }

  #add(body, from) {
    let end = from;
    const all = body.split('\n');
    if (all.at(-1) === '') all.pop();
    for (const line of all) {
      end += bytesOf(line) + 1;
      this.lines.push(line);
      this.ends.push(end);
    }
  }
}
