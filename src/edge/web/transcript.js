// A transcript as lines. An answer says where to go on from; what is known is not read again.

/** As much of a transcript as is read at once. */
export const PAGE_BYTES = 1024 * 1024;

export class Transcript {
  lines = [];
  cursor = '0';

  /** Takes what was said from `this.cursor` on. */
  take(text, nextCursor) {
    const all = text.split('\n');
    if (all.at(-1) === '') all.pop();
    for (const line of all) this.lines.push(line);
    this.cursor = nextCursor;
  }
}
