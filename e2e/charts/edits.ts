import { isMap, isScalar, isSeq, type Pair, parseDocument, type YAMLMap } from 'yaml';

/** Edits of one YAML document's text at paths of its tree. All that no edit names stays as it is written. */

export type Path = readonly (string | number)[];

interface Found {
  readonly pair: Pair;
  readonly value: unknown;
}

interface Edit {
  readonly from: number;
  readonly to: number;
  readonly text: string;
}

/** Lines without indentation; `$COLUMN` is that of the first one, and `$WITHIN` that of what it holds. */
export type Lines = readonly string[];

export class YamlText {
  readonly #text: string;
  readonly #root: unknown;
  readonly #edits: Edit[] = [];
  readonly #around: (readonly [string, string])[] = [];

  constructor(text: string) {
    const document = parseDocument(text);
    if (document.errors[0]) throw document.errors[0];
    this.#text = text;
    this.#root = document.contents;
  }

  /** The value at a path. Throws when there is none. */
  valueAt(path: Path): unknown {
    const { value } = this.#pairAt(path);
    return isScalar(value) || isMap(value) || isSeq(value) ? value.toJSON() : value;
  }

  /** Replaces the scalar at a path. */
  setScalar(path: Path, text: string): void {
    const { value } = this.#pairAt(path);
    if (!isScalar(value) || !value.range) throw new Error(`${path.join('.')} is no scalar`);
    this.#edits.push({ from: value.range[0], to: value.range[1], text });
  }

  /** Replaces a key and its value by lines. */
  setLines(path: Path, lines: Lines): void {
    const { pair, value } = this.#pairAt(path);
    const from = startOf(pair);
    const end = rangeOf(value)[1];
    const to = from + this.#text.slice(from, end).trimEnd().length;
    this.#edits.push({ from, to, text: this.#indented(from, lines) });
  }

  /** Puts lines before the first key of the map at a path, or before the key that is named. */
  insert(path: Path, lines: Lines, before?: string): void {
    const map = path.length === 0 ? this.#root : this.#pairAt(path).value;
    if (!isMap(map)) throw new Error(`${path.join('.')} is no map`);
    const pair = before === undefined ? map.items[0] : find(map, before);
    if (!pair) throw new Error(`${path.join('.')} has no ${before}`);
    const from = startOf(pair);
    const text = `${this.#indented(from, lines)}\n${' '.repeat(this.#columnOf(from))}`;
    this.#edits.push({ from, to: from, text });
  }

  /** Puts lines before the first item of the list at a path. */
  insertItems(path: Path, lines: Lines): void {
    const { value } = this.#pairAt(path);
    if (!isSeq(value) || value.flow)
      throw new Error(`${path.join('.')} is no list with a line for each item`);
    // The range of a list begins at the dash of its first item.
    const from = rangeOf(value)[0];
    const text = `${this.#indented(from, lines)}\n${' '.repeat(this.#columnOf(from))}`;
    this.#edits.push({ from, to: from, text });
  }

  has(path: Path): boolean {
    return this.#find(path) !== undefined;
  }

  /** Puts a line before and after the whole document. */
  wrap(before: string, after: string): void {
    this.#around.push([before, after]);
  }

  toString(): string {
    let text = this.#text;
    const edits = this.#edits.map((edit, index) => ({ ...edit, index }));
    // Of two at one place, the one that was asked for first comes first in the text.
    for (const { from, to, text: by } of edits.toSorted((a, b) => b.from - a.from || b.index - a.index))
      text = text.slice(0, from) + by + text.slice(to);
    return this.#around.reduce((within, [before, after]) => `${before}\n${within.trim()}\n${after}\n`, text);
  }

  #columnOf(at: number): number {
    return at - (this.#text.lastIndexOf('\n', at - 1) + 1);
  }

  #indented(from: number, lines: Lines): string {
    const column = this.#columnOf(from);
    return lines
      .map((line) => line.replaceAll('$COLUMN', `${column}`).replaceAll('$WITHIN', `${column + 2}`))
      .join(`\n${' '.repeat(column)}`);
  }

  #pairAt(path: Path): Found {
    const found = this.#find(path);
    if (!found) throw new Error(`there is no ${path.join('.')}`);
    return found;
  }

  #find(path: Path): Found | undefined {
    let value: unknown = this.#root;
    let pair: Pair | undefined;
    for (const step of path) {
      if (typeof step === 'number') {
        value = isSeq(value) ? value.items[step] : undefined;
        continue;
      }
      pair = isMap(value) ? find(value, step) : undefined;
      value = pair?.value;
    }
    return pair && value !== undefined ? { pair, value } : undefined;
  }
}

const find = (map: YAMLMap, key: string): Pair | undefined =>
  map.items.find((pair) => isScalar(pair.key) && pair.key.value === key);

const rangeOf = (node: unknown): readonly [number, number, number] => {
  if ((isScalar(node) || isMap(node) || isSeq(node)) && node.range) return node.range;
  throw new Error('a node without a place in its text');
};

const startOf = (pair: Pair): number => rangeOf(pair.key)[0];
