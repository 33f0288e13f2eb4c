// How much room text takes on a terminal, which draws letters of East Asia and emoji two cells
// wide.

/**
 * Letters and signs of East Asia, full-width forms, and pictures: what is one by itself, and what a
 * selector makes one.
 */
const WIDE =
  /^[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97c\uac00-\ud7a3\uf900-\ufaff\ufe10-\ufe6b\uff01-\uff60\uffe0-\uffe6\u{16fe0}-\u{1b2ff}\u{1f200}-\u{1f265}\u{20000}-\u{3fffd}]|\p{Emoji_Presentation}|\ufe0f/u;
/** Accents and joiners, which are drawn into the cell before them. */
const WITHOUT_A_CELL = /[\p{Mn}\p{Me}\p{Cf}]/gu;
const ASCII = /^[ -~]*$/;

let segmenter: Intl.Segmenter | undefined;

/**
 * The graphemes of a text. Made when it is needed: loading the tables behind it takes 20 ms of a
 * command's start.
 */
const graphemesOf = (text: string): Intl.Segments => (segmenter ??= new Intl.Segmenter()).segment(text);

/** How many cells a text takes. */
export function cellsOf(text: string): number {
  if (ASCII.test(text)) return text.length;
  let cells = 0;
  for (const { segment } of graphemesOf(text)) cells += cellsOfOne(segment);
  return cells;
}

/**
 * As much of a text as so many cells hold, without half an emoji or a letter that has lost its
 * accent.
 */
export function cutToCells(text: string, cells: number): string {
  let left = cells;
  for (const { segment, index } of graphemesOf(text)) {
    left -= cellsOfOne(segment);
    if (left < 0) return text.slice(0, index);
  }
  return text;
}

/** Letters that a script joins into one have a cell each, as most terminals have it. */
const cellsOfOne = (grapheme: string): number =>
  WIDE.test(grapheme) ? 2 : Array.from(grapheme.replaceAll(WITHOUT_A_CELL, '')).length;
