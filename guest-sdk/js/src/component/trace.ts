/** Stack traces in the files and lines of the user's sources. */

/** One call of a stack trace. */
export interface Frame {
  readonly name: string;
  readonly line: number;
  readonly column: number;
  /** The source file; `undefined` for code of the SDK and of the bundler. */
  readonly file: string | undefined;
}

/** A source map of version 3, without the sources' contents; `null` stands for files that traces leave out. */
export interface SourceMap {
  readonly sources: readonly (string | null)[];
  readonly mappings: string;
}

type Segment = readonly [column: number, source: number, line: number, sourceColumn: number];

const DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
/** `    at name (file:line:column)` of QuickJS and V8, `name@file:line:column` of SpiderMonkey. */
const FRAME = /^\s*at (?:(.*?) \()?(.*?):(\d+):(\d+)\)?$|^(.*?)@(.*?):(\d+):(\d+)$/;

/** Returns the calls of an error's stack that are in the user's own code and packages, the innermost first. */
export function userFrames(stack: string, map: SourceMap | undefined): Frame[] {
  const lines = map && decode(map.mappings);
  return stack.split("\n").flatMap((text) => {
    const found = FRAME.exec(text);
    if (found === null) return [];
    // SpiderMonkey ends the name of a part of a function with `<` or `/`.
    const name = (found[1] ?? found[5] ?? "").replace(/[</]+$/, "");
    const [line, column] = [Number(found[3] ?? found[7]), Number(found[4] ?? found[8])];
    const frame = lines && map ? original(name, line, column, lines, map) : { name, line, column, file: found[2] ?? found[6] };
    return frame.file === undefined ? [] : [frame];
  });
}

/** Returns a call as a line of a trace. */
export function frameLine({ name, line, column, file }: Frame): string {
  const place = `${file}:${line}:${column}`;
  return name === "" || name === "<anonymous>" || name === "anonymous" ? `    at ${place}` : `    at ${name} (${place})`;
}

function original(name: string, line: number, column: number, lines: readonly (readonly Segment[])[], map: SourceMap): Frame {
  // Columns of stacks begin with 1, those of source maps with 0.
  const segment = lines[line - 1]?.findLast(([start]) => start <= column - 1);
  if (segment === undefined) return { name, line, column, file: undefined };
  return { name, line: segment[2] + 1, column: segment[3] + 1, file: map.sources[segment[1]] ?? undefined };
}

/** Decodes the mappings: for each line of the bundle its segments, by column. */
function decode(mappings: string): Segment[][] {
  let [source, line, sourceColumn] = [0, 0, 0];
  return mappings.split(";").map((text) => {
    let column = 0;
    const segments: Segment[] = [];
    for (const part of text === "" ? [] : text.split(",")) {
      const [columns = 0, sources, lines = 0, sourceColumns = 0] = numbers(part);
      column += columns;
      if (sources === undefined) continue;
      source += sources;
      line += lines;
      sourceColumn += sourceColumns;
      segments.push([column, source, line, sourceColumn]);
    }
    return segments;
  });
}

/** Reads numbers in base 64, five bits a digit, the lowest first; the lowest bit of a number is its sign. */
function numbers(text: string): number[] {
  const found: number[] = [];
  let [value, shift] = [0, 0];
  for (const letter of text) {
    const digit = DIGITS.indexOf(letter);
    value |= (digit & 31) << shift;
    shift += 5;
    if (digit & 32) continue;
    found.push(value & 1 ? -(value >>> 1) : value >>> 1);
    [value, shift] = [0, 0];
  }
  return found;
}
